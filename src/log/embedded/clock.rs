//! The time of receipt, by a wall clock that may be set at any moment.
//!
//! Times handed out never run backwards. A leap forward, by more than an hour against the monotonic clock, suspends
//! retention by age: a wrong clock must not remove what it takes for old. A restart confirms the new time, or a day.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::event::UnixMicros;

const LEAP: Duration = Duration::from_hours(1);
const CONFIRMED_AFTER: Duration = Duration::from_hours(24);

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub wall: UnixMicros,
    /// Since any fixed moment.
    pub monotonic: Duration,
}

pub struct Clock {
    /// The last time handed out.
    last: UnixMicros,
    /// The reading that the next one is compared with.
    before: Reading,
    suspended_until: Option<Duration>,
}

impl Clock {
    pub fn new(now: Reading, last: UnixMicros) -> Self {
        Self { last, before: now, suspended_until: None }
    }

    /// The time of receipt of what is received now.
    pub fn received_at(&mut self, now: Reading) -> UnixMicros {
        self.observe(now);
        self.last = self.last.max(now.wall);
        self.last
    }

    /// The time by which records are old or not; None while retention by age is suspended.
    pub fn retention_now(&mut self, now: Reading) -> Option<UnixMicros> {
        self.observe(now);
        if self.suspended_until.is_some_and(|until| now.monotonic < until) {
            return None;
        }
        self.suspended_until = None;
        Some(now.wall)
    }

    fn observe(&mut self, now: Reading) {
        let passed = now.monotonic.saturating_sub(self.before.monotonic);
        let expected = self.before.wall.saturating_add(micros(passed));
        if now.wall > expected.saturating_add(micros(LEAP)) {
            tracing::warn!(
                "the wall clock leapt forward by more than an hour: retention by age is suspended for a day"
            );
            self.suspended_until = Some(now.monotonic + CONFIRMED_AFTER);
        }
        self.before = now;
    }
}

impl Reading {
    /// The machine's clocks.
    pub fn now(since: Instant) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: micros(wall), monotonic: since.elapsed() }
    }
}

pub fn micros(duration: Duration) -> UnixMicros {
    UnixMicros::try_from(duration.as_micros()).unwrap_or(UnixMicros::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: UnixMicros = 3_600_000_000;

    fn at(hours: f64, wall: UnixMicros) -> Reading {
        Reading { wall, monotonic: Duration::from_secs_f64(hours * 3600.0) }
    }

    #[test]
    fn times_of_receipt_never_run_backwards() {
        let mut clock = Clock::new(at(0.0, 50 * HOUR), 0);
        assert_eq!(clock.received_at(at(0.0, 50 * HOUR)), 50 * HOUR);
        assert_eq!(clock.received_at(at(0.1, 40 * HOUR)), 50 * HOUR);
        assert_eq!(clock.received_at(at(20.0, 60 * HOUR)), 60 * HOUR);
        let mut restarted = Clock::new(at(0.0, 10 * HOUR), 60 * HOUR);
        assert_eq!(restarted.received_at(at(0.0, 10 * HOUR)), 60 * HOUR);
    }

    #[test]
    fn a_leap_forward_suspends_retention_until_a_day_has_passed() {
        let mut clock = Clock::new(at(0.0, 0), 0);
        assert_eq!(clock.retention_now(at(5.0, 5 * HOUR)), Some(5 * HOUR), "time that passes is no leap");
        assert_eq!(clock.retention_now(at(5.1, 800 * HOUR)), None);
        assert_eq!(clock.retention_now(at(29.0, 824 * HOUR)), None);
        assert_eq!(clock.retention_now(at(29.2, 824 * HOUR)), Some(824 * HOUR));
    }

    #[test]
    fn a_leap_back_and_small_steps_change_nothing() {
        let mut clock = Clock::new(at(0.0, 100 * HOUR), 0);
        assert_eq!(clock.retention_now(at(0.1, 90 * HOUR)), Some(90 * HOUR));
        assert_eq!(clock.retention_now(at(0.2, 90 * HOUR + HOUR / 2)), Some(90 * HOUR + HOUR / 2));
    }
}
