//! Names with a `*` in them, for those that are made by a rule: `spiffe://cluster.local/ns/payroll/sa/*`.
//!
//! A `*` stands for one or more characters of one part of a name, and never reaches into the next: parts are what is
//! between the slashes of a URI, the dots of a host's name, the colons of a token's subject.

use std::fmt;

/// The longest pattern.
const BYTES: usize = 512;

/// What is being named, and so where its parts end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Uri,
    Host,
    Subject,
}

impl Kind {
    fn separator(self) -> char {
        match self {
            Self::Uri => '/',
            Self::Host => '.',
            Self::Subject => ':',
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    kind: Kind,
    text: String,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} can't be a name: it has to be of 1 to {BYTES} bytes, without spaces; `*` stands for a part of it, or for some \
     characters of one"
)]
pub struct PatternError(String);

impl Pattern {
    /// # Errors
    /// If nothing could ever match it, or it is too long.
    pub fn new(kind: Kind, text: &str) -> Result<Self, PatternError> {
        let is_bad = |c: char| c.is_whitespace() || c.is_control();
        if text.is_empty() || text.len() > BYTES || text.contains(is_bad) {
            return Err(PatternError(text.chars().take(64).collect()));
        }
        // Hosts are the same in capitals.
        let text = if kind == Kind::Host { text.to_ascii_lowercase() } else { text.to_owned() };
        Ok(Self { kind, text })
    }

    /// That of a name in a certificate: a URI has a colon, and a host's name has none.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_certificate(text: &str) -> Result<Self, PatternError> {
        Self::new(if text.contains(':') { Kind::Uri } else { Kind::Host }, text)
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let separator = self.kind.separator();
        let mut parts = name.split(separator);
        self.text.split(separator).all(|pattern| parts.next().is_some_and(|part| part_matches(pattern, part)))
            && parts.next().is_none()
    }
}

/// Within a part: what follows the first `*` has to match somewhere after one character or more.
fn part_matches(pattern: &str, part: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = part.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        // What the star stands for begins with any one character.
        let Some(skipped) = rest.chars().next().map(char::len_utf8) else { return false };
        if pieces.peek().is_none() {
            return rest[skipped..].ends_with(piece);
        }
        // The earliest place leaves the most for the rest.
        let Some(at) = rest[skipped..].find(piece) else { return false };
        rest = &rest[skipped + at + piece.len()..];
    }
    true
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(kind: Kind, pattern: &str, name: &str) -> bool {
        Pattern::new(kind, pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_stays_within_its_part() {
        for (kind, pattern, yes, no) in [
            (
                Kind::Uri,
                "spiffe://cluster.local/ns/payroll/sa/*",
                vec!["spiffe://cluster.local/ns/payroll/sa/api", "spiffe://cluster.local/ns/payroll/sa/a-b.c"],
                vec![
                    "spiffe://cluster.local/ns/payroll/sa/",
                    "spiffe://cluster.local/ns/payroll/sa/a/b",
                    "spiffe://cluster.local/ns/payroll/sa",
                    "spiffe://cluster.local/ns/payroll2/sa/api",
                    "spiffe://cluster.local.evil/ns/payroll/sa/api",
                    "SPIFFE://cluster.local/ns/payroll/sa/api",
                    "",
                ],
            ),
            (
                Kind::Host,
                "*.Example.com",
                vec!["a.example.com"],
                vec!["example.com", "a.b.example.com", ".example.com"],
            ),
            (
                Kind::Subject,
                "system:serviceaccount:payroll:*",
                vec!["system:serviceaccount:payroll:default"],
                vec![
                    "system:serviceaccount:payroll:",
                    "system:serviceaccount:payroll:a:b",
                    "system:serviceaccount:x:y",
                ],
            ),
            (Kind::Subject, "a*b*c", vec!["axbyc", "axxbbyc"], vec!["abc", "axbc", "abyc", "axbycd"]),
            (Kind::Subject, "*", vec!["a"], vec!["", "a:b"]),
            (Kind::Subject, "**", vec!["ab", "abc"], vec!["a"]),
            (Kind::Subject, "exact", vec!["exact"], vec!["exact2", "Exact", "exac"]),
        ] {
            for name in yes {
                assert!(matches(kind, pattern, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!matches(kind, pattern, name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        for text in ["", "a b", "a\n", &"x".repeat(BYTES + 1)] {
            assert!(Pattern::new(Kind::Subject, text).is_err(), "{text:?}");
        }
    }

    /// As the promise says, by trying everything.
    fn naive(pattern: &[char], name: &[char], separator: char) -> bool {
        match pattern {
            [] => name.is_empty(),
            ['*', rest @ ..] => (1..=name.len())
                .take_while(|end| name[end - 1] != separator)
                .any(|end| naive(rest, &name[end..], separator)),
            [first, rest @ ..] => name.first() == Some(first) && naive(rest, &name[1..], separator),
        }
    }

    proptest! {
        #[test]
        fn as_by_trying_everything(pattern in "[ab:*é]{1,8}", name in "[ab:é]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = naive(&chars(&pattern), &chars(&name), ':');
            prop_assert_eq!(matches(Kind::Subject, &pattern, &name), expected);
        }
    }
}
