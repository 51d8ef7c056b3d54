//! Reads Secrets: by GET, when they are used, in the namespace of the object that refers to them. Never listed, never
//! watched, and kept for at most a minute.

use crate::{
    api::is_object_name,
    atlas::credential::{Credential, InvalidCredential},
    controller::patience::in_time,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// How long a credential is used without looking at its Secret again.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("the Secret does not exist")]
    Missing,
    #[error(transparent)]
    Invalid(#[from] InvalidCredential),
    #[error("the Secret cannot be read")]
    Unreadable(#[source] Box<kube::Error>),
}

/// Namespace and name of a Secret.
type Name = (String, String);
/// What a Secret held, and when it was read.
type Held = tokio::sync::Mutex<Option<(Instant, Arc<Credential>)>>;
type Slot = Arc<Held>;

/// The credentials in use.
#[derive(Clone)]
pub struct Credentials {
    client: Client,
    known: Arc<Mutex<HashMap<Name, Slot>>>,
}

impl Credentials {
    pub fn new(client: Client) -> Self {
        Self { client, known: Arc::default() }
    }

    /// The credential of a Secret, at most [`LIFETIME`] old.
    ///
    /// # Errors
    /// When the Secret is missing, unusable or cannot be read.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Arc<Credential>, Problem> {
        let slot = self.slot(namespace, name);
        let mut known = slot.lock().await;
        if let Some((read_at, credential)) = known.as_ref()
            && read_at.elapsed() < LIFETIME
        {
            return Ok(credential.clone());
        }
        *known = None;
        let read_at = Instant::now();
        let credential = self.read(namespace, name).await?;
        *known = Some((read_at, credential.clone()));
        tokio::spawn(forget(Arc::downgrade(&slot), read_at));
        Ok(credential)
    }

    /// Reads the Secret anew if it was last read before `refused_at`: a rotated key takes effect at once, and a refusal
    /// that is remembered costs one more read of its Secret, not one for every object that hears of it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn after_refusal(
        &self,
        refused_at: Instant,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Credential>, Problem> {
        let slot = self.slot(namespace, name);
        {
            let mut known = slot.lock().await;
            if known.as_ref().is_some_and(|(read_at, _)| *read_at < refused_at) {
                *known = None;
            }
        }
        self.get(namespace, name).await
    }

    async fn read(&self, namespace: &str, name: &str) -> Result<Arc<Credential>, Problem> {
        if !is_object_name(name) {
            return Err(Problem::Missing);
        }
        let secrets = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let secret = in_time(secrets.get_opt(name)).await;
        let secret = secret.map_err(|error| Problem::Unreadable(Box::new(error)))?.ok_or(Problem::Missing)?;
        let data = secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
        Ok(Credential::from_secret_data(&data)?)
    }

    /// Where a Secret's credential is kept.
    fn slot(&self, namespace: &str, name: &str) -> Slot {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Secrets that nobody asks for any more.
        known.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|known| known.is_some()));
        known.entry((namespace.to_owned(), name.to_owned())).or_default().clone()
    }
}

/// Drops what was read then once its time is over, though nobody asks again.
async fn forget(slot: Weak<Held>, read_at: Instant) {
    tokio::time::sleep_until(read_at + LIFETIME).await;
    if let Some(slot) = slot.upgrade() {
        slot.lock().await.take_if(|(known, _)| *known == read_at);
    }
}

#[cfg(all(test, feature = "testbed"))]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        testbed::kubernetes::{ApiServer, Options},
    };
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_dropped_after_a_minute_though_nobody_asks_again() {
        let kube = ApiServer::with(Options::new(Clock::system()));
        kube.create_namespace("payments").unwrap();
        kube.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "payments", "name": "key"},
            "data": {"publicKey": "cHVibGlj", "privateKey": "cHJpdmF0ZQ=="},
        }))
        .unwrap();
        let credentials = Credentials::new(kube.client_as("operator"));
        let first = credentials.get("payments", "key").await.unwrap();
        tokio::time::sleep(LIFETIME / 2).await;
        let again = credentials.get("payments", "key").await.unwrap();
        assert!(Arc::ptr_eq(&first, &again), "it is kept while it is used");
        let held = Arc::downgrade(&first);
        drop((first, again));
        assert!(held.upgrade().is_some());
        tokio::time::sleep(LIFETIME).await;
        assert!(held.upgrade().is_none(), "it is still in memory");
    }
}
