//! From where callbacks may be reported: what the configuration names, narrowed by what the token names.

/// The origins that the configuration names. If it names any, no token can name others; if it names none, tokens have to.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub Vec<String>);

impl Origins {
    /// Whether the configuration names it.
    fn names(&self, origin: &str) -> bool {
        self.0.iter().any(|named| named == origin)
    }

    /// Whether some token may name it.
    #[must_use]
    pub fn may_ask(&self, origin: &str) -> bool {
        self.0.is_empty() || self.names(origin)
    }

    /// Whether a token that names `of_token` may be used there.
    #[must_use]
    pub fn allow(&self, of_token: &[String], origin: &str) -> bool {
        if of_token.is_empty() {
            return self.names(origin);
        }
        of_token.iter().any(|named| named == origin) && self.may_ask(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_bounds_what_tokens_name() {
        let of = |named: &[&str]| named.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (configured, of_token, origin, is_allowed) in [
            (&[][..], &[][..], "https://a", false),
            (&[], &["https://a"], "https://a", true),
            (&[], &["https://a"], "https://b", false),
            (&["https://a"], &[], "https://a", true),
            (&["https://a"], &[], "null", false),
            (&["https://a", "null"], &["null"], "null", true),
            (&["https://a", "null"], &["null"], "https://a", false),
            (&["https://a"], &["https://b"], "https://b", false),
        ] {
            let origins = Origins(of(configured));
            assert_eq!(origins.allow(&of(of_token), origin), is_allowed, "{configured:?} {of_token:?} {origin}");
        }
    }
}
