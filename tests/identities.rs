//! Identities that end while they read: by time, and by a change of the files. Their streams end with a last checkpoint and
//! an UNAVAILABLE from which the next one goes on; nobody else notices. And the limits of one identity, which harm no other.

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use smile_relay::event::pb::{GetRelayInfoRequest, SubscribeRequest};
use support::{
    Relay,
    client::{Reader, Sender, body},
    eventually,
    identity::{Authority, Client, Guarded, Key, KeyServer, claims, client, key_set, token},
    program::run,
    stream::{Refusal, after, from_earliest, sequences, to_the_end, with_short_heartbeat},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

fn reloads(relay: &Relay, what: &str, result: &str) -> f64 {
    relay.metric(&format!(r#"smile_relay_reloads_total{{what="{what}",result="{result}"}}"#))
}

/// A token, and its line of the token file.
fn made(name: &str) -> (String, String) {
    let made = run(["token", name]).ok();
    (made.stdout().trim().to_owned(), format!("{}\n", made.stderr.trim()))
}

async fn subscribe(client: &mut Client) -> Reader {
    Reader::of(client.subscribe(with_short_heartbeat(SubscribeRequest::default()))).await.unwrap()
}

async fn code(client: &mut Client) -> Code {
    client.get_relay_info(GetRelayInfoRequest {}).await.err().map_or(Code::Ok, |status| status.code())
}

/// Reads to the end, which has to be that of the identity, with a last checkpoint at what was read.
async fn until_identity_ends(reader: &mut Reader) -> (Vec<u64>, String) {
    let mut read = Vec::new();
    let mut last_is_checkpoint = false;
    let end: Status = loop {
        match reader.message().await {
            Ok(Some(message)) => {
                last_is_checkpoint = message.checkpoint.is_some() && message.events.is_empty();
                read.extend(sequences(&message.events));
            }
            Ok(None) => panic!("it ended with OK"),
            Err(status) => break status,
        }
    };
    let end = Refusal::from(end);
    assert_eq!((end.code, end.reason.as_str()), (Code::Unavailable, "IDENTITY_EXPIRED"), "{end:?}");
    assert!(end.retry_after.is_some() && last_is_checkpoint, "{end:?}");
    (read, reader.checkpoint.cursor.clone())
}

/// Sends webhooks until it is stopped; how many.
fn load(relay: &Relay, stop: &CancellationToken) -> (Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
    let (sender, stop, sent) = (Sender::new(relay), stop.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&sent);
    let task = tokio::spawn(async move {
        while !stop.is_cancelled() {
            let number = counted.load(Ordering::SeqCst);
            assert_eq!(sender.send(body(&format!("load-{number}"))).await, 200);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (sent, task)
}

fn issuer(server: &KeyServer, guarded: &Guarded, more: &str) -> String {
    guarded.write("issuer-ca.pem", &server.authority.pem);
    format!(
        "[issuers.cluster]\nissuer = \"https://issuer.example\"\naudiences = [\"smile-relay\"]\n\
         jwks-url = \"https://localhost:{}/openid/v1/jwks\"\nca-file = \"{}\"\n{more}\n\
         [identities.account]\njwt = [{{ issuer = \"cluster\", subjects = [\"system:serviceaccount:a:*\"] }}]\n",
        server.address.port(),
        guarded.path("issuer-ca.pem").display(),
    )
}

const SUBJECT: &str = "system:serviceaccount:a:b";

#[tokio::test(flavor = "multi_thread")]
async fn tokens_authorities_and_grants_change_under_load_and_only_those_meant_notice() {
    let guarded = Guarded::new();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let ((gone, gone_line), (stays, stays_line), (narrowed, narrowed_line)) =
        (made("gone"), made("stays"), made("narrowed"));
    guarded.write("tokens", &format!("{gone_line}{stays_line}{narrowed_line}"));
    guarded.write("clients.pem", &format!("{}{}", old.pem, new.pem));
    let identities = |narrowed: &str| {
        format!(
            "[identities.gone]\ntokens = [\"gone\"]\n[identities.stays]\ntokens = [\"stays\"]\n\
             [identities.narrowed]\ntokens = [\"narrowed\"]\n{narrowed}\n\
             [identities.mesh]\ncertificates = [\"spiffe://a/*\"]\n"
        )
    };
    guarded.write("identities.toml", &identities(""));
    let relay = guarded.start(&[]);
    let with = async |token: &str| guarded.client(&relay, token).await;
    let certified = async |authority: &Authority| {
        let pair = authority.client("spiffe://a/b", 3600);
        client(guarded.channel(&relay, Some(&pair)).await.unwrap(), None)
    };
    let mut clients = [with(&gone).await, with(&stays).await, with(&narrowed).await];
    let (mut by_old, mut by_new) = (certified(&old).await, certified(&new).await);
    let mut of_gone = subscribe(&mut clients[0]).await;
    let mut of_stays = subscribe(&mut clients[1]).await;
    let mut of_narrowed = subscribe(&mut clients[2]).await;
    let (mut of_old, mut of_new) = (subscribe(&mut by_old).await, subscribe(&mut by_new).await);
    assert_eq!(relay.metric(r#"smile_relay_identity_streams{identity="mesh"}"#), 2.0);
    let stop = CancellationToken::new();
    let (sent, loading) = load(&relay, &stop);
    of_stays.take(20).await;

    // A token goes from its file, under load.
    guarded.write("tokens", &format!("{stays_line}{narrowed_line}"));
    until_identity_ends(&mut of_gone).await;
    assert_eq!(code(&mut clients[0]).await, Code::Unauthenticated);

    // An authority goes.
    guarded.write("clients.pem", &new.pem);
    until_identity_ends(&mut of_old).await;
    assert_eq!(code(&mut by_old).await, Code::Unauthenticated, "on the connection that it had");
    assert_eq!(code(&mut by_new).await, Code::Ok);

    // Grants change: what comes is no more than what is granted now.
    guarded.write("identities.toml", &identities("event-types = [\"USER_CREATED\"]"));
    let (_, cursor) = until_identity_ends(&mut of_narrowed).await;
    let again = Reader::of(clients[2].subscribe(to_the_end(after(&cursor)))).await.unwrap().rest().await;
    assert_eq!((again.0.len(), again.1.code()), (0, Code::Ok));

    // What can't be used changes nothing.
    for (name, text, what) in [
        ("tokens", "", "identities"),
        ("identities.toml", "[identities.stays]\n", "identities"),
        ("clients.pem", "nothing", "grpc_client_ca"),
    ] {
        let before = reloads(&relay, what, "failed");
        guarded.write(name, text);
        eventually(what, || (reloads(&relay, what, "failed") > before).then_some(()));
    }
    assert_eq!(code(&mut clients[1]).await, Code::Ok);
    assert_eq!(code(&mut by_new).await, Code::Ok);
    stop.cancel();
    loading.await.unwrap();

    // The others have had every event, over the streams that they had from the start.
    let sent = u64::try_from(sent.load(Ordering::SeqCst)).unwrap();
    assert!(sent > 50, "{sent}");
    let rest = of_stays.take(usize::try_from(sent).unwrap() - 20).await;
    assert_eq!(sequences(&rest), (21..=sent).collect::<Vec<_>>());
    let all = of_new.take(usize::try_from(sent).unwrap()).await;
    assert_eq!(sequences(&all), (1..=sent).collect::<Vec<_>>());
    eventually("the streams that ended are counted no more", || {
        (relay.metric(r#"smile_relay_identity_streams{identity="mesh"}"#) == 1.0).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_and_a_certificate_that_expire_end_their_streams() {
    let guarded = Guarded::new();
    let (key, clients) = (Key::ec("k"), Authority::new("of clients"));
    let server = KeyServer::start(&[&key]).await;
    guarded.write("clients.pem", &clients.pem);
    let mesh = "[identities.mesh]\ncertificates = [\"spiffe://a/*\"]\n";
    guarded.write("identities.toml", &format!("{}{mesh}", issuer(&server, &guarded, "")));
    let relay = guarded.start(&[]);
    eventually("the keys are there", || relay.log().contains("its keys are in force").then_some(()));

    let pair = clients.client("spiffe://a/b", 6);
    let mut short_cert = client(guarded.channel(&relay, Some(&pair)).await.unwrap(), None);
    // Clocks may differ by 5 s.
    let mut short = guarded.client(&relay, &key.token(&claims(SUBJECT, 1))).await;
    let mut long = guarded.client(&relay, &key.token(&claims(SUBJECT, 3600))).await;
    let (mut of_cert, mut of_short) = (subscribe(&mut short_cert).await, subscribe(&mut short).await);
    let mut of_long = subscribe(&mut long).await;
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("a")).await, 200);
    let (of_cert, of_short) = tokio::join!(until_identity_ends(&mut of_cert), until_identity_ends(&mut of_short));
    assert_eq!((of_cert.0, of_short.0), (vec![1], vec![1]));
    assert_eq!(code(&mut short).await, Code::Unauthenticated);
    assert_eq!(code(&mut short_cert).await, Code::Unauthenticated, "on the connection that it had");
    // Somebody with a good token goes on after the cursor of the last checkpoint.
    assert_eq!(sender.send(body("b")).await, 200);
    let (events, end) = Reader::of(long.subscribe(to_the_end(after(&of_short.1)))).await.unwrap().rest().await;
    assert_eq!((sequences(&events), end.code()), (vec![2], Code::Ok));
    assert_eq!(sequences(&of_long.take(2).await), [1, 2], "others are as they were");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_issuer_rotate_under_load_and_a_server_that_fails_takes_none_away() {
    let guarded = Guarded::new();
    let (one, two, three) = (Key::ec("one"), Key::rsa("two"), Key::ec("three"));
    let server = KeyServer::start(&[&one]).await;
    guarded.write("service-account-token", "of-the-relay\n");
    let asks_with = format!("token-file = \"{}\"\nrefresh = \"1s\"", guarded.path("service-account-token").display());
    guarded.write("identities.toml", &issuer(&server, &guarded, &asks_with));
    let relay = guarded.start(&[]);
    eventually("the keys are there", || relay.log().contains("its keys are in force").then_some(()));
    assert_eq!(server.authorization(), "Bearer of-the-relay");
    let with = async |key: &Key| guarded.client(&relay, &key.token(&claims(SUBJECT, 3600))).await;
    let (mut by_one, mut by_two) = (with(&one).await, with(&two).await);
    let mut of_one = subscribe(&mut by_one).await;
    assert_eq!(code(&mut by_two).await, Code::Unauthenticated, "its key is not published yet");
    let stop = CancellationToken::new();
    let (sent, loading) = load(&relay, &stop);
    of_one.take(20).await;

    // The next key is published beside the first, and a token with it is taken.
    server.set(200, &key_set(&[&one, &two]));
    while code(&mut by_two).await != Code::Ok {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut of_two = subscribe(&mut by_two).await;
    of_two.take(20).await;

    // A server that is broken, in several ways: what was good stays good.
    let refreshes = |result: &str| {
        relay.metric(&format!(r#"smile_relay_identity_key_refreshes_total{{issuer="cluster",result="{result}"}}"#))
    };
    for (status, answer) in [
        (500, String::new()),
        (200, "<html>".into()),
        (200, key_set(&[])),
        (302, String::new()),
        (200, format!("{{\"keys\": [], \"more\": \"{}\"}}", "x".repeat(300 << 10))),
    ] {
        let before = refreshes("failed");
        server.set(status, &answer);
        eventually("the failure is counted", || (refreshes("failed") > before).then_some(()));
        assert_eq!((code(&mut by_one).await, code(&mut by_two).await), (Code::Ok, Code::Ok), "{status} {:.20}", answer);
    }
    assert!(relay.log().contains("the last good ones stay in force") && !relay.log().contains("of-the-relay"));

    // The first one is taken away.
    server.set(200, &key_set(&[&two]));
    until_identity_ends(&mut of_one).await;
    assert_eq!((code(&mut by_one).await, code(&mut by_two).await), (Code::Unauthenticated, Code::Ok));
    of_two.take(20).await;
    stop.cancel();
    loading.await.unwrap();
    let sender = Sender::new(&relay);
    assert_eq!(sender.send(body("last")).await, 200);
    while of_two.take(1).await[0].id != "last" {}
    assert!(sent.load(Ordering::SeqCst) > 50);
    assert_eq!(code(&mut with(&three).await).await, Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_keys_do_not_make_the_relay_ask_again_and_again() {
    let guarded = Guarded::new();
    let key = Key::ec("k");
    let server = KeyServer::start(&[&key]).await;
    guarded.write("identities.toml", &issuer(&server, &guarded, ""));
    let relay = guarded.start(&[]);
    eventually("the keys are there", || relay.log().contains("its keys are in force").then_some(()));
    let mut good = guarded.client(&relay, &key.token(&claims(SUBJECT, 3600))).await;
    let begun = Instant::now();
    for number in 0..200 {
        let header = json!({"alg": "ES256", "kid": format!("made-up-{number}")});
        let bad = token(&header, &claims(SUBJECT, 3600), |message| key.sign(message));
        assert_eq!(code(&mut guarded.client(&relay, &bad).await).await, Code::Unauthenticated);
    }
    assert_eq!(code(&mut good).await, Code::Ok);
    let most = 2 + usize::try_from(begun.elapsed().as_secs() / 10).unwrap();
    assert!(server.requests() <= most, "{} requests in {:?}", server.requests(), begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_issuer_was_never_reached_callers_are_asked_to_come_back() {
    let guarded = Guarded::new();
    let key = Key::ec("k");
    let server = KeyServer::start(&[&key]).await;
    server.set(503, "");
    guarded.write("identities.toml", &issuer(&server, &guarded, ""));
    let relay = guarded.start(&[]);
    let mut caller = guarded.client(&relay, &key.token(&claims(SUBJECT, 3600))).await;
    let refused = Refusal::from(caller.get_relay_info(GetRelayInfoRequest {}).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (Code::Unavailable, "IDENTITY_KEYS_UNAVAILABLE"));
    assert!(refused.retry_after.is_some());
    server.set(200, &key_set(&[&key]));
    while code(&mut caller).await != Code::Ok {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Opens a stream and gives it up.
async fn start(client: &mut Client, request: SubscribeRequest) -> Result<(), Refusal> {
    client.subscribe(request).await.map(drop).map_err(Refusal::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_opens_too_many_streams_harms_itself_alone() {
    let guarded = Guarded::new();
    let ((greedy, greedy_line), (modest, modest_line)) = (made("greedy"), made("modest"));
    guarded.write("tokens", &format!("{greedy_line}{modest_line}"));
    guarded.write(
        "identities.toml",
        "[identities.greedy]\ntokens = [\"greedy\"]\nmax-streams = 2\n[identities.modest]\ntokens = [\"modest\"]\n",
    );
    let relay = guarded.start(&["--stream-starts=1", "--max-streams=20"]);
    let (mut greedy, mut modest) = (guarded.client(&relay, &greedy).await, guarded.client(&relay, &modest).await);
    let (one, two) = (subscribe(&mut greedy).await, subscribe(&mut greedy).await);
    let refused = start(&mut greedy, SubscribeRequest::default()).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "TOO_MANY_STREAMS"));
    assert!(refused.retry_after.is_some() && !refused.metadata.contains_key("identity"));
    let mut of_modest = subscribe(&mut modest).await;
    drop(one);
    eventually("a place is free", || {
        (relay.metric(r#"smile_relay_identity_streams{identity="greedy"}"#) == 1.0).then_some(())
    });
    // A request with a final error, in a loop.
    let wrong = SubscribeRequest { max_event_bytes: 1, ..from_earliest() };
    let mut refusals = Vec::new();
    for _ in 0..60 {
        refusals.push(start(&mut greedy, wrong.clone()).await.unwrap_err());
    }
    assert_eq!(refusals[0].code, Code::InvalidArgument);
    let limited: Vec<_> = refusals.iter().filter(|refusal| refusal.reason == "TOO_MANY_STARTS").collect();
    assert!(limited.len() > 20, "{} of {}", limited.len(), refusals.len());
    for refusal in limited {
        let wait = refusal.retry_after.expect("when to come again");
        assert!(refusal.code == Code::ResourceExhausted && wait > Duration::ZERO && wait <= Duration::from_secs(2));
    }
    // Neither its other stream nor anybody else is concerned.
    drop(two);
    let mut another = subscribe(&mut modest).await;
    assert_eq!(Sender::new(&relay).send(body("a")).await, 200);
    assert_eq!(sequences(&of_modest.take(1).await), [1]);
    assert_eq!(sequences(&another.take(1).await), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_identities_a_connection_that_opens_too_many_streams_harms_itself_alone() {
    let place = support::Place::default();
    let relay = place.start(&["--stream-starts=1", "--max-streams=5"]);
    let (mut greedy, mut modest) = (relay.grpc().await, relay.grpc().await);
    let mut refused = 0;
    for _ in 0..40 {
        if let Err(status) = greedy.subscribe(from_earliest()).await {
            let refusal = Refusal::from(status);
            assert!(["TOO_MANY_STARTS", "TOO_MANY_STREAMS"].contains(&refusal.reason.as_str()), "{refusal:?}");
            refused += usize::from(refusal.reason == "TOO_MANY_STARTS");
        }
    }
    assert!(refused > 10, "{refused}");
    let refusal = loop {
        match modest.subscribe(from_earliest()).await {
            Ok(_) => break None,
            // Its streams are on their way out.
            Err(status) => {
                let refusal = Refusal::from(status);
                if refusal.reason != "TOO_MANY_STREAMS" {
                    break Some(refusal);
                }
            }
        }
    };
    assert!(refusal.is_none(), "{refusal:?}");
}

#[test]
fn mistakes_in_the_files_are_found_before_the_start() {
    let guarded = Guarded::new();
    let (_, line) = made("a");
    let path = |name: &str| guarded.path(name).display().to_string();
    let tls = [format!("--grpc-tls-cert={}", path("grpc.crt")), format!("--grpc-tls-key={}", path("grpc.key"))];
    let (identities, tokens) =
        (format!("--identities={}", path("identities.toml")), format!("--grpc-token-file={}", path("tokens")));
    let authorities = format!("--grpc-client-ca={}", path("clients.pem"));
    let check = |flags: &[&str]| {
        let args = guarded.place.args(flags);
        run(["config", "check"].map(str::to_owned).into_iter().chain(args[1..].iter().cloned()))
    };
    guarded.write("identities.toml", "[identities.a]\ntokens = [\"a\"]\n");
    guarded.write("tokens", &line);
    guarded.write("clients.pem", &Authority::new("a").pem);
    check(&[&tls[0], &tls[1], &identities, &tokens, &authorities]).ok();
    check(&[&tls[0], &tls[1], &identities, &tokens, "--grpc-listen=0.0.0.0:0"]).ok();
    // Not a mistake, as a token that is revoked is gone from its file first; but said.
    guarded.write("identities.toml", "[identities.a]\ntokens = [\"a\", \"b\"]\n");
    let warned = check(&[&identities, &tokens]).ok();
    assert!(warned.stderr.contains("warning: [identities.a] names the token b"), "{warned:?}");
    guarded.write("identities.toml", "[identities.a]\ntokens = [\"a\"]\n");
    check(&[&tls[0], &tls[1], "--grpc-listen=0.0.0.0:0", "--insecure-grpc-anonymous"]).ok();
    let missing = path("missing.json");
    for (file, text, flags, named) in [
        ("", "", vec![&tokens[..]], "--identities"),
        ("", "", vec![&authorities], "--identities"),
        ("", "", vec![&identities, &tokens, &authorities], "--grpc-tls-cert"),
        ("", "", vec![&identities], "--grpc-token-file"),
        ("", "", vec![&tls[0], &tls[1], "--grpc-listen=0.0.0.0:0"], "--insecure-grpc-anonymous"),
        ("", "", vec![&identities, &tokens, "--grpc-listen=0.0.0.0:0"], "--insecure-grpc"),
        ("", "", vec![&identities, &tokens, "--insecure-grpc-anonymous"], "leave out one of them"),
        ("tokens", "a token\n", vec![&identities, &tokens], "tokens: line 1"),
        ("clients.pem", "nothing", vec![&tls[0], &tls[1], &identities, &tokens, &authorities], "--grpc-client-ca"),
        ("identities.toml", "\n[identities.a]\ntoken = \"a\"\n", vec![&identities, &tokens], "line 3"),
        ("identities.toml", "[identities.a]\ncertificates = [\"a\"]\n", vec![&identities], "--grpc-client-ca"),
        (
            "identities.toml",
            &format!(
                "[identities.a]\ntokens = [\"a\"]\n\n[issuers.i]\nissuer = \"i\"\naudiences = [\"a\"]\n\
                 jwks-file = \"{missing}\"\n"
            ),
            vec![&identities, &tokens],
            "line 4: [issuers.i]",
        ),
    ] {
        let before = (!file.is_empty()).then(|| std::fs::read_to_string(Path::new(&path(file))).unwrap());
        if !file.is_empty() {
            guarded.write(file, text);
        }
        let refused = check(&flags);
        assert_eq!(refused.code, Some(64), "{flags:?}: {refused:?}");
        assert!(refused.error().contains(named), "{flags:?}: {named}: {refused:?}");
        if let Some(before) = before {
            guarded.write(file, &before);
        }
    }
    // What gives up a protection is named in the log.
    let relay = guarded.place.start(&[&tls[0], &tls[1], "--grpc-listen=0.0.0.0:0", "--insecure-grpc-anonymous"]);
    assert!(relay.log().contains("--insecure-grpc-anonymous"), "{}", relay.log());
}
