//! The settings of what an operator sees, and the one of them that may change while the relay runs.

use std::path::{Path, PathBuf};

use http::Uri;

use super::{ConfigError, Settings, load, settings};
use crate::telemetry::otlp;

/// Where traces and metrics are sent; None: nowhere.
pub fn otlp(settings: &Settings) -> Result<Option<otlp::Settings>, ConfigError> {
    let sample = settings.trace_sample.expect("it has a default, which was filled in");
    if !(0.0..=1.0).contains(&sample) {
        return Err(ConfigError::Setting(format!("--trace-sample {sample}: it is a part of all, from 0 to 1")));
    }
    let Some(endpoint) = settings.otlp_endpoint.clone() else { return Ok(None) };
    let is_endpoint = endpoint.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.port().is_some()
            && uri.path_and_query().is_none_or(|p| p == "/")
    });
    if !is_endpoint {
        return Err(ConfigError::Setting(format!(
            "--otlp-endpoint {endpoint}: write it as http://HOST:PORT or https://HOST:PORT, of a collector that takes OTLP \
             over gRPC (usually port 4317)"
        )));
    }
    Ok(Some(otlp::Settings { endpoint, sample }))
}

/// The configuration file as the place of the log level, if the level comes from there: a flag or a variable wins over the
/// file, and then nothing that the file says later counts.
#[derive(Clone)]
pub struct LevelFile {
    path: PathBuf,
    /// What flags and environment say.
    given: Settings,
    /// What held when the relay was started, but for the level.
    started_with: Settings,
}

impl std::fmt::Debug for LevelFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The settings may hold secrets.
        f.debug_tuple("LevelFile").field(&self.path).finish()
    }
}

impl LevelFile {
    /// Of what flags and environment say, and of what has become of that with the file.
    #[must_use]
    pub fn of(given: &Settings, loaded: &Settings) -> Option<Self> {
        let path = given.config.clone().filter(|_| given.log_level.is_none())?;
        Some(Self { path, given: given.clone(), started_with: without_level(loaded.clone()) })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The level that the file says now, or the default; and whether it says something else as well that did not hold when the
    /// relay was started.
    ///
    /// # Errors
    /// If the file can't be read, or holds what it can't hold.
    pub fn read(&self) -> Result<(String, bool), ConfigError> {
        let loaded = load(self.given.clone())?;
        let level = loaded.log_level.clone().or(settings::defaults().log_level).unwrap_or_default();
        Ok((level, without_level(loaded) != self.started_with))
    }
}

fn without_level(mut settings: Settings) -> Settings {
    settings.log_level = None;
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_the_file_is_read_again_unless_it_is_said_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("relay.toml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("log-level = \"warn\"\nretention = \"7d\"\n");
        let given = Settings { config: Some(path.clone()), ..Settings::default() };
        let file = LevelFile::of(&given, &load(given.clone()).unwrap()).unwrap();
        assert_eq!(file.read().unwrap(), ("warn".to_owned(), false));
        write("log-level = \"debug\"\nretention = \"7d\"\n");
        assert_eq!(file.read().unwrap(), ("debug".to_owned(), false));
        write("retention = \"8d\"\n");
        assert_eq!(file.read().unwrap(), ("info".to_owned(), true), "the default, and something else");
        write("log-level = \"debug\"\nretension = \"7d\"\n");
        assert!(file.read().unwrap_err().to_string().contains("retension"));
        let said = Settings { log_level: Some("error".into()), ..given };
        assert!(LevelFile::of(&said, &said).is_none());
        assert!(LevelFile::of(&Settings::default(), &Settings::default()).is_none(), "there is no file");
    }
}
