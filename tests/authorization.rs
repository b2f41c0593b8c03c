//! Who may do what: identities, calls and grants, row by row, against real TLS and real tokens. Everything that is not
//! granted is denied, and a denial says nothing.

mod support;

use std::collections::BTreeMap;

use http::uri::PathAndQuery;
use serde_json::{Value, json};
use smile_relay::event::pb::{
    CreateCallbackTokenRequest, CreateCallbackTokenResponse, Event, EventFilter, EventKey, EventSource, EventType,
    GetEventRequest, GetEventResponse, GetRelayInfoRequest, GetRelayInfoResponse, ListEventsRequest,
    ListEventsResponse, SubscribeRequest, SubscribeResponse, get_event_request::Event as Named,
};
use support::{
    Relay,
    client::{Reader, Sender, body_of},
    identity::{Authority, Bearer, Client, Guarded, Key, Pair, claims, client, key_set, token},
    program::run,
    stream::{Refusal, from_earliest, sequences, to_the_end},
};
use tonic::{Code, Request, Status, service::interceptor::InterceptedService, transport::Channel};
use tonic_prost::ProstCodec;

const IDENTITIES: &str = r#"
[issuers.cluster]
issuer = "https://issuer.example"
audiences = ["smile-relay"]
jwks-file = "@/jwks.json"

[identities.reader]
tokens = ["reader"]

[identities.raw]
tokens = ["raw"]
raw-bodies = true

[identities.backend]
tokens = ["backend"]
callback-tokens = true

[identities.operator]
tokens = ["operator"]
administer = true

[identities.everything]
tokens = ["everything"]
sources = ["webhook", "widget"]
raw-bodies = true
callback-tokens = true
administer = true

[identities.nothing]
tokens = ["nothing"]
endpoints = []
callback-tokens = true

[identities.narrow]
tokens = ["narrow"]
endpoints = ["smile"]
event-types = ["USER_CREATED"]

[identities.mesh]
certificates = ["spiffe://cluster.local/ns/payroll/sa/*", "*.payroll.example.com"]

[identities.account]
jwt = [{ issuer = "cluster", subjects = ["system:serviceaccount:payroll:*"] }]

[identities.one-of-two]
tokens = ["one-of-two"]
jwt = [{ issuer = "cluster", subjects = ["twice"] }]

[identities.other-of-two]
jwt = [{ issuer = "cluster", subjects = ["twic*"] }]
"#;

/// Whom a call comes from.
struct Caller {
    name: String,
    certificate: Option<Pair>,
    token: Option<String>,
    /// None: nobody who is known.
    grants: Option<Grants>,
}

/// What of the table counts for a caller.
#[derive(Clone, Copy, Default)]
struct Grants {
    reads: bool,
    raw: bool,
    widget: bool,
    tokens: bool,
    administers: bool,
}

const READS: Grants = Grants { reads: true, raw: false, widget: false, tokens: false, administers: false };

/// A relay with these identities, and the tokens of the token file.
struct Stage {
    guarded: Guarded,
    relay: Relay,
    tokens: BTreeMap<&'static str, String>,
    ec: Key,
    rsa: Key,
    clients: Authority,
}

impl Stage {
    fn new() -> Self {
        let guarded = Guarded::new();
        let (ec, rsa, clients) = (Key::ec("ec"), Key::rsa("rsa"), Authority::new("of clients"));
        let mut lines = String::new();
        let names = ["reader", "raw", "backend", "operator", "everything", "nothing", "narrow", "one-of-two", "unused"];
        let tokens = names.map(|name| {
            let made = run(["token", name]).ok();
            lines += &format!("{}\n", made.stderr.trim());
            (name, made.stdout().trim().to_owned())
        });
        guarded.write("tokens", &lines);
        guarded.write("clients.pem", &clients.pem);
        guarded.write("jwks.json", &key_set(&[&ec, &rsa]));
        guarded.write("identities.toml", &IDENTITIES.replace('@', &guarded.place.path().display().to_string()));
        let callback_key = guarded.path("callback-key");
        std::fs::write(&callback_key, "k".repeat(32)).unwrap();
        guarded.write("relay.toml", &format!("[endpoints.sandbox]\nsecrets = [\"{}\"]\n", support::SECRET));
        let config = format!("--config={}", guarded.path("relay.toml").display());
        let callbacks = format!("--callback-key-file={}", callback_key.display());
        let relay = guarded.start(&[&config, &callbacks, "--callback-origin=https://a.example"]);
        Self { guarded, relay, tokens: tokens.into(), ec, rsa, clients }
    }

    fn callers(&self) -> Vec<Caller> {
        let caller = |name: &str, certificate: Option<Pair>, token: Option<String>, grants: Option<Grants>| Caller {
            name: name.to_owned(),
            certificate,
            token,
            grants,
        };
        let service = "system:serviceaccount:payroll:api";
        let mut callers: Vec<_> = [
            ("reader", READS),
            ("raw", Grants { raw: true, ..READS }),
            ("backend", Grants { tokens: true, ..READS }),
            ("operator", Grants { administers: true, ..READS }),
            ("everything", Grants { reads: true, raw: true, widget: true, tokens: true, administers: true }),
            ("nothing", Grants { tokens: true, ..Grants::default() }),
            ("narrow", READS),
        ]
        .map(|(name, grants)| caller(name, None, Some(self.tokens[name].clone()), Some(grants)))
        .into();
        let certificate = |name: &str| Some(self.clients.client(name, 3600));
        let spiffe = "spiffe://cluster.local/ns/payroll/sa/api";
        callers.extend([
            caller("spiffe", certificate(spiffe), None, Some(READS)),
            caller("host", certificate("a.payroll.example.com"), None, Some(READS)),
            caller("es256", None, Some(self.ec.token(&claims(service, 60))), Some(READS)),
            caller("rs256", None, Some(self.rsa.token(&claims(service, 60))), Some(READS)),
            // A token counts, whatever certificate its caller has.
            caller(
                "token of a raw, certificate of the mesh",
                certificate(spiffe),
                Some(self.tokens["raw"].clone()),
                Some(Grants { raw: true, ..READS }),
            ),
            caller("bad token, good certificate", certificate(spiffe), Some("smr_bad".into()), None),
            caller("nobody", None, None, None),
            caller("other namespace", certificate("spiffe://cluster.local/ns/other/sa/api"), None, None),
            caller("other trust domain", certificate("spiffe://cluster.evil/ns/payroll/sa/api"), None, None),
            caller("host of another depth", certificate("a.b.payroll.example.com"), None, None),
            caller("made-up token", None, Some("smr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()), None),
            caller("hash as token", None, Some("sha256:0000".into()), None),
            caller("token of nobody", None, Some(self.tokens["unused"].clone()), None),
            caller("two identities", None, Some(self.ec.token(&claims("twice", 60))), None),
        ]);
        callers.extend(self.bad_jwts(service).into_iter().map(|(name, token)| caller(name, None, Some(token), None)));
        callers
    }

    /// Tokens as somebody would make them who has none.
    fn bad_jwts(&self, subject: &str) -> Vec<(&'static str, String)> {
        let (good, ec) = (claims(subject, 60), &self.ec);
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            ec.token(&claims)
        };
        let none = |message: &[u8]| message[..0].to_vec();
        let by_ec = |message: &[u8]| ec.sign(message);
        let public = self.rsa.jwk()["n"].as_str().unwrap().to_owned();
        let by_public_key = |message: &[u8]| {
            use hmac::{Hmac, KeyInit, Mac};
            let mac = Hmac::<sha2::Sha256>::new_from_slice(public.as_bytes()).unwrap();
            mac.chain_update(message).finalize().into_bytes().to_vec()
        };
        let signed = ec.token(&good);
        let (head, _) = signed.rsplit_once('.').unwrap();
        let other = Key::ec("ec").token(&good);
        vec![
            ("expired", ec.token(&claims(subject, -60))),
            ("not yet good", with("nbf", json!(4_000_000_000_u64))),
            ("another subject", ec.token(&claims("system:serviceaccount:other:api", 60))),
            ("subject that goes on", ec.token(&claims(&format!("{subject}:more"), 60))),
            ("another audience", with("aud", json!("https://kubernetes.default.svc"))),
            ("another issuer", with("iss", json!("https://elsewhere.example"))),
            ("several issuers", with("iss", json!(["https://issuer.example"]))),
            ("alg none", token(&json!({"alg": "none", "kid": "ec"}), &good, none)),
            ("no signature", format!("{head}.")),
            ("signature of another key", other),
            ("tampered", {
                let (header, rest) = signed.split_once('.').unwrap();
                let (_, signature) = rest.split_once('.').unwrap();
                let claims = support::identity::b64(claims("system:serviceaccount:payroll:admin", 60).to_string());
                format!("{header}.{claims}.{signature}")
            }),
            ("unknown key", token(&json!({"alg": "ES256", "kid": "new"}), &good, by_ec)),
            ("key of another kind", token(&json!({"alg": "RS256", "kid": "ec"}), &good, by_ec)),
            ("public key as a secret", token(&json!({"alg": "HS256", "kid": "rsa"}), &good, by_public_key)),
            ("huge", with("more", json!("x".repeat(10_000)))),
            ("of dots", "..".into()),
        ]
    }

    async fn channel(&self, caller: &Caller) -> InterceptedService<Channel, Bearer> {
        let channel = self.guarded.channel(&self.relay, caller.certificate.as_ref()).await.unwrap();
        InterceptedService::new(channel, Bearer(caller.token.clone()))
    }

    async fn client(&self, name: &str) -> Client {
        self.guarded.client(&self.relay, &self.tokens[name]).await
    }
}

type Transport = tonic::client::Grpc<InterceptedService<Channel, Bearer>>;

/// The code of a call with one answer, by its path alone.
async fn call<Q, A>(transport: &mut Transport, path: &'static str, request: Q) -> Result<(), Status>
where
    Q: prost::Message + Default + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    transport.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let codec = ProstCodec::<Q, A>::default();
    let answer = transport.server_streaming(Request::new(request), PathAndQuery::from_static(path), codec).await?;
    answer.into_inner().message().await.map(drop)
}

/// Whether a denial tells no more than it has to.
fn is_bare(status: &Status) -> bool {
    let message = status.message();
    status.details().is_empty()
        && !["token \"", "grant", "raw-bodies", "payroll", "reader", "issuer"].iter().any(|word| message.contains(word))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_not_granted_is_denied() {
    let stage = Stage::new();
    let callers = stage.callers();
    for caller in &callers {
        let mut to = Transport::new(stage.channel(caller).await);
        let to = &mut to;
        let raw = || SubscribeRequest { include_raw_body: true, ..to_the_end(from_earliest()) };
        let of_widget = || EventFilter { sources: vec![EventSource::Widget.into()], ..EventFilter::default() };
        let reads = |grants: &Grants| grants.reads;
        type Needs = fn(&Grants) -> bool;
        let needs_raw: Needs = |grants| grants.raw;
        let needs_widget: Needs = |grants| grants.widget;
        let any: Needs = |_| true;
        let results: Vec<(&str, Needs, Result<(), Status>)> = vec![
            (
                "info",
                any,
                call::<_, GetRelayInfoResponse>(to, "/smilerelay.v1.RelayService/GetRelayInfo", GetRelayInfoRequest {})
                    .await,
            ),
            (
                "subscribe",
                reads,
                call::<_, SubscribeResponse>(to, "/smilerelay.v1.RelayService/Subscribe", to_the_end(from_earliest()))
                    .await,
            ),
            (
                "subscribe, raw",
                needs_raw,
                call::<_, SubscribeResponse>(to, "/smilerelay.v1.RelayService/Subscribe", raw()).await,
            ),
            (
                "subscribe, widget",
                needs_widget,
                call::<_, SubscribeResponse>(
                    to,
                    "/smilerelay.v1.RelayService/Subscribe",
                    SubscribeRequest { filter: Some(of_widget()), ..to_the_end(from_earliest()) },
                )
                .await,
            ),
            (
                "list",
                reads,
                call::<_, ListEventsResponse>(
                    to,
                    "/smilerelay.v1.RelayService/ListEvents",
                    ListEventsRequest::default(),
                )
                .await,
            ),
            (
                "list, raw",
                needs_raw,
                call::<_, ListEventsResponse>(
                    to,
                    "/smilerelay.v1.RelayService/ListEvents",
                    ListEventsRequest { include_raw_body: true, ..ListEventsRequest::default() },
                )
                .await,
            ),
            (
                "list, widget",
                needs_widget,
                call::<_, ListEventsResponse>(
                    to,
                    "/smilerelay.v1.RelayService/ListEvents",
                    ListEventsRequest { filter: Some(of_widget()), ..ListEventsRequest::default() },
                )
                .await,
            ),
            (
                "get, raw",
                needs_raw,
                call::<_, GetEventResponse>(
                    to,
                    "/smilerelay.v1.RelayService/GetEvent",
                    GetEventRequest { event: Some(Named::Sequence(1)), include_raw_body: true },
                )
                .await,
            ),
            (
                "callback token",
                |grants| grants.tokens,
                call::<_, CreateCallbackTokenResponse>(
                    to,
                    "/smilerelay.v1.CallbackTokenService/CreateCallbackToken",
                    CreateCallbackTokenRequest { user_id: "u".into(), ..Default::default() },
                )
                .await,
            ),
            (
                "administer",
                |grants| grants.administers,
                call::<(), ()>(to, "/smilerelay.v1.AdministrationService/EraseUser", ()).await,
            ),
            ("unknown method", |_| false, call::<(), ()>(to, "/smilerelay.v1.RelayService/EraseUser", ()).await),
            ("unknown service", |_| false, call::<(), ()>(to, "/smilerelay.v1.Secrets/Get", ()).await),
            ("hidden method", |_| false, call::<(), ()>(to, "/smilerelay.v1.RelayService/x/GetRelayInfo", ()).await),
            (
                "reflection",
                any,
                call::<(), ()>(to, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ()).await,
            ),
            (
                "old reflection",
                any,
                call::<(), ()>(to, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", ()).await,
            ),
        ];
        for (what, needs, result) in results {
            let code = result.as_ref().err().map_or(Code::Ok, Status::code);
            let what = format!("{}: {what}: {result:?}", caller.name);
            match &caller.grants {
                None => assert_eq!(code, Code::Unauthenticated, "{what}"),
                Some(grants) if !needs(grants) => assert_eq!(code, Code::PermissionDenied, "{what}"),
                Some(_) => assert!(![Code::Unauthenticated, Code::PermissionDenied].contains(&code), "{what}"),
            }
            if let Err(status) = &result
                && [Code::Unauthenticated, Code::PermissionDenied].contains(&code)
            {
                assert!(is_bare(status), "{what}");
            }
        }
        // Health is for probes, which have no identity.
        let health = call::<(), ()>(to, "/grpc.health.v1.Health/Check", ()).await;
        assert!(health.is_ok(), "{}: {health:?}", caller.name);
    }
    let log = stage.relay.log();
    for caller in &callers {
        if let Some(token) = &caller.token {
            assert!(token.len() < 8 || !log.contains(token.as_str()), "the token of {} is in the log", caller.name);
        }
    }
    for said in ["lacks the grant: raw-bodies", "neither a token nor", "of several identities", "has expired"] {
        assert!(log.contains(said), "{said:?} is not in the log:\n{log}");
    }
    for reason in
        ["no_credentials", "unknown_token", "bad_token", "expired_token", "no_identity", "ambiguous", "not_granted"]
    {
        let metric = format!(r#"smile_relay_identity_denials_total{{reason="{reason}"}}"#);
        assert!(stage.relay.metric(&metric) > 0.0, "{metric}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_or_an_expired_one_is_no_way_in() {
    let stage = Stage::new();
    let name = "spiffe://cluster.local/ns/payroll/sa/api";
    let self_made = Authority::new("of clients").client(name, 3600);
    let server = stage.clients.server();
    for (what, pair) in [("self-made", self_made), ("expired", stage.clients.client(name, 0)), ("of a server", server)]
    {
        let refused = match stage.guarded.channel(&stage.relay, Some(&pair)).await {
            Err(_) => true,
            // TLS 1.3 tells the client only after it thinks that it is connected.
            Ok(channel) => client(channel, None).get_relay_info(GetRelayInfoRequest {}).await.is_err(),
        };
        assert!(refused, "{what}");
    }
}

/// What an identity sees of the log, by each way to read it.
async fn seen(client: &mut Client) -> Vec<u64> {
    let (events, end) = Reader::of(client.subscribe(to_the_end(from_earliest()))).await.unwrap().rest().await;
    assert_eq!(end.code(), Code::Ok, "{end:?}");
    let listed = client.list_events(ListEventsRequest::default()).await.unwrap().into_inner().events;
    assert_eq!(sequences(&listed), sequences(&events), "listed and streamed");
    sequences(&events)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_identity_reads_is_narrowed_to_its_grants() {
    let stage = Stage::new();
    let sender = Sender::new(&stage.relay);
    for (endpoint, id, type_name) in [
        ("smile", "a", "USER_CREATED"),
        ("smile", "b", "ACCOUNT_CONNECTED"),
        ("sandbox", "c", "USER_CREATED"),
        ("smile", "d", "SOMETHING_NEW"),
        ("smile", "e", "USER_CREATED"),
    ] {
        assert_eq!(sender.send_to(endpoint, body_of(id, type_name, "u-1")).await, 200);
    }
    let (mut reader, mut narrow) = (stage.client("reader").await, stage.client("narrow").await);
    assert_eq!(seen(&mut reader).await, [1, 2, 3, 4, 5]);
    assert_eq!(seen(&mut narrow).await, [1, 5]);

    // A filter within the grants is as good as without.
    let filter = |types: &[EventType], names: &[&str], endpoints: &[&str]| EventFilter {
        types: types.iter().map(|known| (*known).into()).collect(),
        type_names: names.iter().map(|&name| name.to_owned()).collect(),
        endpoints: endpoints.iter().map(|&name| name.to_owned()).collect(),
        ..EventFilter::default()
    };
    for filter in [
        filter(&[EventType::UserCreated], &[], &[]),
        filter(&[], &["USER_CREATED"], &["smile"]),
        filter(&[EventType::UserCreated], &["USER_CREATED"], &[]),
    ] {
        let request = SubscribeRequest { filter: Some(filter), ..to_the_end(from_earliest()) };
        let (events, _) = Reader::of(narrow.subscribe(request)).await.unwrap().rest().await;
        assert_eq!(sequences(&events), [1, 5]);
    }
    // One that names more is denied, rather than answered with less.
    for filter in [
        filter(&[EventType::AccountConnected], &[], &[]),
        filter(&[EventType::UserCreated, EventType::AccountConnected], &[], &[]),
        filter(&[], &["SOMETHING_NEW"], &[]),
        filter(&[], &[], &["smile", "sandbox"]),
        filter(&[], &[], &["unheard-of"]),
    ] {
        let request = SubscribeRequest { filter: Some(filter.clone()), ..from_earliest() };
        let refused = Reader::of(narrow.subscribe(request)).await.map(|_| ()).expect_err("it is denied");
        assert_eq!(refused.code(), Code::PermissionDenied, "{filter:?}");
        let request = ListEventsRequest { filter: Some(filter.clone()), ..ListEventsRequest::default() };
        assert_eq!(narrow.list_events(request).await.unwrap_err().code(), Code::PermissionDenied, "{filter:?}");
    }
    // Of an event that is not granted nobody can tell that it is there.
    let key = |endpoint: &str, id: &str| Named::Key(EventKey { endpoint: endpoint.into(), id: id.into() });
    let get = async |client: &mut Client, event: Named| -> Result<Event, Refusal> {
        let request = GetEventRequest { event: Some(event), ..GetEventRequest::default() };
        client.get_event(request).await.map(|answer| answer.into_inner().event.unwrap()).map_err(Refusal::from)
    };
    assert_eq!(get(&mut narrow, key("smile", "e")).await.unwrap().sequence, 5);
    let nowhere = format!("{:?}", get(&mut narrow, Named::Sequence(99)).await.unwrap_err());
    for hidden in [Named::Sequence(2), Named::Sequence(3), key("smile", "d"), key("sandbox", "c")] {
        assert!(get(&mut reader, hidden.clone()).await.is_ok());
        assert_eq!(format!("{:?}", get(&mut narrow, hidden.clone()).await.unwrap_err()), nowhere, "{hidden:?}");
    }
    let endpoints =
        async |client: &mut Client| client.get_relay_info(GetRelayInfoRequest {}).await.unwrap().into_inner().endpoints;
    assert_eq!(endpoints(&mut reader).await, ["sandbox", "smile"]);
    assert_eq!(endpoints(&mut narrow).await, ["smile"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_one_needs_an_identity_as_well_once_there_are_any() {
    let guarded = Guarded::new();
    let made = run(["token", "a"]).ok();
    guarded.write("tokens", &made.stderr);
    guarded.write("identities.toml", "[identities.a]\ntokens = [\"a\"]\n");
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("relay.sock");
    // In plaintext on loopback, and on a Unix socket.
    let relay = guarded.place.start(&[
        &format!("--identities={}", guarded.path("identities.toml").display()),
        &format!("--grpc-token-file={}", guarded.path("tokens").display()),
        "--grpc-listen=127.0.0.1:0",
        &format!("--grpc-listen=unix:{}", socket.display()),
    ]);
    let token_file = guarded.path("a.token");
    std::fs::write(&token_file, made.stdout()).unwrap();
    for address in [format!("http://{}", relay.grpc), format!("unix:{}", socket.display())] {
        let refused = run(["events", "list", "--address", &address]);
        assert_eq!(refused.code, Some(1));
        assert!(refused.error().contains("--token-file"), "{refused:?}");
        run(["events", "list", "--address", &address, "--token-file", token_file.to_str().unwrap()]).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_commands_say_who_they_are() {
    let stage = Stage::new();
    let sender = Sender::new(&stage.relay);
    assert_eq!(sender.send(body_of("a", "USER_CREATED", "u-1")).await, 200);
    let pair = stage.clients.client("spiffe://cluster.local/ns/payroll/sa/cli", 3600);
    for (name, text) in [
        ("ca.pem", &stage.guarded.authority.pem),
        ("cli.crt", &pair.cert),
        ("cli.key", &pair.key),
        ("reader.token", &format!("{}\n", stage.tokens["reader"])),
    ] {
        stage.guarded.write(name, text);
    }
    let path = |name: &str| stage.guarded.path(name).display().to_string();
    let port = stage.relay.grpc.rsplit(':').next().unwrap();
    let to = ["--address".to_owned(), format!("https://localhost:{port}"), "--ca".to_owned(), path("ca.pem")];
    let tail = |credentials: &[String]| {
        let command = ["tail", "--from-start", "--no-follow", "--json"].map(str::to_owned);
        run(command.iter().chain(&to).chain(credentials).cloned())
    };
    let token = ["--token-file".to_owned(), path("reader.token")];
    let certificate = ["--client-cert".to_owned(), path("cli.crt"), "--client-key".to_owned(), path("cli.key")];
    for credentials in [&token[..], &certificate[..]] {
        assert_eq!(tail(credentials).ok().lines().len(), 1);
    }
    let refused = tail(&[]);
    assert!(refused.code == Some(1) && refused.error().contains("who is calling"), "{refused:?}");
    assert_eq!(tail(&certificate[..2]).code, Some(64), "a certificate without its key");
}
