//! Secrets, keys and certificates that are changed in their files while webhooks arrive, as Kubernetes changes them.

mod support;

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use smile_relay::event::pb::{
    CreateCallbackTokenRequest, SubscribeRequest, callback_token_service_client::CallbackTokenServiceClient,
};
use support::{
    Place, Relay,
    client::{Reader, Sender, body, sign_with},
    eventually,
    wire::{connect_tls, tls_for},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// What Kubernetes does to a mounted Secret: new files in a directory of their own, and one link that is moved over to it.
struct Mounted {
    directory: std::path::PathBuf,
    version: AtomicUsize,
}

impl Mounted {
    fn new(place: &Place, files: &[(&str, String)]) -> Self {
        let mounted = Self { directory: place.path().join("mounted"), version: AtomicUsize::new(0) };
        std::fs::create_dir(&mounted.directory).unwrap();
        mounted.update(files);
        for (name, _) in files {
            std::os::unix::fs::symlink(Path::new("..data").join(name), mounted.directory.join(name)).unwrap();
        }
        mounted
    }

    fn update(&self, files: &[(&str, String)]) {
        let version = format!("..{}", self.version.fetch_add(1, Ordering::Relaxed));
        let directory = self.directory.join(&version);
        std::fs::create_dir(&directory).unwrap();
        for (name, content) in files {
            std::fs::write(directory.join(name), content).unwrap();
        }
        std::os::unix::fs::symlink(&version, self.directory.join("..data_tmp")).unwrap();
        std::fs::rename(self.directory.join("..data_tmp"), self.directory.join("..data")).unwrap();
    }

    fn flag(&self, flag: &str, name: &str) -> String {
        format!("--{flag}={}", self.directory.join(name).display())
    }
}

/// A certificate and its key, in PEM, and the certificate as it is shown.
fn certificate() -> (String, String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().to_vec())
}

/// Sends webhooks signed with a secret until it is stopped; how many were answered otherwise than with 200.
fn load(
    sender: &Sender,
    name: &'static str,
    secret: String,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<(usize, usize)> {
    let (sender, stop) = (sender.clone(), stop.clone());
    tokio::spawn(async move {
        let (mut sent, mut refused) = (0, 0);
        while !stop.is_cancelled() {
            let body = body(&format!("{name}-{sent}"));
            let signature = sign_with(&secret, body.as_bytes());
            let status = sender.post("/webhooks/smile", Some(&signature), body).await.status();
            sent += 1;
            refused += usize::from(status != 200);
        }
        (sent, refused)
    })
}

fn reloads(relay: &Relay, what: &str, result: &str) -> f64 {
    relay.metric(&format!(r#"smile_relay_reloads_total{{what="{what}",result="{result}"}}"#))
}

async fn shown(relay: &Relay) -> Vec<u8> {
    let connection = connect_tls(relay, Ipv4Addr::LOCALHOST, tls_for(&["http/1.1"])).await;
    connection.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_certificates_change_under_load_and_nobody_notices() {
    let place = Place::default();
    let ((cert_1, key_1, der_1), (cert_2, key_2, der_2)) = (certificate(), certificate());
    let files = |secret: &'static str, next: &'static str, cert: &str, key: &str| {
        [("secret", secret.to_owned()), ("next", next.to_owned()), ("cert", cert.to_owned()), ("key", key.to_owned())]
    };
    let mounted = Mounted::new(&place, &files("one\n", "one\n", &cert_1, &key_1));
    let flags = [
        mounted.flag("webhook-secret-file", "secret"),
        mounted.flag("webhook-secret-file", "next"),
        mounted.flag("tls-cert", "cert"),
        mounted.flag("tls-key", "key"),
    ];
    let relay = place.start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let sender = Sender::new(&relay);
    let mut stream = Reader::open(&mut relay.grpc().await, SubscribeRequest::default()).await.unwrap();
    let stop = CancellationToken::new();
    let old = load(&sender, "old", "one".into(), &stop);
    assert_eq!(shown(&relay).await, der_1);

    // Both secrets, and another certificate.
    mounted.update(&files("one\n", "two\n", &cert_2, &key_2));
    eventually("both are in force", || {
        (reloads(&relay, "webhook_secrets", "ok") == 1.0 && reloads(&relay, "public_certificate", "ok") == 1.0)
            .then_some(())
    });
    assert_eq!(shown(&relay).await, der_2);
    let new = load(&sender, "new", "two".into(), &stop);
    stream.take(50).await;
    // What can't be used changes nothing: an empty secret, a key that is not the certificate's.
    mounted.update(&files("one\n", "", &cert_2, &key_1));
    eventually("both are refused", || {
        (reloads(&relay, "webhook_secrets", "failed") == 1.0 && reloads(&relay, "public_certificate", "failed") == 1.0)
            .then_some(())
    });
    assert!(
        relay.log().contains("the file is empty") && !relay.log().contains(r#""one"#),
        "it is said, without a secret"
    );
    assert_eq!(shown(&relay).await, der_2);
    stream.take(50).await;
    stop.cancel();
    for (sent, refused) in [old.await.unwrap(), new.await.unwrap()] {
        assert!(sent > 10 && refused == 0, "{refused} of {sent} were refused");
    }
    // The old secret goes.
    mounted.update(&files("two\n", "two\n", &cert_2, &key_2));
    eventually("it is in force", || (reloads(&relay, "webhook_secrets", "ok") == 2.0).then_some(()));
    let post = async |secret: &str, id: &str| {
        let body = body(id);
        let signature = sign_with(secret, body.as_bytes());
        sender.post("/webhooks/smile", Some(&signature), body).await.status().as_u16()
    };
    assert_eq!((post("one", "late").await, post("two", "last").await), (401, 200));
    let (_, metrics) = relay.probe("/metrics");
    let uses = metrics.lines().filter(|line| line.starts_with("smile_relay_webhook_secret_uses_total{")).count();
    assert_eq!(uses, 2, "the new one, and that which every relay has here:\n{metrics}");
    // The stream was never broken.
    loop {
        if stream.take(1).await[0].id == "last" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_tokens_change_as_well() {
    let place = Place::default();
    let key = |fill: &str| fill.repeat(32);
    let mounted = Mounted::new(&place, &[("key", key("a"))]);
    let relay = place.start(&[&mounted.flag("callback-key-file", "key"), "--callback-origin=https://a.example"]);
    let sender = Sender::new(&relay);
    let channel = Channel::from_shared(format!("http://{}", relay.grpc)).unwrap().connect().await.unwrap();
    let token = async || {
        let request = CreateCallbackTokenRequest { user_id: "u".into(), ..Default::default() };
        let answer = CallbackTokenServiceClient::new(channel.clone()).create_callback_token(request).await;
        answer.unwrap().into_inner().token
    };
    let report = async |token: &str| {
        let callback = r#"{"id":"0199c1c4-0000-7000-8000-000000000001","name":"onClose"}"#;
        let batch = format!(r#"{{"token":"{token}","callbacks":[{callback}]}}"#);
        sender.post("/callbacks/v1/events", None, batch).await.status().as_u16()
    };
    let first = token().await;
    assert_eq!(report(&first).await, 200);
    for (content, result, count) in [(key("b"), "ok", 1.0), ("short".into(), "failed", 1.0)] {
        mounted.update(&[("key", content)]);
        eventually(result, || (reloads(&relay, "callback_keys", result) == count).then_some(()));
        assert_eq!((report(&first).await, report(&token().await).await), (401, 200), "after {result}");
    }
}
