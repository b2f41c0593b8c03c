//! Who calls, and what it may: the identities of a file, recognised by client certificates, tokens and JSON web tokens.
//!
//! Promises:
//! - A caller is one identity, or is not let in: two that fit are none.
//! - What is not granted is not allowed. The caller learns nothing more; the log does, and never holds a token.
//! - What changes in the files is in force for calls that are under way, too: [`Session::over`] ends those of an identity
//!   that is gone, has expired, or has other grants now, and no others.
//! - While no identities are configured, everybody who reaches a listener may do everything, but for administering from
//!   elsewhere than this machine.
//!
//! `grpc` asks for a [`Session`] before each call. `net` has seen the certificate; its names are looked at here.

mod denial;
mod file;
mod grants;
mod jwt;
mod metrics;
mod pattern;
mod session;
mod source;
mod table;
pub mod tokens;
mod usage;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, header::AUTHORIZATION};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    denial::Denial,
    grants::Grants,
    jwt::JwtError,
    metrics::Metrics,
    session::Session,
    source::{Loaded, Source},
    usage::{Place, Rate},
};
use self::{
    jwt::issuer::{Issuer, Refusal},
    session::Who,
    table::{Identity, JwtProof, KeptIssuer, Proof, Table},
    usage::{Connections, Usage},
};
use crate::net::{ClientAuthorities, Connection, Peer};

/// A file that says nothing usable. Names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: line {line}: {problem}", path.display())]
    At { path: PathBuf, line: usize, problem: String },
}

impl LoadError {
    fn at(path: &Path, line: usize, problem: String) -> Self {
        Self::At { path: path.to_owned(), line, problem }
    }
}

/// Whether this can name an identity or a token.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let of_name = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    (1..=64).contains(&text.len()) && text.bytes().all(of_name)
}

/// Knows who calls. Clones are the same one.
#[derive(Clone)]
pub struct Identities(Arc<Shared>);

struct Shared {
    /// Replaced as a whole. None: none are configured.
    table: Option<RwLock<Arc<Table>>>,
    /// Who signs client certificates, if they are asked for.
    authorities: Option<Arc<ClientAuthorities>>,
    /// Counts what has changed, for those who have a [`Session`].
    changes: watch::Sender<u64>,
    /// By the identity's name.
    usage: Mutex<HashMap<String, Arc<Usage>>>,
    connections: Connections,
    rate: Rate,
    metrics: Metrics,
    denials: denial::DenialLog,
    /// Tasks that keep keys up to date.
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Identities {
    /// Those of `loaded`; None: everybody may call. Has to be called within the runtime, where keys are kept up to date.
    #[must_use]
    pub fn start(
        loaded: Option<Loaded>,
        authorities: Option<Arc<ClientAuthorities>>,
        rate: Rate,
        metrics: Metrics,
    ) -> Self {
        let empty = || RwLock::new(Arc::new(Table::default()));
        let identities = Self(Arc::new(Shared {
            table: loaded.is_some().then(empty),
            authorities,
            changes: watch::Sender::new(0),
            usage: Mutex::default(),
            connections: Connections::new(rate),
            rate,
            metrics,
            denials: denial::DenialLog::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        if let Some(loaded) = loaded {
            identities.replace(loaded);
        }
        identities
    }

    /// From now on there are these identities, and no others. Has to be called within the runtime.
    pub fn replace(&self, loaded: Loaded) {
        let Some(table) = &self.0.table else { return };
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let before = Arc::clone(&table.read().unwrap_or_else(PoisonError::into_inner));
        let issuers = loaded.file.issuers.into_iter().map(|(name, settings)| {
            let known = before.issuers.get(&name).filter(|known| known.issuer.settings == settings).cloned();
            let kept = known.unwrap_or_else(|| self.keep(Issuer::new(&name, settings)));
            (name, kept)
        });
        let issuers = issuers.collect();
        let mut usage = self.0.usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.retain(|name, _| {
            let stays = loaded.file.identities.contains_key(name);
            if !stays {
                self.0.metrics.forget(name);
            }
            stays
        });
        let identities = loaded.file.identities.into_iter().map(|(name, definition)| {
            let usage =
                usage.entry(name.clone()).or_insert_with(|| Usage::new(self.0.rate, self.0.metrics.streams(&name)));
            Arc::new(Identity { usage: Arc::clone(usage), grants: definition.grants.clone(), definition, name })
        });
        let after = Table { identities: identities.collect(), issuers, tokens: loaded.tokens };
        *table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        self.changed();
    }

    /// What is known of callers has changed: those who are there are looked at again.
    pub fn changed(&self) {
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Ends what goes on in the background.
    pub async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn keep(&self, issuer: Issuer) -> KeptIssuer {
        let (issuer, stop) = (Arc::new(issuer), self.0.stop.child_token());
        // Not a whole clone: the task would keep the table alive, and so itself.
        let shared = Arc::downgrade(&self.0);
        let changed = move || {
            if let Some(shared) = shared.upgrade() {
                Self(shared).changed();
            }
        };
        let keeping = Arc::clone(&issuer).keep(self.0.metrics.clone(), stop.clone(), changed);
        self.0.tasks.spawn(keeping);
        KeptIssuer { issuer, _stop: Arc::new(stop.drop_guard()) }
    }

    /// Who makes a call, by what came with it.
    ///
    /// # Errors
    /// If it is nobody who is known. It is not counted or logged yet.
    pub async fn recognise(
        &self,
        headers: &HeaderMap,
        peer: Peer,
        connection: Option<&Connection>,
    ) -> Result<Session, Denial> {
        let number = connection.map_or(0, |connection| connection.number);
        let session = |who| Session { identities: self.clone(), peer, connection: number, who };
        if self.0.table.is_none() {
            let is_local = peer.0.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
            return Ok(session(Who::Anybody(Arc::new(Grants::without_identities(is_local)))));
        }
        // Before anything is looked up, so that no change is missed.
        let changes = self.0.changes.subscribe();
        let proof = self.proof(headers, connection).await?;
        let identity = self.resolve(&proof)?;
        let until = proof.until().map(session::deadline);
        Ok(session(Who::Known { identity, proof, until, changes }))
    }

    /// What a caller has proved. A token counts alone: a certificate may be that of a proxy on the way.
    async fn proof(&self, headers: &HeaderMap, connection: Option<&Connection>) -> Result<Proof, Denial> {
        if let Some(header) = headers.get(AUTHORIZATION) {
            let is_one = headers.get_all(AUTHORIZATION).iter().count() == 1;
            let token = header.to_str().ok().filter(|_| is_one).and_then(bearer).ok_or(Denial::Header)?;
            let hash = tokens::hash(token.as_bytes());
            let table = self.table();
            if table.tokens.find(&hash).is_some() {
                return Ok(Proof::Token(hash));
            }
            let claimed = jwt::claimed_issuer(token).ok_or(Denial::UnknownToken)?;
            let issuer = table.issuers.iter().find(|(_, kept)| kept.issuer.settings.issuer == claimed);
            let (name, kept) = issuer.ok_or(Denial::UnknownIssuer)?;
            return match kept.issuer.verify(token).await {
                Ok(good) => Ok(Proof::Jwt(Arc::new(JwtProof {
                    issuer: name.clone(),
                    subject: good.subject,
                    key: good.key,
                    until: good.until,
                }))),
                Err(Refusal::Bad(error)) => Err(Denial::Jwt(error)),
                Err(Refusal::NoKeys) => Err(Denial::NoKeys(name.clone())),
            };
        }
        let certificate = connection.and_then(|connection| connection.certificate.clone());
        let certificate = certificate.ok_or(Denial::NoCredentials)?;
        if certificate.not_after <= SystemTime::now() {
            return Err(Denial::CertificateExpired);
        }
        Ok(Proof::Certificate(certificate))
    }

    fn resolve(&self, proof: &Proof) -> Result<Arc<Identity>, Denial> {
        self.table().resolve(proof, self.0.authorities.as_deref())
    }

    fn table(&self) -> Arc<Table> {
        let table = self.0.table.as_ref();
        table.map_or_else(Arc::default, |table| Arc::clone(&table.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn start_on(&self, connection: u64) -> Result<(), Duration> {
        self.0.connections.start(connection)
    }

    /// Counts and logs a denial.
    pub fn note(&self, denial: &Denial, call: &str, peer: Peer) {
        self.0.metrics.denied(denial.reason());
        self.0.denials.note(denial, call, peer);
    }
}

/// The token of a header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    let is_good = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= jwt::TOKEN_BYTES;
    is_good.then_some(token)
}
