//! The credential of one Secret.

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::{BTreeMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::{Arc, OnceLock},
};

/// What a Secret holds: a key for HTTP digest, or a service account for OAuth. Never shown: `Debug` gives the kind only.
pub struct Credential {
    id: CredentialId,
    kind: CredentialKind,
}

/// The two kinds of credential. The secret half is redacted in `Debug`.
#[derive(Debug)]
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

impl InvalidCredential {
    /// Whether nothing is there yet, as when a tool fills the Secret in after it has made it. Half a credential is a
    /// mistake: both halves come in one write.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Neither => true,
            Self::Half { .. } | Self::Both | Self::Malformed(_) => false,
        }
    }
}

impl Credential {
    /// Reads `publicKey`/`privateKey` (or `publicApiKey`/`privateApiKey`), or `clientId`/`clientSecret`.
    /// A trailing newline, as `kubectl create secret --from-file` leaves it, is not part of a value.
    ///
    /// # Errors
    /// When a key is missing or unusable, or both kinds are there.
    pub fn from_secret_data(data: &BTreeMap<String, Vec<u8>>) -> Result<Arc<Self>, InvalidCredential> {
        let key = Pair::find(data, [(PUBLIC, PRIVATE), ("publicApiKey", "privateApiKey")])?;
        let account = Pair::find(data, [(CLIENT_ID, CLIENT_SECRET)])?;
        match (key, account) {
            (Some(_), Some(_)) => Err(InvalidCredential::Both),
            (None, None) => Err(InvalidCredential::Neither),
            (Some(pair), None) => Ok(Arc::new(Self {
                id: CredentialId::of("key", &pair),
                kind: CredentialKind::ApiKey { public: pair.id, private: pair.secret.into() },
            })),
            (None, Some(pair)) => Ok(Arc::new(Self {
                id: CredentialId::of("account", &pair),
                kind: CredentialKind::ServiceAccount { client_id: pair.id, client_secret: pair.secret.into() },
            })),
        }
    }

    pub fn id(&self) -> CredentialId {
        self.id
    }

    pub fn kind(&self) -> &CredentialKind {
        &self.kind
    }

    /// The part that must never be shown.
    pub(super) fn secret(&self) -> &SecretString {
        match &self.kind {
            CredentialKind::ApiKey { private, .. } => private,
            CredentialKind::ServiceAccount { client_secret, .. } => client_secret,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            CredentialKind::ApiKey { .. } => "Credential(API key)",
            CredentialKind::ServiceAccount { .. } => "Credential(service account)",
        })
    }
}

const PUBLIC: &str = "publicKey";
const PRIVATE: &str = "privateKey";
const CLIENT_ID: &str = "clientId";
const CLIENT_SECRET: &str = "clientSecret";

/// An identifier and its secret, as a Secret holds them.
struct Pair {
    id: String,
    secret: String,
}

impl Pair {
    /// The first pair of keys of which both are there; an error when only one half of a pair is.
    fn find<const N: usize>(
        data: &BTreeMap<String, Vec<u8>>,
        names: [(&'static str, &'static str); N],
    ) -> Result<Option<Self>, InvalidCredential> {
        let mut half = None;
        for (id, secret) in names {
            match (data.get(id), data.get(secret)) {
                (Some(id_value), Some(secret_value)) => {
                    return Ok(Some(Self { id: name(id, id_value)?, secret: text(secret, secret_value)? }));
                }
                (Some(_), None) => half = half.or(Some((id, secret))),
                (None, Some(_)) => half = half.or(Some((secret, id))),
                (None, None) => {}
            }
        }
        match half {
            Some((present, missing)) => Err(InvalidCredential::Half { present, missing }),
            None => Ok(None),
        }
    }
}

/// A value without the line break that files end with. ASCII only, for it enters HTTP headers and hashes.
fn text(name: &'static str, value: &[u8]) -> Result<String, InvalidCredential> {
    let malformed = || InvalidCredential::Malformed(name);
    let value = std::str::from_utf8(value).map_err(|_| malformed())?.trim_end_matches(['\r', '\n']);
    let usable = !value.is_empty() && value.len() <= MAX_LENGTH && value.bytes().all(|b| b.is_ascii_graphic());
    usable.then(|| value.to_owned()).ok_or_else(malformed)
}

/// The half that is sent in the clear: quotes would end it early in a digest header, a colon in a Basic one.
fn name(key: &'static str, value: &[u8]) -> Result<String, InvalidCredential> {
    let name = text(key, value)?;
    if name.contains(['"', '\\', ':']) { Err(InvalidCredential::Malformed(key)) } else { Ok(name) }
}

/// Ten times what Atlas issues.
const MAX_LENGTH: usize = 512;

impl CredentialId {
    fn of(kind: &str, pair: &Pair) -> Self {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        Self(KEY.get_or_init(RandomState::new).hash_one((kind, &pair.id, &pair.secret)))
    }
}

/// What no text that others wrote may repeat: a secret, and the `Authorization` that was sent, which carries an access
/// token, or a client's secret as base64.
#[derive(Clone, Copy)]
pub(super) struct Hidden<'a> {
    pub(super) secret: &'a SecretString,
    pub(super) sent: Option<&'a HeaderValue>,
}

impl Hidden<'_> {
    pub(super) fn scrub(&self, text: &str) -> String {
        let sent = self.sent.and_then(|sent| sent.to_str().ok()).and_then(|sent| sent.split_once(' '));
        // First what was made of the secret: that may have the secret in it.
        let text = match sent {
            Some((_scheme, proof)) => text.replace(proof, "…"),
            None => text.to_owned(),
        };
        text.replace(self.secret.expose_secret(), "…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Arc<Credential>, InvalidCredential> {
        Credential::from_secret_data(&data(pairs))
    }

    #[test]
    fn both_kinds_and_the_aliases_are_read_without_a_trailing_newline() {
        for names in [("publicKey", "privateKey"), ("publicApiKey", "privateApiKey")] {
            let credential = read(&[(names.0, "pub\n"), (names.1, "hunter2\r\n"), ("orgId", "x")]).unwrap();
            let CredentialKind::ApiKey { public, private } = credential.kind() else { panic!("not an API key") };
            assert_eq!((public.as_str(), private.expose_secret()), ("pub", "hunter2"));
        }
        let credential = read(&[("clientId", "mdb_sa_id_1"), ("clientSecret", "mdb_sa_sk_1")]).unwrap();
        assert!(matches!(credential.kind(), CredentialKind::ServiceAccount { .. }));
    }

    #[test]
    fn what_is_wrong_is_told_by_key_and_never_by_value() {
        let cases: [(&[(&str, &str)], InvalidCredential); 7] = [
            (&[], InvalidCredential::Neither),
            (&[("publicKey", "hunter2")], InvalidCredential::Half { present: "publicKey", missing: "privateKey" }),
            (
                &[("privateApiKey", "hunter2")],
                InvalidCredential::Half { present: "privateApiKey", missing: "publicApiKey" },
            ),
            (&[("clientSecret", "hunter2")], InvalidCredential::Half { present: "clientSecret", missing: "clientId" }),
            (
                &[("publicKey", "a"), ("privateKey", "hunter2"), ("clientId", "c"), ("clientSecret", "hunter2")],
                InvalidCredential::Both,
            ),
            (&[("publicKey", ""), ("privateKey", "hunter2")], InvalidCredential::Malformed("publicKey")),
            (&[("publicKey", "a"), ("privateKey", "hunter2\nx")], InvalidCredential::Malformed("privateKey")),
        ];
        for (pairs, expected) in cases {
            let error = read(pairs).unwrap_err();
            assert_eq!(error, expected);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn debug_shows_the_kind_only() {
        let credential = read(&[("publicKey", "someone"), ("privateKey", "hunter2")]).unwrap();
        assert_eq!(format!("{credential:?}"), "Credential(API key)");
        assert!(!format!("{:?}", credential.kind()).contains("hunter2"));
    }

    #[test]
    fn ids_tell_contents_apart() {
        let id = |public, private| read(&[("publicKey", public), ("privateKey", private)]).unwrap().id();
        assert_eq!(id("a", "b"), id("a", "b\n"));
        assert_ne!(id("a", "b"), id("a", "c"));
        assert_ne!(id("ab", "c"), id("a", "bc"));
        assert_ne!(id("a", "b"), read(&[("clientId", "a"), ("clientSecret", "b")]).unwrap().id());
    }
}
