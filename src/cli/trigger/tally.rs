//! What became of many sendings.

use std::{fmt, time::Duration};

use crate::cli::send::{Answer, SendError};

#[derive(Debug, Default)]
pub struct Tally {
    stored: usize,
    duplicates: usize,
    failed: usize,
    /// Of those that were answered.
    took: Vec<Duration>,
}

impl Tally {
    pub fn count(&mut self, result: &Result<Answer, SendError>) {
        match result {
            Ok(answer) if answer.is_duplicate() => self.duplicates += 1,
            Ok(answer) if answer.is_success() => self.stored += 1,
            _ => self.failed += 1,
        }
        if let Ok(answer) = result {
            self.took.push(answer.took);
        }
    }

    pub fn failed(&self) -> usize {
        self.failed
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, duplicates, failed, took } = self;
        let sent = stored + duplicates + failed;
        write!(out, "{sent} sent: {stored} stored, {duplicates} held already, {failed} failed")?;
        let mut took = took.clone();
        took.sort_unstable();
        // The smallest time that at least so many in a hundred did not exceed.
        let percentile = |p: usize| took.get((took.len() * p).div_ceil(100).saturating_sub(1));
        if let (Some(p50), Some(p99)) = (percentile(50), percentile(99)) {
            write!(out, "; p50 {:.1} ms, p99 {:.1} ms", p50.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_became_of_each() {
        let mut tally = Tally::default();
        for n in 1..=100 {
            let body = if n == 1 { r#"{"status":"duplicate"}"# } else { "" };
            let status = http::StatusCode::from_u16(if n > 98 { 503 } else { 200 }).unwrap();
            tally.count(&Ok(Answer { status, body: body.into(), took: Duration::from_millis(n) }));
        }
        tally.count(&Err(SendError::Silent { url: "http://relay/".to_owned() }));
        let said = "101 sent: 97 stored, 1 held already, 3 failed; p50 50.0 ms, p99 99.0 ms";
        assert_eq!(tally.to_string(), said);
    }

    #[test]
    fn nothing_answered_takes_no_time() {
        assert_eq!(Tally::default().to_string(), "0 sent: 0 stored, 0 held already, 0 failed");
    }
}
