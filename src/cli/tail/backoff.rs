//! How long to wait before the next attempt: longer each time, and never all clients at once.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// No relay can send its clients away for longer than this.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// To be told when something came of an attempt.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The time to wait; at least what the relay asked for, if it did.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let step = SHORTEST.saturating_mul(1 << self.attempts.min(16)).min(LONGEST);
        self.attempts += 1;
        let wait = rand::random_range(step / 2..=step);
        match asked {
            Some(asked) => asked.min(LONGEST_ASKED) + wait,
            None => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_over() {
        let mut backoff = Backoff::default();
        for _ in 0..3 {
            assert!((SHORTEST / 2..=SHORTEST).contains(&backoff.next(None)));
            for _ in 0..100 {
                assert!(backoff.next(None) <= LONGEST);
            }
            assert!(backoff.next(None) >= LONGEST / 2);
            backoff.reset();
        }
    }

    #[test]
    fn waits_at_least_as_long_as_the_relay_asks() {
        let asked = Duration::from_secs(20);
        assert!(Backoff::default().next(Some(asked)) >= asked);
        assert!(Backoff::default().next(Some(Duration::MAX)) <= LONGEST_ASKED + LONGEST);
    }
}
