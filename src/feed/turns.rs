//! Turns for making what no cache has: they bound what is held meanwhile, however many wait for it.
//!
//! Who redacts takes a turn for that first, and those for the plain form within it, never the other way round: so the
//! plain forms that wait for being redacted are few as well, and nobody waits for who waits for him.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::log::ReadError;

/// Pages that are read and encoded at the same time; each takes a few times its bodies meanwhile.
const PAGES: usize = 4;
/// Parts of large events that are loaded at the same time: each takes twice the body meanwhile, once as it is stored.
const LARGE: usize = 2;
/// What is redacted at the same time, and its plain form held meanwhile.
const REDACTIONS: usize = 2;

/// The turns. Cheap to clone.
#[derive(Clone)]
pub struct Turns {
    pages: Arc<Semaphore>,
    large: Arc<Semaphore>,
    redactions: Arc<Semaphore>,
}

impl Turns {
    pub fn new() -> Self {
        let turns = |count| Arc::new(Semaphore::new(count));
        Self { pages: turns(PAGES), large: turns(LARGE), redactions: turns(REDACTIONS) }
    }

    pub async fn page(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        take(&self.pages).await
    }

    pub async fn large(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        take(&self.large).await
    }

    pub async fn redaction(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        take(&self.redactions).await
    }
}

async fn take(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ReadError> {
    Arc::clone(turns).acquire_owned().await.map_err(|e| ReadError(e.to_string()))
}
