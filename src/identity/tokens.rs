//! The token file: names, and SHA-256 hashes of tokens. The tokens themselves are nowhere.
//!
//! They are random and long, so a plain hash is right: there is nothing to guess, and nothing to be slowed down for. A name
//! may stand in several lines: while a token is being replaced, the old one and the new one are both good.

use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{LoadError, is_name};

/// What tokens that are made here begin with, so that scanners of source code find those that are lost.
const PREFIX: &str = "smr_";
/// The randomness of one.
const TOKEN_BYTES: usize = 32;
/// Lines of a file.
const MOST: usize = 10_000;

/// The hash of a token.
pub type Hash = [u8; 32];

/// The lines of a token file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFile(Vec<(String, Hash)>);

#[must_use]
pub fn hash(token: &[u8]) -> Hash {
    Sha256::digest(token).into()
}

/// A new token, and the line of the token file for it.
#[must_use]
pub fn make(name: &str) -> (Zeroizing<String>, String) {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let random = Zeroizing::new(rand::random::<[u8; TOKEN_BYTES]>());
    let digits = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
    let token = Zeroizing::new(format!("{PREFIX}{}", digits.as_str()));
    let line = format!("{name} sha256:{}", faster_hex::hex_string(&hash(token.as_bytes())));
    (token, line)
}

impl TokenFile {
    /// # Errors
    /// Names the file and the line, and never repeats what might be a token.
    pub fn parse(path: &Path, text: &str) -> Result<Self, LoadError> {
        let mut tokens: Vec<(String, Hash)> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem: String| LoadError::at(path, number, problem);
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(hashed), None) = (words.next(), words.next(), words.next()) else {
                return Err(wrong("it is not NAME sha256:HEX; `smile-relay token NAME` prints such a line".into()));
            };
            if !is_name(name) {
                return Err(wrong(
                    "the first word is no name: write 1 to 64 letters, digits, `-`, `_` and `.`, and then sha256:HEX"
                        .into(),
                ));
            }
            let hash = hashed.strip_prefix("sha256:").and_then(|digits| {
                let mut hash = Hash::default();
                (digits.len() == 64 && faster_hex::hex_decode(digits.as_bytes(), &mut hash).is_ok()).then_some(hash)
            });
            let Some(hash) = hash else {
                return Err(wrong(format!(
                    "what follows {name} is not sha256: and 64 hexadecimal digits; the token itself does not belong \
                     here: `smile-relay token {name}` makes one, and prints its line"
                )));
            };
            if hash == self::hash(b"") {
                return Err(wrong(format!("the token of {name} is empty")));
            }
            if tokens.iter().any(|(_, known)| *known == hash) {
                return Err(wrong("this token is in an earlier line as well".into()));
            }
            tokens.push((name.to_owned(), hash));
            if tokens.len() > MOST {
                return Err(wrong(format!("there are more than {MOST} tokens")));
            }
        }
        if tokens.is_empty() {
            return Err(LoadError::at(path, 1, "there is no token in it; `smile-relay token NAME` makes one".into()));
        }
        Ok(Self(tokens))
    }

    /// The name that has this token. Takes as long whatever it is, and wherever its line stands.
    #[must_use]
    pub fn find(&self, hash: &Hash) -> Option<&str> {
        let mut found = None;
        for (name, known) in &self.0 {
            let differs = known.iter().zip(hash).fold(0, |differs, (a, b)| differs | (a ^ b));
            if std::hint::black_box(differs) == 0 {
                found = Some(name.as_str());
            }
        }
        found
    }

    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<TokenFile, String> {
        TokenFile::parse(Path::new("tokens"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_that_is_made_is_found_by_its_line() {
        let ((one, line_1), (two, line_2)) = (make("payroll"), make("payroll"));
        assert_ne!(*one, *two);
        assert!(one.len() > 40 && one.starts_with(PREFIX), "{}", one.len());
        let tokens = parse(&format!("# ours\n\n{line_1}\n  {line_2}\r\n")).unwrap();
        assert_eq!(tokens.find(&hash(one.as_bytes())), Some("payroll"));
        assert_eq!(tokens.find(&hash(two.as_bytes())), Some("payroll"));
        assert_eq!(tokens.find(&hash(b"")), None);
        assert_eq!(tokens.find(&hash(line_1.as_bytes())), None);
        assert!(tokens.has_name("payroll") && !tokens.has_name("other"));
    }

    #[test]
    fn mistakes_are_named_by_their_line_and_no_token_is_repeated() {
        let (token, line) = make("a");
        for (text, named) in [
            (String::new(), "there is no token"),
            ("# nothing\n".into(), "there is no token"),
            (format!("{line}\nb {}", token.as_str()), "line 2"),
            (format!("\n{}", token.as_str()), "line 2"),
            (format!("{line} more"), "NAME sha256:HEX"),
            (format!("{line}\n{}", line.replace("a sha", "b sha")), "earlier line"),
            (line.replace("a sha", "ä sha"), "no name"),
            (format!("a sha256:{}", faster_hex::hex_string(&hash(b""))), "is empty"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(named) && error.starts_with("tokens: line "), "{text:?}: {error}");
            assert!(!error.contains(token.as_str()), "{error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(\\PC|\n){0,200}") {
            let _ = parse(&text);
        }
    }
}
