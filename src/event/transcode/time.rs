//! Instants, as Smile writes them.

use std::ops::RangeInclusive;

use prost_types::Timestamp;

use super::{Decoder, scalar::scalar};
use crate::event::{
    issues::Expected,
    json::{Kind, NotJson, Reader},
};

/// The years 1 to 9999: protobuf allows no others, and clients refuse them or fail.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Numbers from here on count milliseconds, others seconds. As seconds it is the year 5138, as milliseconds 1973.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

impl<'t> Decoder<'t, '_> {
    /// RFC 3339, read as UTC where it names no zone. A number is taken for the time since 1970, and said. Said with its
    /// text if it can't be read.
    pub fn time(&mut self, reader: &mut Reader<'t>) -> Result<Option<Timestamp>, NotJson> {
        let (found, text) = scalar(reader)?;
        let at = match found {
            Kind::String => text.trim().parse().ok(),
            Kind::Number => since_1970(&text),
            _ => None,
        };
        let at = at.filter(|at: &Timestamp| SECONDS.contains(&at.seconds));
        if at.is_none() || found != Kind::String {
            self.issues.unexpected(Expected::Time, found, &text);
        }
        Ok(at)
    }
}

/// The instant so many seconds or milliseconds after 1970 began.
fn since_1970(number: &str) -> Option<Timestamp> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: i64 = whole.parse().ok()?;
    if whole.abs() >= MILLISECONDS_FROM {
        let nanos = i32::try_from(whole.rem_euclid(1_000) * 1_000_000).ok()?;
        return Some(Timestamp { seconds: whole.div_euclid(1_000), nanos });
    }
    // A fraction of a second before 1970 is nothing that was ever sent.
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    Some(Timestamp { seconds: whole, nanos: digits.parse().ok()? })
}
