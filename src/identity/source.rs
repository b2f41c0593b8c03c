//! The files that say who there is, read and held against each other.

use std::path::PathBuf;

use super::{
    LoadError,
    file::{Definition, IdentityFile},
    jwt::fetch,
    tokens::TokenFile,
};

/// Where identities come from.
#[derive(Clone, Debug)]
pub struct Source {
    pub identities: PathBuf,
    pub tokens: Option<PathBuf>,
    /// Client certificates are asked for.
    pub has_authorities: bool,
}

/// What the files say.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub(super) file: IdentityFile,
    pub(super) tokens: TokenFile,
    /// What may be a mistake, and may be meant.
    pub warnings: Vec<String>,
}

impl Source {
    /// The files that are to be watched. Those with keys of issuers are watched with the issuers.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        std::iter::once(&self.identities).chain(&self.tokens).cloned().collect()
    }

    /// Reads them. Blocks.
    ///
    /// # Errors
    /// Names the file, the line, and what to write instead.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable { path: path.clone(), source })
        };
        let text = read(&self.identities)?;
        let file = IdentityFile::parse(&self.identities, &text)?;
        let tokens = match &self.tokens {
            Some(path) => TokenFile::parse(path, &read(path)?)?,
            None => TokenFile::default(),
        };
        let mut warnings = Vec::new();
        for (name, definition) in &file.identities {
            let wrong = |problem: &str| {
                let problem = format!("[identities.{name}]: {problem}");
                LoadError::at(&self.identities, definition.line, problem)
            };
            self.check(definition).map_err(wrong)?;
            // Not a mistake while a token is being taken away: that has to work by either file.
            for token in definition.tokens.iter().filter(|token| !tokens.has_name(token)) {
                warnings.push(format!(
                    "[identities.{name}] names the token {token}, which is not in the token file: nobody can use it"
                ));
            }
        }
        for (name, issuer) in &file.issuers {
            let at = text.lines().position(|line| line.contains(&format!("issuers.{name}")));
            let wrong = |error: fetch::FetchError| {
                LoadError::at(&self.identities, at.map_or(1, |at| at + 1), format!("[issuers.{name}]: {error}"))
            };
            fetch::check(&issuer.keys).map_err(wrong)?;
        }
        Ok(Loaded { file, tokens, warnings })
    }

    fn check(&self, definition: &Definition) -> Result<(), &'static str> {
        if !definition.certificates.is_empty() && !self.has_authorities {
            return Err("`certificates` are not asked for: set --grpc-client-ca, or leave them out");
        }
        if !definition.tokens.is_empty() && self.tokens.is_none() {
            return Err("`tokens` are those of a token file: set --grpc-token-file, or leave them out");
        }
        Ok(())
    }
}
