//! For log lines that strangers could bring about as often as they like.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_mins(1);

/// Says once a minute that it is time.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    last: Mutex<Option<Instant>>,
}

impl Seldom {
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_due_once() {
        let seldom = Seldom::default();
        assert!(seldom.is_due() && !seldom.is_due() && !seldom.is_due());
        *seldom.last.lock().unwrap() = Instant::now().checked_sub(INTERVAL);
        assert!(seldom.is_due() && !seldom.is_due());
    }
}
