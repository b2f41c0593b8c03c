//! What is removed from events for those who may not see all of them.
//!
//! A redaction is a set of paths: the names that Smile's JSON has for fields, joined with dots, as in `payload.identity`.
//! It applies to the typed content of every event, webhooks and callbacks alike (`Event.data`; "data" in the JSON).
//!
//! - **A path matches wherever its names follow each other**, at any depth and in every type of event: `payload.identity`
//!   is the field `identity` of any `payload`, so also that of each account of a `USER_SESSION_COMPLETED`; `fullName` is
//!   every full name. Who names a field wants it gone, and not only from the events that came to mind.
//! - **Lists are passed through**: a path names the fields of their elements. The `items` of a list that comes in pages may
//!   be left out, as Smile leaves them out: `payload.incomes.employer` and `payload.incomes.items.employer` are one.
//! - **A field that is named is removed whole**, with all that is in it. What is next to it stays as it is.
//! - **What can't be looked into is removed by every redaction**: the raw body and its signature, decode issues (they say
//!   what was there), and every value of no fixed shape (`JsonText`: `other_payload`, the answers of a form, uploads, the
//!   arguments of callbacks that are not known). Of types that are not known there is no typed content to begin with.
//! - **What the log keeps beside the body stays**: id, type, times, endpoint, `user_id`, and how a callback was reported.
//!   Filters look at these. So `userId` can't be named, and is refused rather than half removed.
//!
//! A path that matches nothing is a mistake, and not a redaction that removes nothing.

mod paths;
mod plan;
mod remove;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

pub use self::paths::RedactionError;
use self::plan::Plan;

/// How many different redactions can be in force at once: each is an encoded form of the events that is kept beside the
/// plain one.
pub const PROFILES_MOST: usize = 8;

/// A checked set of paths. Cheap to clone; equal to another one that names the same. The default removes nothing.
#[derive(Clone, Default)]
pub struct Redaction(Option<Arc<Named>>);

struct Named {
    /// Sorted, each once.
    paths: Vec<String>,
    /// What they come to.
    plan: Plan,
}

impl Redaction {
    /// A redaction that removes what these paths name. None of them: nothing is removed.
    ///
    /// # Errors
    /// Names the first path that matches no field of any event, and what it could have been.
    pub fn new(paths: &[String]) -> Result<Self, RedactionError> {
        if paths.is_empty() {
            return Ok(Self::default());
        }
        for path in paths {
            paths::check(path)?;
        }
        let mut paths = paths.to_vec();
        paths.sort_unstable();
        paths.dedup();
        let plan = Plan::new(&paths);
        Ok(Self(Some(Arc::new(Named { paths, plan }))))
    }

    /// True if nothing is removed.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// What is removed, in order.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |named| &named.paths)
    }

    /// Puts `event`, an encoded `Event`, without what is removed.
    pub(super) fn put(&self, out: &mut Vec<u8>, event: &[u8]) {
        match &self.0 {
            Some(named) => remove::put_event(out, event, &named.plan),
            None => out.extend_from_slice(event),
        }
    }
}

impl PartialEq for Redaction {
    fn eq(&self, other: &Self) -> bool {
        self.paths() == other.paths()
    }
}

impl Eq for Redaction {}

impl Hash for Redaction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.paths().hash(state);
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redaction").field(&self.paths()).finish()
    }
}

pub(super) use self::remove::put_without;

#[cfg(test)]
mod tests;
