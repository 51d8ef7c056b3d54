//! The custom resources: types and their schema, no I/O.
//!
//! No field of `spec` has a default and the operator never writes `spec`: GitOps tools would see drift. An absent
//! field means what its doc comment says.

mod condition;
pub mod crds;
mod endpoint;
mod link;

pub use condition::{Reason, Standing, Verdict};
pub use endpoint::{
    AtlasInterfaceEndpoint, AtlasInterfaceEndpointSpec, AtlasInterfaceEndpointStatus, ConfigMapKeyReference,
    InterfaceEndpointIdSource, Retiring,
};
pub use link::{AdoptionPolicy, AtlasPrivateLink, AtlasPrivateLinkSpec, AtlasPrivateLinkStatus};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The API group of both kinds.
pub const GROUP: &str = "atlas.privatelink.dev";
/// Keeps an object until what it made in Atlas is dealt with.
pub const FINALIZER: &str = "atlas.privatelink.dev/finalizer";
/// The record of the last write to Atlas, made before that write (design.md, safety rule 1).
pub const ATTEMPT_ANNOTATION: &str = "atlas.privatelink.dev/attempt";
/// A new value reconciles at once and resets `status.attempts`; it is answered in `status.lastHandledReconcileAt`.
pub const RECONCILE_ANNOTATION: &str = "atlas.privatelink.dev/reconcile-requested-at";

/// What a text of a status has at most, in characters. The schema refuses a longer one, and with it the whole status.
pub const LONGEST_STATUS_TEXT: usize = 1024;

/// A reference to an object of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct LocalReference {
    /// Name of the object, in the namespace of the resource that refers to it.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// Whether an object can have this name. A name stands in a path of the Kubernetes API, and kube takes any: `../x` or
/// `x?y` would lead to another object. The schema says the same; whoever has loosened it there, has not here.
pub fn is_object_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253 && text.bytes().all(inner) && text.starts_with(outer) && text.ends_with(outer)
}

/// What happens in Atlas when this resource is deleted: Delete (even what it adopted) or Retain. When absent, the operator
/// decides by its flag --default-deletion-policy: normally it deletes what this resource created and keeps what it adopted.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// It is deleted in Atlas too, even if it was adopted.
    Delete,
    /// It is kept in Atlas.
    Retain,
}

/// How the object in Atlas came to belong to this resource.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This resource created it, or was handed it by the one that did.
    Created,
    /// It was there before, or belongs to another resource that shares it.
    Adopted,
}

/// The part of a status that both kinds have.
pub trait CommonStatus: Default + Clone + PartialEq {
    fn observed_generation(&self) -> Option<i64>;
    fn set_observed_generation(&mut self, generation: Option<i64>);
    fn conditions(&self) -> &[Condition];
    fn set_conditions(&mut self, conditions: Vec<Condition>);
    fn attempts(&self) -> u32;
    fn set_attempts(&mut self, attempts: Option<u32>);
    fn last_handled_reconcile_at(&self) -> Option<&str>;
    fn set_last_handled_reconcile_at(&mut self, value: Option<String>);
    fn observed_uid(&self) -> Option<&str>;
    fn set_observed_uid(&mut self, uid: &str);
    /// Claims nothing as created any more.
    fn disown(&mut self);

    /// Whether it was written for another object than the one with this uid, and is a copy on that one, restored from a
    /// backup say.
    fn is_copied(&self, uid: &str) -> bool {
        self.observed_uid().is_some_and(|observed| observed != uid)
    }

    /// The origin that it may claim for the object with this uid: one that it is a copy on has created nothing.
    fn claimed(&self, uid: &str, origin: Origin) -> Origin {
        if self.is_copied(uid) { Origin::Adopted } else { origin }
    }

    /// The same as the status of the object with this uid.
    fn of_object(&self, uid: &str) -> Self {
        let mut own = self.clone();
        if own.is_copied(uid) {
            own.disown();
        }
        own.set_observed_uid(uid);
        own
    }
}

macro_rules! common_status {
    ($status:ty) => {
        impl crate::api::CommonStatus for $status {
            fn observed_generation(&self) -> Option<i64> {
                self.observed_generation
            }
            fn set_observed_generation(&mut self, generation: Option<i64>) {
                self.observed_generation = generation;
            }
            fn conditions(&self) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
                &self.conditions
            }
            fn set_conditions(&mut self, conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>) {
                self.conditions = conditions;
            }
            fn attempts(&self) -> u32 {
                self.attempts.unwrap_or_default()
            }
            fn set_attempts(&mut self, attempts: Option<u32>) {
                self.attempts = attempts.filter(|&attempts| attempts > 0);
            }
            fn last_handled_reconcile_at(&self) -> Option<&str> {
                self.last_handled_reconcile_at.as_deref()
            }
            fn set_last_handled_reconcile_at(&mut self, value: Option<String>) {
                self.last_handled_reconcile_at = value;
            }
            fn observed_uid(&self) -> Option<&str> {
                self.observed_uid.as_deref()
            }
            fn set_observed_uid(&mut self, uid: &str) {
                self.observed_uid = Some(uid.to_owned());
            }
            fn disown(&mut self) {
                self.origins_mut().for_each(|origin| *origin = crate::api::Origin::Adopted);
            }
        }
    };
}
use common_status;
