//! The log's level, which may be changed in the configuration file while the relay runs. Nothing else of that file may.

use super::reload::{Metrics, Reload};
use crate::{config::LevelFile, telemetry::logs};

/// What to do when the file with the log level changes.
pub fn reload(file: LevelFile, metrics: &Metrics) -> Reload {
    Reload::new("log_level", vec![file.path().to_owned()], metrics, move || {
        let (level, has_more) = file.read().map_err(|e| e.to_string())?;
        logs::set_level(&level).map_err(|e| e.to_string())?;
        if has_more {
            tracing::warn!(
                "of the configuration file, only the log level is in force: all else that is new needs a restart"
            );
        }
        Ok(())
    })
}
