//! The gRPC listeners: TCP and Unix sockets, as many as are configured, with TLS or without; the same events over each.

mod support;

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, pki_types::ServerName};
use smile_relay::event::pb::{GetRelayInfoRequest, SubscribeRequest, relay_service_client::RelayServiceClient};
use support::{
    Place, Relay,
    client::{Reader, Sender, body, tls_config},
    eventually,
    stream::{from_earliest, info, sequences},
};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

type Client = RelayServiceClient<Channel>;

/// A certificate for `localhost`, as files, and the authority that it is of, in PEM.
fn certificate(place: &Place) -> (String, String, String) {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let path = place.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    (write("grpc.crt", certificate.pem()), write("grpc.key", key.serialize_pem()), authority_pem)
}

async fn over_unix(path: &Path) -> Client {
    let path = path.to_owned();
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector(connect).await.unwrap();
    RelayServiceClient::new(channel)
}

async fn over_unix_with_tls(path: &Path, mut tls: ClientConfig) -> Client {
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let (path, tls) = (path.to_owned(), TlsConnector::from(Arc::new(tls)));
    let connect = tower::service_fn(move |_| {
        let (path, tls) = (path.clone(), tls.clone());
        async move {
            let stream = UnixStream::connect(path).await?;
            let name = ServerName::try_from("localhost").unwrap();
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, stream).await?))
        }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector(connect).await.unwrap();
    RelayServiceClient::new(channel)
}

/// With the certificate's name as the one that is meant.
fn endpoint_with_tls(address: &str, authority_pem: &str) -> Endpoint {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority_pem)).domain_name("localhost");
    Channel::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap()
}

/// Where it listens for gRPC, in the order of the flags.
fn grpc_addresses(relay: &Relay) -> Vec<String> {
    let log = relay.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let fields = lines.map(|line| line["fields"].clone()).filter(|fields| fields["listener"] == "grpc");
    fields.map(|fields| fields["address"].as_str().unwrap().to_owned()).collect()
}

/// Each gets what was stored before and what comes, and the calls with one answer work.
async fn check(relay: &Relay, clients: Vec<Client>) {
    let sender = Sender::new(relay);
    for id in ["a", "b"] {
        assert_eq!(sender.send(body(id)).await, 200);
    }
    let mut readers = Vec::new();
    for mut client in clients {
        assert_eq!(info(&mut client).await.latest_sequence, 2);
        for request in [from_earliest(), SubscribeRequest::default()] {
            readers.push(Reader::open(&mut client, request).await.unwrap());
        }
    }
    for reader in readers.iter_mut().step_by(2) {
        assert_eq!(sequences(&reader.take(2).await), [1, 2]);
    }
    assert_eq!(relay.metric("smile_relay_streams"), readers.len() as f64);
    assert_eq!(sender.send(body("c")).await, 200);
    for reader in &mut readers {
        assert_eq!(sequences(&reader.take(1).await), [3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_over_tcp_and_a_unix_socket() {
    let place = Place::default();
    // A socket's path has to be short.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("relay.sock");
    let unix = format!("--grpc-listen=unix:{}", path.display());
    let more = ["--grpc-listen=127.0.0.1:0", &unix, "--grpc-listen=localhost:0", "--grpc-unix-mode=0600"];
    let relay = place.start(&more);
    let addresses = grpc_addresses(&relay);
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut clients = vec![over_unix(&path).await];
    for address in [&addresses[0], &addresses[2]] {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        clients.push(RelayServiceClient::new(endpoint.connect().await.unwrap()));
    }
    check(&relay, clients).await;
    assert!(relay.stop().success());
    assert!(!path.exists(), "nothing is left of it");

    // What a relay leaves behind that was killed is no obstacle.
    place.start(&more).kill();
    assert!(path.exists());
    let relay = place.start(&more);
    assert_eq!(info(&mut over_unix(&path).await).await.latest_sequence, 3);
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_with_tls() {
    let place = Place::default();
    let (certificate, key, authority) = certificate(&place);
    // A socket's path has to be short.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("relay.sock");
    let unix = format!("--grpc-listen=unix:{}", path.display());
    let (certificate, key) = (format!("--grpc-tls-cert={certificate}"), format!("--grpc-tls-key={key}"));
    let relay = place.start(&["--grpc-listen=127.0.0.1:0", &unix, &certificate, &key]);
    let address = grpc_addresses(&relay).remove(0);
    let tcp = RelayServiceClient::new(endpoint_with_tls(&address, &authority).connect().await.unwrap());
    // The certificate is that of all gRPC listeners.
    let unix = over_unix_with_tls(&path, tls_config(&[&rustls::version::TLS13])).await;
    check(&relay, vec![tcp, unix]).await;

    // Nobody is served without, and nobody has to trust somebody else's certificate.
    let plain = Channel::from_shared(format!("http://{address}")).unwrap().connect().await;
    if let Ok(channel) = plain {
        let refused = RelayServiceClient::new(channel).get_relay_info(GetRelayInfoRequest {}).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let stranger = self::certificate(&Place::default()).2;
    let refused = endpoint_with_tls(&address, &stranger).connect().await;
    assert!(refused.is_err());
    eventually("the good ones are served as before", || (relay.metric("smile_relay_streams") == 0.0).then_some(()));
    let mut again = RelayServiceClient::new(endpoint_with_tls(&address, &authority).connect().await.unwrap());
    assert_eq!(info(&mut again).await.latest_sequence, 3);
}
