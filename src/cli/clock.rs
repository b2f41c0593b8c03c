//! What the clock on the wall showed at an instant, in this machine's time zone.
//!
//! The standard library knows no time zones, and asking the C library needs `unsafe`. SQLite, which is here for the log,
//! asks it for us. Where no zone is set up, as in most containers, the wall clock shows UTC.

use crate::event::UnixMicros;

const SLOT_SECONDS: i64 = 15 * 60;

/// Remembers the offset for the quarter of an hour last asked about: zones change theirs only between two of them.
#[derive(Debug, Default)]
pub struct WallClock {
    known: Option<(i64, i64)>,
}

impl WallClock {
    /// `2026-11-23 18:00:00.123`
    pub fn show(&mut self, at: UnixMicros) -> String {
        let seconds = at.div_euclid(1_000_000);
        let millis = at.rem_euclid(1_000_000) / 1_000;
        let slot = seconds.div_euclid(SLOT_SECONDS);
        let offset = match self.known {
            Some((known, offset)) if known == slot => offset,
            _ => offset(seconds).unwrap_or(0),
        };
        self.known = Some((slot, offset));
        format!("{}.{millis:03}", civil(seconds.saturating_add(offset)))
    }
}

fn offset(seconds: i64) -> rusqlite::Result<i64> {
    let sql = "SELECT CAST(strftime('%s', ?1, 'unixepoch', 'localtime') AS INTEGER) - ?1";
    rusqlite::Connection::open_in_memory()?.query_row(sql, [seconds], |row| row.get(0))
}

fn civil(seconds: i64) -> String {
    // The last second that `humantime` can show is that of the year 9999.
    let at = u64::try_from(seconds).unwrap_or(0).min(253_402_300_799);
    let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at);
    humantime::format_rfc3339_seconds(at).to_string().replace('T', " ").replace('Z', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_date_and_the_time_to_the_millisecond() {
        assert_eq!(civil(1_795_428_000), "2026-11-23 10:00:00");
        assert!(WallClock::default().show(1_795_428_000_123_456).ends_with(":00.123"));
    }

    #[test]
    fn any_instant_can_be_shown() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            WallClock::default().show(at);
        }
    }
}
