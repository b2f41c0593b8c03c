//! Numbers of JSON, as text: they are never turned into binary fractions.

/// The length of the number that `bytes` begin with.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match (bytes.get(at)?, digits(at)) {
        (_, 0) => return None,
        (b'0', _) => 1,
        (_, some) => some,
    };
    if bytes.get(at) == Some(&b'.') {
        let some = digits(at + 1);
        if some == 0 {
            return None;
        }
        at += 1 + some;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let some = digits(at + 1 + sign);
        if some == 0 {
            return None;
        }
        at += 1 + sign + some;
    }
    Some(at)
}

/// True if `text` is a number and nothing else.
pub fn is_number(text: &str) -> bool {
    length(text.as_bytes()) == Some(text.len())
}

/// The whole number that the number `text` is: 3 for `3`, `3.0`, `30e-1`. None if it is none, or too large.
pub fn whole_number(text: &str) -> Option<i32> {
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or((1, mantissa), |rest| (-1, rest));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = before.bytes().chain(after.bytes());
    // From the first to the last digit that is not 0; what is between them has to stand before the point.
    let significant = |digit: &u8| *digit != b'0';
    let Some(first) = digits.clone().position(|digit| significant(&digit)) else { return Some(0) };
    let last = digits.clone().enumerate().filter(|(_, digit)| significant(digit)).last()?.0;
    let point = i64::try_from(before.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let point = usize::try_from(point).ok()?;
    // The largest has ten digits.
    if last >= point || point - first > 10 {
        return None;
    }
    let value = digits.chain(std::iter::repeat(b'0')).take(point).skip(first);
    let value = value.fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    i32::try_from(sign * value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_json_says() {
        for (text, expected) in [
            ("0", Some(1)),
            ("-0", Some(2)),
            ("01", Some(1)),
            ("10.50,", Some(5)),
            ("-25.5000}", Some(8)),
            ("1e5", Some(3)),
            ("1E-05]", Some(5)),
            ("1.5e+300 ", Some(8)),
            ("", None),
            ("-", None),
            ("+1", None),
            (".5", None),
            ("1.", None),
            ("1.e5", None),
            ("1e", None),
            ("1e+", None),
            ("x", None),
        ] {
            assert_eq!(length(text.as_bytes()), expected, "{text}");
        }
        assert!(is_number("1.5") && !is_number("1.5 ") && !is_number("01") && !is_number("NaN"));
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0.000", Some(0)),
            ("0e99999999999999999999", Some(0)),
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("30e-1", Some(3)),
            ("0.003E+3", Some(3)),
            ("-999", Some(-999)),
            ("-9.99e2", Some(-999)),
            ("2147483647.000", Some(i32::MAX)),
            ("-2147483648", Some(i32::MIN)),
            ("21474836470e-1", Some(i32::MAX)),
            ("21474836480e-1", None),
            ("2147483648", None),
            ("3.5", None),
            ("2.00000000000000000000000001", None),
            ("0.3", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e99999999999999999999", None),
            ("99999999999999999999999999", None),
        ] {
            assert_eq!(whole_number(text), expected, "{text}");
        }
    }
}
