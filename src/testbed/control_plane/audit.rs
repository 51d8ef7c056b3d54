//! What an API server writes down of the requests that it gets.

use super::Error;
use std::{fs, io, path::PathBuf};

/// The audit log of a control plane, readable from any thread.
#[derive(Debug, Clone)]
pub struct AuditLog {
    pub(super) path: PathBuf,
}

impl AuditLog {
    /// What the API server was asked since it first started, oldest first. Empty without an audit policy.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn events(&self) -> Result<Vec<serde_json::Value>, Error> {
        self.events_with("")
    }

    /// Those in whose text `word` stands somewhere; the others are not even parsed.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn events_with(&self, word: &str) -> Result<Vec<serde_json::Value>, Error> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(Error::io("read the audit log"))?,
        };
        // A line without its end is still being written.
        let lines = text.split_inclusive('\n').enumerate().filter(|(_, line)| line.ends_with('\n'));
        lines
            .filter(|(_, line)| line.contains(word))
            .map(|(n, line)| serde_json::from_str(line).map_err(|source| Error::Audit { line: n + 1, source }))
            .collect()
    }
}
