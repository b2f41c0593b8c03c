//! The settings as they are written: flags, environment and file share this one definition.

use std::{collections::BTreeMap, fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Serialize, de};

use super::SecretText;

/// Everything that `serve` can be told. What is not said has the default that its help names.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// A TOML file with settings, named as the flags are (grpc-listen = "..."). Flags and environment win over it.
    #[arg(long, env = "SMILE_RELAY_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Where Smile's webhooks come in [default: 0.0.0.0:8443]
    #[arg(long, env = "SMILE_RELAY_PUBLIC_LISTEN", value_name = "ADDRESS", help_heading = "Public listener")]
    pub public_listen: Option<String>,
    /// The certificate chain of the public listener, in PEM
    #[arg(long, env = "SMILE_RELAY_TLS_CERT", value_name = "FILE", help_heading = "Public listener")]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, env = "SMILE_RELAY_TLS_KEY", value_name = "FILE", help_heading = "Public listener")]
    pub tls_key: Option<PathBuf>,
    /// Use a certificate made at start, for trying out: Smile will not accept it
    #[arg(long, env = "SMILE_RELAY_TLS_SELF_SIGNED", help_heading = "Public listener", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub tls_self_signed: Option<bool>,
    /// Serve plain HTTP, for an ingress that ends TLS in front of the relay
    #[arg(long, env = "SMILE_RELAY_INSECURE_PUBLIC_HTTP", help_heading = "Public listener", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub insecure_public_http: Option<bool>,
    /// A secret of the endpoint `smile`; repeatable, any of them verifies. Better given as a file
    #[arg(
        long,
        env = "SMILE_RELAY_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        help_heading = "Public listener"
    )]
    pub webhook_secret: Option<Vec<SecretText>>,
    /// A file with a secret of the endpoint `smile` (one trailing newline is not part of it); repeatable
    #[arg(long, env = "SMILE_RELAY_WEBHOOK_SECRET_FILE", value_name = "FILE", help_heading = "Public listener")]
    pub webhook_secret_file: Option<Vec<PathBuf>>,
    /// The largest body [default: 16MiB]
    #[arg(long, env = "SMILE_RELAY_MAX_BODY", value_name = "BYTES", help_heading = "Public listener")]
    pub max_body: Option<Volume>,
    /// What all bodies that are being read may take together; less in a container of less than 256 MiB [default: 64MiB]
    #[arg(long, env = "SMILE_RELAY_BODY_BUDGET", value_name = "BYTES", help_heading = "Public listener")]
    pub body_budget: Option<Volume>,
    /// Who may send webhooks to the endpoint `smile`: addresses, networks, or smile for the address that Smile sends from
    /// today; repeatable. Others get 403, and so would Smile from a new address. Everybody if there is none
    #[arg(
        long,
        env = "SMILE_RELAY_ALLOW_PEERS",
        value_name = "NETWORK",
        value_delimiter = ',',
        help_heading = "Public listener"
    )]
    pub allow_peers: Option<Vec<String>>,
    /// An address or network of proxies in front of the public listener, which are believed when they say whom a request
    /// is from; or unix, for whoever connects to a Unix socket; repeatable
    #[arg(
        long,
        env = "SMILE_RELAY_TRUSTED_PROXY",
        value_name = "NETWORK",
        value_delimiter = ',',
        help_heading = "Public listener"
    )]
    pub trusted_proxy: Option<Vec<String>>,
    /// The header in which they say so, x-forwarded-for or forwarded: the one that they set themselves
    /// [default: x-forwarded-for]
    #[arg(long, env = "SMILE_RELAY_FORWARDED_HEADER", value_name = "NAME", help_heading = "Public listener")]
    pub forwarded_header: Option<String>,
    /// Trusted proxies begin each connection with the PROXY protocol, version 1 or 2; without it, theirs are closed
    #[arg(long, env = "SMILE_RELAY_PROXY_PROTOCOL", help_heading = "Public listener", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub proxy_protocol: Option<bool>,
    /// Connections at a time; 2 for each MiB of a container that has less than 5 GiB [default: 10000]
    #[arg(long, env = "SMILE_RELAY_MAX_CONNECTIONS", value_name = "N", help_heading = "Public listener")]
    pub max_connections: Option<usize>,
    /// Of them from one address, or one /64 of IPv6, and half of them in a small container; trusted proxies may have any
    /// number [default: 1000]
    #[arg(long, env = "SMILE_RELAY_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N", help_heading = "Public listener")]
    pub max_connections_per_address: Option<usize>,
    /// What a client may send on an HTTP/2 connection before it is read, half of it on one stream; it may have a
    /// request under way for each 5 KiB of it, up to 100. In a container, all connections share an eighth of its memory for
    /// this, 64 KiB each at least [default: 512KiB]
    #[arg(long, env = "SMILE_RELAY_HTTP2_WINDOW", value_name = "BYTES", help_heading = "Public listener")]
    pub http2_window: Option<Volume>,
    /// Further endpoints, by name; in the file only.
    #[arg(skip)]
    pub endpoints: BTreeMap<String, EndpointSettings>,

    /// A file with a key of 32 bytes or more that signs tokens for browsers; switches the Wink Widget's callbacks on.
    /// Repeatable: the first signs, all verify
    #[arg(
        long,
        env = "SMILE_RELAY_CALLBACK_KEY_FILE",
        value_name = "FILE",
        value_delimiter = ',',
        help_heading = "Callbacks"
    )]
    pub callback_key_file: Option<Vec<PathBuf>>,
    /// An origin that callbacks may be reported from, such as https://app.example.com, or null for sandboxed frames;
    /// repeatable. Tokens can narrow these, and have to name their own if there is none
    #[arg(
        long,
        env = "SMILE_RELAY_CALLBACK_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Callbacks"
    )]
    pub callback_origin: Option<Vec<String>>,
    /// The longest that a token may be good [default: 12h]
    #[arg(long, env = "SMILE_RELAY_CALLBACK_TOKEN_TTL", value_name = "DURATION", help_heading = "Callbacks")]
    pub callback_token_ttl: Option<Span>,
    /// Callbacks that one token may report a second; ten times as many at once [default: 10]
    #[arg(long, env = "SMILE_RELAY_CALLBACK_RATE", value_name = "N", help_heading = "Callbacks")]
    pub callback_rate: Option<NonZeroU32>,
    /// What callbacks may take in the log, beside --retention-bytes; the oldest of them go first [default: 64MiB]
    #[arg(long, env = "SMILE_RELAY_CALLBACK_QUOTA", value_name = "BYTES", help_heading = "Callbacks")]
    pub callback_quota: Option<Volume>,

    /// Where services subscribe: HOST:PORT or unix:PATH; repeatable [default: 127.0.0.1:50051]
    #[arg(long, env = "SMILE_RELAY_GRPC_LISTEN", value_name = "ADDRESS", value_delimiter = ',', help_heading = "gRPC")]
    pub grpc_listen: Option<Vec<String>>,
    /// Permissions of Unix sockets, octal [default: 0660]
    #[arg(long, env = "SMILE_RELAY_GRPC_UNIX_MODE", value_name = "MODE", help_heading = "gRPC")]
    pub grpc_unix_mode: Option<String>,
    /// The certificate chain of the gRPC listeners, in PEM; Unix sockets stay plaintext
    #[arg(long, env = "SMILE_RELAY_GRPC_TLS_CERT", value_name = "FILE", help_heading = "gRPC")]
    pub grpc_tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, env = "SMILE_RELAY_GRPC_TLS_KEY", value_name = "FILE", help_heading = "gRPC")]
    pub grpc_tls_key: Option<PathBuf>,
    /// Allow plaintext gRPC beyond loopback and Unix sockets: whoever reaches it reads every event
    #[arg(long, env = "SMILE_RELAY_INSECURE_GRPC", help_heading = "gRPC", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub insecure_grpc: Option<bool>,
    /// The origin of pages that may call by gRPC-Web, such as https://app.example.com; repeatable. Off if there is none
    #[arg(
        long,
        env = "SMILE_RELAY_GRPC_WEB_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "gRPC"
    )]
    pub grpc_web_origin: Option<Vec<String>>,
    /// Streams that may be open at once [default: 10000]
    #[arg(long, env = "SMILE_RELAY_MAX_STREAMS", value_name = "N", help_heading = "gRPC")]
    pub max_streams: Option<usize>,
    /// End streams at this age, give or take a tenth, so that clients spread anew [default: never]
    #[arg(long, env = "SMILE_RELAY_MAX_STREAM_AGE", value_name = "DURATION", help_heading = "gRPC")]
    pub max_stream_age: Option<Span>,
    /// Memory for encoded events that streams share; less in a container of less than 512 MiB [default: 64MiB]
    #[arg(long, env = "SMILE_RELAY_FEED_CACHE", value_name = "BYTES", help_heading = "gRPC")]
    pub feed_cache: Option<Volume>,

    /// A TOML file that says who may call the gRPC listeners, and what each may. Without it, everybody may who reaches one
    #[arg(long, env = "SMILE_RELAY_IDENTITIES", value_name = "FILE", help_heading = "Identities")]
    pub identities: Option<PathBuf>,
    /// Authorities of client certificates, in PEM
    #[arg(long, env = "SMILE_RELAY_GRPC_CLIENT_CA", value_name = "FILE", help_heading = "Identities")]
    pub grpc_client_ca: Option<PathBuf>,
    /// Hashes of bearer tokens, a line each: NAME sha256:HEX, as `smile-relay token NAME` prints it
    #[arg(long, env = "SMILE_RELAY_GRPC_TOKEN_FILE", value_name = "FILE", help_heading = "Identities")]
    pub grpc_token_file: Option<PathBuf>,
    /// Streams that an identity (without identities: a connection) may open a second; ten times as many at once, or as
    /// many as --max-streams [default: 100]
    #[arg(long, env = "SMILE_RELAY_STREAM_STARTS", value_name = "N", help_heading = "Identities")]
    pub stream_starts: Option<NonZeroU32>,
    /// Allow gRPC with TLS beyond loopback without identities: whoever reaches it reads every event
    #[arg(long, env = "SMILE_RELAY_INSECURE_GRPC_ANONYMOUS", help_heading = "Identities", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub insecure_grpc_anonymous: Option<bool>,

    /// Probes and metrics [default: 127.0.0.1:8081]
    #[arg(long, env = "SMILE_RELAY_ADMIN_LISTEN", value_name = "ADDRESS", help_heading = "Operation")]
    pub admin_listen: Option<SocketAddr>,
    /// On SIGTERM: not ready, and still serving, for this long [default: 0s]
    #[arg(long, env = "SMILE_RELAY_DRAIN_DELAY", value_name = "DURATION", help_heading = "Operation")]
    pub drain_delay: Option<Span>,
    /// Then finish within this time [default: 20s]
    #[arg(long, env = "SMILE_RELAY_DRAIN_TIMEOUT", value_name = "DURATION", help_heading = "Operation")]
    pub drain_timeout: Option<Span>,
    /// How log lines are written [default: text on a terminal, else json]
    #[arg(long, env = "SMILE_RELAY_LOG_FORMAT", value_name = "FORMAT", help_heading = "Operation")]
    pub log_format: Option<LogFormat>,
    /// error, warn, info, debug, trace, or directives as of tracing's EnvFilter. In the file it is read again when it
    /// changes [default: info]
    #[arg(long, env = "SMILE_RELAY_LOG_LEVEL", value_name = "LEVEL", help_heading = "Operation")]
    pub log_level: Option<String>,
    /// The OpenTelemetry collector that traces and metrics are sent to, over gRPC: http://HOST:4317, or https
    #[arg(long, env = "SMILE_RELAY_OTLP_ENDPOINT", value_name = "URL", help_heading = "Operation")]
    pub otlp_endpoint: Option<String>,
    /// The part of webhooks that is traced, from 0 to 1; one with a trace context of its own is as that says [default: 0.01]
    #[arg(long, env = "SMILE_RELAY_TRACE_SAMPLE", value_name = "RATIO", help_heading = "Operation")]
    pub trace_sample: Option<f64>,

    /// Where events are kept: `embedded`, a database in the data directory [default: embedded]
    #[arg(long, env = "SMILE_RELAY_STORE", value_name = "STORE", help_heading = "Log")]
    pub store: Option<String>,
    /// The directory of the embedded log [default: ./smile-relay-data]
    #[arg(long, env = "SMILE_RELAY_DATA_DIR", value_name = "DIR", help_heading = "Log")]
    pub data_dir: Option<PathBuf>,
    /// Allow network, memory and FUSE file systems, on which stored events may be lost
    #[arg(long, env = "SMILE_RELAY_ALLOW_ANY_FILESYSTEM", help_heading = "Log", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub allow_any_filesystem: Option<bool>,
    /// How long to wait for another process to let go of the data directory [default: 0s]
    #[arg(long, env = "SMILE_RELAY_LOCK_TIMEOUT", value_name = "DURATION", help_heading = "Log")]
    pub lock_timeout: Option<Span>,
    /// Events older than this are removed [default: 30d]
    #[arg(long, env = "SMILE_RELAY_RETENTION", value_name = "DURATION", help_heading = "Log")]
    pub retention: Option<Span>,
    /// The oldest events are removed when the log takes more than this [default: no limit]
    #[arg(long, env = "SMILE_RELAY_RETENTION_BYTES", value_name = "BYTES", help_heading = "Log")]
    pub retention_bytes: Option<Volume>,
    /// How long ids are remembered, so that repetitions are noticed [default: 72h]
    #[arg(long, env = "SMILE_RELAY_DEDUPE_WINDOW", value_name = "DURATION", help_heading = "Log")]
    pub dedupe_window: Option<Span>,
    /// How many ids are remembered, some 36 bytes of memory each; fewer in a container of less than 275 MiB
    /// [default: 1000000]
    #[arg(long, env = "SMILE_RELAY_DEDUPE_MAX_ENTRIES", value_name = "N", help_heading = "Log")]
    pub dedupe_max_entries: Option<usize>,
    /// What may wait to be written, and is answered with 503 after 10 s; less in a container of less than 256 MiB
    /// [default: 64MiB]
    #[arg(long, env = "SMILE_RELAY_WRITE_QUEUE", value_name = "BYTES", help_heading = "Log")]
    pub write_queue: Option<Volume>,
    /// A file with a key of 64 hexadecimal digits (openssl rand -hex 32) that encrypts bodies on the disk. Repeatable: the
    /// first encrypts, all decrypt
    #[arg(
        long,
        env = "SMILE_RELAY_ENCRYPTION_KEY_FILE",
        value_name = "FILE",
        value_delimiter = ',',
        help_heading = "Log"
    )]
    pub encryption_key_file: Option<Vec<PathBuf>>,
}

/// One endpoint of the file: `[endpoints.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EndpointSettings {
    pub secrets: Vec<SecretText>,
    pub secret_files: Vec<PathBuf>,
    /// Networks that may call, or `smile`; empty: all.
    pub allow_peers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A length of time, written as people do: 90s, 72h, 30d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A number of bytes, written as people do: 64KiB, 16MiB, 10GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume(pub u64);

impl FromStr for Volume {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|ByteSize(bytes)| Self(bytes))
    }
}

impl fmt::Display for Volume {
    /// Exact, in the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n % (1 << 30) == 0 => write!(f, "{}GiB", n >> 30),
            n if n > 0 && n % (1 << 20) == 0 => write!(f, "{}MiB", n >> 20),
            n if n > 0 && n % (1 << 10) == 0 => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

impl Serialize for Volume {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What holds where nothing is said. The flags' help repeats it.
pub fn defaults() -> Settings {
    let mib = |n: u64| Some(Volume(n << 20));
    let span = |seconds| Some(Span(Duration::from_secs(seconds)));
    Settings {
        public_listen: Some("0.0.0.0:8443".into()),
        max_body: mib(16),
        body_budget: mib(64),
        forwarded_header: Some("x-forwarded-for".into()),
        max_connections: Some(10_000),
        max_connections_per_address: Some(1_000),
        http2_window: Some(Volume(512 << 10)),
        grpc_listen: Some(vec!["127.0.0.1:50051".into()]),
        grpc_unix_mode: Some("0660".into()),
        max_streams: Some(10_000),
        feed_cache: mib(64),
        stream_starts: NonZeroU32::new(100),
        callback_token_ttl: span(12 * 3_600),
        callback_rate: NonZeroU32::new(10),
        callback_quota: mib(64),
        admin_listen: Some(SocketAddr::from(([127, 0, 0, 1], 8081))),
        drain_delay: span(0),
        drain_timeout: span(20),
        log_level: Some("info".into()),
        trace_sample: Some(0.01),
        store: Some("embedded".into()),
        data_dir: Some("./smile-relay-data".into()),
        lock_timeout: span(0),
        retention: span(30 * 86_400),
        dedupe_window: span(72 * 3_600),
        dedupe_max_entries: Some(1_000_000),
        write_queue: mib(64),
        ..Settings::default()
    }
}

/// `over` where it says something, else `under`.
pub fn overlay(under: Settings, over: &Settings) -> Settings {
    let table = |settings: &Settings| toml::Table::try_from(settings).expect("settings are made of what TOML has");
    let mut merged = table(&under);
    let mut over_table = table(over);
    // Only the file has these: an empty table says nothing.
    if over.endpoints.is_empty() {
        over_table.remove("endpoints");
    }
    // Secrets of either kind replace those of both.
    if over.webhook_secret.is_some() || over.webhook_secret_file.is_some() {
        merged.remove("webhook-secret");
        merged.remove("webhook-secret-file");
    }
    merged.extend(over_table);
    let mut merged: Settings = merged.try_into().expect("both halves were settings");
    merged.config.clone_from(&over.config);
    merged
}

impl Settings {
    /// These settings as a TOML file, with secrets masked.
    #[must_use]
    pub fn masked(&self) -> String {
        let mut shown = self.clone();
        let mask = |secrets: &mut Vec<SecretText>| {
            for secret in secrets {
                *secret = SecretText::from("***".to_owned());
            }
        };
        if let Some(secrets) = &mut shown.webhook_secret {
            mask(secrets);
        }
        shown.endpoints.values_mut().for_each(|endpoint| mask(&mut endpoint.secrets));
        toml::to_string(&shown).expect("settings are made of what TOML has")
    }
}
