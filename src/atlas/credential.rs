//! The credential of one Secret.

use secrecy::SecretString;
use std::{collections::BTreeMap, sync::Arc};

/// What a Secret holds: a key for HTTP digest, or a service account for OAuth. Never shown: `Debug` gives the kind only.
pub struct Credential {
    id: CredentialId,
    kind: CredentialKind,
}

/// The two kinds of credential.
pub enum CredentialKind {
    ApiKey { public: String, private: SecretString },
    ServiceAccount { client_id: String, client_secret: SecretString },
}

/// Tells two credentials apart without telling them: a keyed hash, different in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(u64);

/// Why a Secret's data is not a credential. Names keys, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    #[error("the key {missing:?} is missing beside {present:?}")]
    Half { present: &'static str, missing: &'static str },
    #[error("it holds both an API key and a service account; keep one of them")]
    Both,
    #[error("it holds neither publicKey and privateKey nor clientId and clientSecret")]
    Neither,
    #[error("the value of {0:?} is empty, or not printable text")]
    Malformed(&'static str),
}

impl Credential {
    /// Reads `publicKey`/`privateKey` (or `publicApiKey`/`privateApiKey`), or `clientId`/`clientSecret`.
    /// A trailing newline, as `kubectl create secret --from-file` leaves it, is not part of a value.
    ///
    /// # Errors
    /// When a key is missing or unusable, or both kinds are there.
    pub fn from_secret_data(data: &BTreeMap<String, Vec<u8>>) -> Result<Arc<Self>, InvalidCredential> {
        let _ = data;
        unimplemented!()
    }

    pub fn id(&self) -> CredentialId {
        self.id
    }

    pub fn kind(&self) -> &CredentialKind {
        &self.kind
    }
}
