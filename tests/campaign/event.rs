//! What people do to the objects, and others to what the objects stand for: the events of the plans about states.

use crate::{
    harness::{
        alone::eventually,
        hands::NEW,
        life::{BOTH, PATIENCE},
        looks::writes_to_atlas,
        world::*,
    },
    states::{make_vpc_endpoint, patch_both, remove_endpoint, remove_services, request, set_id},
};
use atlas_privatelink_operator::testbed::simulator::Change;
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Another endpoint than any that the states know.
const OTHER: &str = "vpce-0abcdef0123456789";
/// Contains the old one, which no object may show.
const ROTATED: &str = "canary-private-key-0123456789-rotated";

const ENDPOINT: (&str, &str) = BOTH[0];
const LINK: (&str, &str) = BOTH[1];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// That of the life that others are compared with.
    Nothing,
    Edited,
    Deleted,
    /// The endpoint twenty minutes later.
    LinkDeletedFirst,
    /// The link twenty minutes later.
    EndpointDeletedFirst,
    Recreated,
    /// The endpoint alone.
    EndpointRecreated,
    /// For five minutes.
    SecretGone,
    /// Together with both objects, as when a namespace goes.
    SecretGoneForGood,
    /// With all that is in it: nothing new can be made there, no event either.
    NamespaceDeleted,
    /// The old key is refused for twenty minutes before the Secret has the new one.
    SecretRotatedLate,
    /// The Secret has the new key when the old one ends.
    SecretRotated,
    FinalizersStripped,
    ReconcileRequested,
    /// For twenty minutes, as is the next.
    Suspended,
    /// The policy is Retain.
    Retained,
    /// The link's policy is, for twenty minutes, as is the next.
    AdoptOnly,
    CreateOnly,
    /// The link names another Secret, with the same in it, for twenty minutes.
    CredentialsMoved,
    /// The endpoint is to have another id.
    IdEdited,
    /// In Atlas, behind the operator's back.
    EndpointLost,
    /// With its endpoint.
    ServiceLost,
}

pub const EVENTS: [Event; 21] = [
    Event::Edited,
    Event::Deleted,
    Event::LinkDeletedFirst,
    Event::EndpointDeletedFirst,
    Event::Recreated,
    Event::EndpointRecreated,
    Event::SecretGone,
    Event::SecretGoneForGood,
    Event::NamespaceDeleted,
    Event::SecretRotatedLate,
    Event::SecretRotated,
    Event::FinalizersStripped,
    Event::ReconcileRequested,
    Event::Suspended,
    Event::Retained,
    Event::AdoptOnly,
    Event::CreateOnly,
    Event::CredentialsMoved,
    Event::IdEdited,
    Event::EndpointLost,
    Event::ServiceLost,
];

impl Event {
    /// Whether what is on its way out goes at once, whatever is left in Atlas.
    pub fn lets_go(self) -> bool {
        [Self::FinalizersStripped, Self::Retained, Self::AdoptOnly].contains(&self)
    }

    /// Whether both are on their way out after it.
    pub fn deletes(self) -> bool {
        matches!(
            self,
            Self::Deleted
                | Self::LinkDeletedFirst
                | Self::EndpointDeletedFirst
                | Self::SecretGoneForGood
                | Self::NamespaceDeleted
        )
    }

    /// How many endpoints it makes the operator attach beyond those of a life without it.
    pub fn attaches(self) -> usize {
        match self {
            // Another one, and the first one again.
            Self::IdEdited => 2,
            Self::EndpointLost | Self::ServiceLost | Self::Recreated | Self::EndpointRecreated => 1,
            Self::Nothing
            | Self::Edited
            | Self::Deleted
            | Self::LinkDeletedFirst
            | Self::EndpointDeletedFirst
            | Self::SecretGone
            | Self::SecretGoneForGood
            | Self::NamespaceDeleted
            | Self::SecretRotatedLate
            | Self::SecretRotated
            | Self::FinalizersStripped
            | Self::ReconcileRequested
            | Self::Suspended
            | Self::Retained
            | Self::AdoptOnly
            | Self::CreateOnly
            | Self::CredentialsMoved => 0,
        }
    }

    /// Whether it leaves what is to be made and unmade in Atlas as it is.
    pub fn is_harmless(self) -> bool {
        match self {
            Self::Nothing
            | Self::Edited
            | Self::SecretGone
            | Self::SecretRotatedLate
            | Self::SecretRotated
            | Self::FinalizersStripped
            | Self::ReconcileRequested
            | Self::Suspended
            | Self::Retained
            | Self::AdoptOnly
            | Self::CreateOnly
            | Self::CredentialsMoved => true,
            Self::Deleted
            | Self::LinkDeletedFirst
            | Self::EndpointDeletedFirst
            | Self::Recreated
            | Self::EndpointRecreated
            | Self::SecretGoneForGood
            | Self::NamespaceDeleted
            | Self::IdEdited
            | Self::EndpointLost
            | Self::ServiceLost => false,
        }
    }
}

pub fn rotate(world: &World) {
    rotate_to(world, ROTATED);
}

/// Atlas has another private key from now on.
pub fn rotate_to(world: &World, secret: &str) {
    world.change(Change::Rotate { name: PUBLIC.to_owned(), secret: secret.to_owned().into() });
}

pub fn new_secret(world: &World) {
    world.secret(NAMESPACE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", ROTATED)]);
}

pub fn lose_secret(world: &World) {
    // Where there is none, it cannot be lost.
    drop(world.kube.delete("secrets", NAMESPACE, "atlas-credentials"));
}

/// What is the same in every state.
pub async fn happens_everywhere(world: &World, event: Event) {
    match event {
        Event::Nothing => {}
        Event::Edited => patch_both(world, &json!({"spec": {"suspend": false}})),
        Event::Deleted => delete_what_is_there(world),
        Event::LinkDeletedFirst => are_deleted_in_turn(world, [LINK, ENDPOINT]).await,
        Event::EndpointDeletedFirst => are_deleted_in_turn(world, [ENDPOINT, LINK]).await,
        Event::Recreated | Event::EndpointRecreated => panic!("each state has its own manifests"),
        Event::SecretGone => lose_secret(world),
        Event::SecretGoneForGood => {
            lose_secret(world);
            delete_what_is_there(world);
        }
        Event::NamespaceDeleted => delete_the_namespace(world),
        Event::SecretRotatedLate => {
            rotate(world);
            world.pass(20 * MINUTE).await;
            new_secret(world);
            eventually(world, 75 * Duration::from_secs(1), "the new key noticed", |world| !is_refused(world)).await;
        }
        Event::SecretRotated => {
            rotate(world);
            new_secret(world);
        }
        Event::FinalizersStripped => {
            patch_both(world, &json!({"metadata": {"finalizers": []}}));
            let bare = |(plural, name): &(&str, &str)| {
                let object = world.kube.get(plural, NAMESPACE, name);
                object.is_none_or(|object| object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty))
            };
            assert!(BOTH.iter().all(bare), "the finalizers are still there");
        }
        Event::ReconcileRequested => request(world),
        Event::Suspended => is_suspended(world).await,
        Event::Retained => {
            patch_both(world, &json!({"spec": {"deletionPolicy": "Retain"}}));
            world.pass(20 * MINUTE).await;
            patch_both(world, &json!({"spec": {"deletionPolicy": null}}));
        }
        Event::AdoptOnly => has_policy(world, "AdoptOnly").await,
        Event::CreateOnly => has_policy(world, "CreateOnly").await,
        Event::CredentialsMoved => {
            let Some(secret) = world.kube.get("secrets", NAMESPACE, "atlas-credentials") else { return };
            let meta = json!({"name": "moved", "namespace": NAMESPACE});
            world.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": secret["data"]}));
            patch_link(world, &json!({"spec": {"credentialsRef": {"name": "moved"}}}));
            world.pass(20 * MINUTE).await;
            patch_link(world, &json!({"spec": {"credentialsRef": {"name": "atlas-credentials"}}}));
        }
        Event::IdEdited => {
            // One that is read from elsewhere is nobody's to edit.
            let endpoint = world.kube.get(ENDPOINTS, NAMESPACE, "orders-a").unwrap_or_default();
            let Some(id) = endpoint["spec"]["interfaceEndpointId"].as_str() else { return };
            set_id(world, OTHER);
            world.pass(20 * MINUTE).await;
            set_id(world, id);
        }
        Event::EndpointLost => [VPCE, NEW].iter().for_each(|endpoint| remove_endpoint(world, endpoint)),
        Event::ServiceLost => remove_services(world),
    }
}

/// For twenty minutes. What was being asked for has come to its end after one.
async fn is_suspended(world: &World) {
    patch_both(world, &json!({"spec": {"suspend": true}}));
    world.pass(MINUTE).await;
    let writes = writes_to_atlas(world);
    world.pass(20 * MINUTE).await;
    assert_eq!(writes_to_atlas(world), writes, "writes to Atlas for suspended objects");
    patch_both(world, &json!({"spec": {"suspend": null}}));
}

/// Unless it has one already, and for twenty minutes.
async fn has_policy(world: &World, policy: &str) {
    let link = world.kube.get(LINKS, NAMESPACE, "orders").unwrap_or_default();
    if link["spec"]["adoptionPolicy"].is_null() {
        patch_link(world, &json!({"spec": {"adoptionPolicy": policy}}));
        world.pass(20 * MINUTE).await;
        patch_link(world, &json!({"spec": {"adoptionPolicy": null}}));
    }
}

fn patch_link(world: &World, patch: &Value) {
    // In some states there is none.
    drop(world.kube.patch(LINKS, NAMESPACE, "orders", patch.clone()));
}

async fn are_deleted_in_turn(world: &World, objects: [(&str, &str); 2]) {
    for object in objects {
        delete(world, object);
        world.pass(20 * MINUTE).await;
    }
}

/// With all that is in it.
pub fn delete_the_namespace(world: &World) {
    world.kube.delete_namespace(NAMESPACE).unwrap().delete_rest().unwrap();
}

pub fn delete_what_is_there(world: &World) {
    BOTH.into_iter().for_each(|object| delete(world, object));
}

fn delete(world: &World, (plural, name): (&str, &str)) {
    // It may be gone already.
    drop(world.kube.delete(plural, NAMESPACE, name));
}

fn is_refused(world: &World) -> bool {
    let objects = [LINKS, ENDPOINTS].into_iter().flat_map(|plural| world.kube.list(plural));
    objects.into_iter().any(|object| object["status"]["conditions"][0]["reason"] == "CredentialsRefused")
}

pub async fn replace_endpoint(world: &World) {
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(world, PATIENCE, "the old one gone", |world| world.kube.list(ENDPOINTS).is_empty()).await;
    world.apply(endpoint("orders-a", "orders", VPCE));
}

/// The endpoint, where there is one that is to stay, is deleted, and made again as in that manifest once it is gone;
/// `lets_go` does what a deletion calls for.
pub async fn recreate_endpoint(world: &World, manifest: Value, lets_go: impl FnOnce(&World)) {
    let is_there = |world: &World| world.kube.get(ENDPOINTS, NAMESPACE, "orders-a");
    if is_there(world).is_none_or(|endpoint| !endpoint["metadata"]["deletionTimestamp"].is_null()) {
        return;
    }
    delete(world, ENDPOINT);
    lets_go(world);
    eventually(world, PATIENCE, "the endpoint gone", |world| is_there(world).is_none()).await;
    make_vpc_endpoint(world);
    world.apply(manifest);
}
