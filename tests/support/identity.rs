//! Who calls: authorities and certificates, issuers and their tokens, and a real HTTPS server for an issuer's keys.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use ring::{
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use smile_relay::event::pb::relay_service_client::RelayServiceClient;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::{
    Request as Call, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{Place, Relay};

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(name.into()));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For a server on this machine.
    pub fn server(&self) -> Pair {
        self.sign(CertificateParams::new(vec!["localhost".to_owned()]).unwrap())
    }

    /// For a client, with a URI or a host's name; good for so many seconds.
    pub fn client(&self, name: &str, seconds: i64) -> Pair {
        let mut params = CertificateParams::new(vec![]).unwrap();
        let text = name.to_owned().try_into().unwrap();
        params.subject_alt_names = vec![if name.contains(':') { SanType::URI(text) } else { SanType::DnsName(text) }];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = SystemTime::now();
        params.not_before = (now - std::time::Duration::from_secs(60)).into();
        params.not_after = (now + std::time::Duration::from_secs(seconds.unsigned_abs())).into();
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// An issuer's key.
pub enum Key {
    Ec(String, EcdsaKeyPair),
    Rsa(String, rsa::KeyPair),
}

impl Key {
    pub fn ec(id: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self::Ec(id.to_owned(), pair)
    }

    pub fn rsa(id: &str) -> Self {
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            .output()
            .expect("openssl is there");
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(&made.stdout).unwrap();
        Self::Rsa(id.to_owned(), rsa::KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()).unwrap())
    }

    pub fn header(&self) -> Value {
        match self {
            Self::Ec(id, _) => json!({"alg": "ES256", "kid": id}),
            Self::Rsa(id, _) => json!({"alg": "RS256", "kid": id}),
        }
    }

    pub fn jwk(&self) -> Value {
        match self {
            Self::Ec(id, pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": b64(&point[1..33]), "y": b64(&point[33..])})
            }
            Self::Rsa(id, pair) => {
                let public = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": b64(public.n), "e": b64(public.e)})
            }
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ec(_, pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Rsa(_, pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A token of this key with these claims.
    pub fn token(&self, claims: &Value) -> String {
        token(&self.header(), claims, |message| self.sign(message))
    }
}

/// A token with anything in it.
pub fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    format!("{message}.{}", b64(sign(message.as_bytes())))
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a good token for the relay says, for so many seconds.
pub fn claims(subject: &str, seconds: i64) -> Value {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    json!({"iss": ISSUER, "aud": ["smile-relay"], "sub": subject, "iat": now, "exp": now + seconds})
}

pub const ISSUER: &str = "https://issuer.example";

pub fn key_set(keys: &[&Key]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

/// A relay's place with TLS for gRPC, and files that say who may call.
pub struct Guarded {
    pub place: Place,
    pub authority: Authority,
}

impl Guarded {
    pub fn new() -> Self {
        let guarded = Self { place: Place::default(), authority: Authority::new("ours") };
        let server = guarded.authority.server();
        guarded.write("grpc.crt", &server.cert);
        guarded.write("grpc.key", &server.key);
        guarded
    }

    /// Puts a file in its place as a whole.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Starts a relay with the identities of `identities.toml`, and what else there is.
    pub fn start(&self, more: &[&str]) -> Relay {
        let flag = |flag: &str, name: &str| format!("--{flag}={}", self.path(name).display());
        let mut flags = vec![flag("grpc-tls-cert", "grpc.crt"), flag("grpc-tls-key", "grpc.key")];
        flags.push(flag("identities", "identities.toml"));
        for (name, file) in [("grpc-client-ca", "clients.pem"), ("grpc-token-file", "tokens")] {
            if self.path(file).exists() {
                flags.push(flag(name, file));
            }
        }
        let flags: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.place.start(&flags)
    }

    /// A channel to it, with a client certificate or without.
    pub async fn channel(&self, relay: &Relay, pair: Option<&Pair>) -> Result<Channel, tonic::transport::Error> {
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority.pem)).domain_name("localhost");
        if let Some(Pair { cert, key }) = pair {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        Endpoint::from_shared(format!("https://{}", relay.grpc)).unwrap().tls_config(tls)?.connect().await
    }

    /// A client with a token.
    pub async fn client(&self, relay: &Relay, token: &str) -> Client {
        let channel = self.channel(relay, None).await.unwrap();
        client(channel, Some(token))
    }
}

pub type Client = RelayServiceClient<InterceptedService<Channel, Bearer>>;

pub fn client(channel: Channel, token: Option<&str>) -> Client {
    RelayServiceClient::new(InterceptedService::new(channel, Bearer(token.map(str::to_owned))))
}

/// Sends a token with each call.
#[derive(Clone)]
pub struct Bearer(pub Option<String>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Call<()>) -> Result<Call<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        Ok(request)
    }
}

/// An HTTPS server that gives out a key set, or fails.
pub struct KeyServer {
    pub address: SocketAddr,
    pub authority: Authority,
    answer: Arc<Mutex<(u16, String)>>,
    requests: Arc<AtomicUsize>,
    /// What was sent as `authorization` last.
    authorization: Arc<Mutex<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl KeyServer {
    pub async fn start(keys: &[&Key]) -> Self {
        let authority = Authority::new("of the keys");
        let Pair { cert, key } = authority.server();
        let chain = vec![rustls::pki_types::CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((200, key_set(keys))));
        let (requests, authorization) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let shared = (Arc::clone(&answer), Arc::clone(&requests), Arc::clone(&authorization));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                        let (answer, requests, authorization) = shared.clone();
                        async move {
                            requests.fetch_add(1, Ordering::SeqCst);
                            let sent = request.headers().get("authorization");
                            *authorization.lock().unwrap() =
                                sent.map(|sent| sent.to_str().unwrap().to_owned()).unwrap_or_default();
                            let (status, body) = answer.lock().unwrap().clone();
                            let answer = Response::builder().status(status).body(Full::new(Bytes::from(body)));
                            Ok::<_, std::convert::Infallible>(answer.unwrap())
                        }
                    });
                    // Ends with its client.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, authority, answer, requests, authorization, task }
    }

    pub fn set(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn authorization(&self) -> String {
        self.authorization.lock().unwrap().clone()
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
