//! What a call gets to see that comes from somebody with a redaction.
//!
//! The call is answered out of a feed that holds nothing else than the redacted form, so no way of reading can leave it out.

use std::sync::Arc;

use tonic::Status;

use super::{Shared, access::Access, status};

/// What a call works on: all there is, or what the caller's redaction leaves of it.
pub fn shared(shared: Arc<Shared>, access: &Access) -> Result<Arc<Shared>, Status> {
    if access.redaction().is_none() {
        return Ok(shared);
    }
    let feed = shared.feed.seen_through(access.redaction()).map_err(status::too_many_redactions)?;
    Ok(Arc::new(Shared { feed, ..Shared::clone(&shared) }))
}

#[cfg(test)]
mod tests;
