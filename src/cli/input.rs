//! A file named on the command line, or stdin for `-`, read whole and unchanged.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct InputError {
    path: PathBuf,
    source: io::Error,
}

pub fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map_err(|source| InputError { path: path.to_owned(), source })
}
