//! Manifests that are renamed, or moved to another namespace, while an endpoint is attached (design.md, safety rule 7):
//! what stands in Atlas stays, and the new object owns it.

use super::{alone::eventually, looks::*, world::*};
use std::time::Duration;

/// Where an object is found: plural, namespace and name.
pub type Place = (&'static str, &'static str, &'static str);

/// What becomes of the manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Link and endpoint get new names.
    Rename,
    /// The endpoint alone gets a new name.
    RenameEndpoint,
    /// Both go to another namespace, with a copy of the Secret.
    Namespace,
}

impl Move {
    /// The new manifests.
    pub fn apply(self, world: &World) {
        match self {
            Self::Rename => {
                world.apply(link("orders-new"));
                world.apply(endpoint("orders-b", "orders-new", VPCE));
            }
            Self::RenameEndpoint => world.apply(endpoint("orders-b", "orders", VPCE)),
            Self::Namespace => {
                world.secret(ELSEWHERE, "atlas-credentials", &KEY);
                world.apply(within(ELSEWHERE, link("orders")));
                world.apply(within(ELSEWHERE, endpoint("orders-a", "orders", VPCE)));
            }
        }
    }

    pub fn old(self) -> Vec<Place> {
        match self {
            Self::Rename | Self::Namespace => {
                vec![(LINKS, NAMESPACE, "orders"), (ENDPOINTS, NAMESPACE, "orders-a")]
            }
            Self::RenameEndpoint => vec![(ENDPOINTS, NAMESPACE, "orders-a")],
        }
    }

    pub fn successors(self) -> Vec<Place> {
        match self {
            Self::Rename => vec![(LINKS, NAMESPACE, "orders-new"), (ENDPOINTS, NAMESPACE, "orders-b")],
            Self::RenameEndpoint => vec![(LINKS, NAMESPACE, "orders"), (ENDPOINTS, NAMESPACE, "orders-b")],
            Self::Namespace => vec![(LINKS, ELSEWHERE, "orders"), (ENDPOINTS, ELSEWHERE, "orders-a")],
        }
    }

    /// The old objects are gone, and the new ones own what stands.
    pub fn is_done(self, world: &World) -> bool {
        !self.old().iter().any(|place| is_there(world, *place))
            && self.successors().iter().all(|place| owns(world, *place))
    }
}

/// When the old objects are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The new ones are Ready.
    Ready,
    /// The new ones have just been applied.
    Soon,
}

/// Which of the old objects is deleted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Link,
    Endpoint,
}

/// A hand-over, from the first manifest to the last deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver {
    pub change: Move,
    pub when: When,
    pub first: First,
}

impl HandOver {
    /// All there are: of one object there is no order.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for change in [Move::Rename, Move::RenameEndpoint, Move::Namespace] {
            for when in [When::Ready, When::Soon] {
                for first in [First::Link, First::Endpoint] {
                    all.push(Self { change, when, first });
                }
            }
        }
        all.retain(|one| one.change.old().len() > 1 || one.first == First::Link);
        all
    }

    /// Applies the new manifests, and deletes the old ones.
    pub async fn happens(self, world: &World, patience: Duration) {
        self.change.apply(world);
        match self.when {
            When::Soon => world.pass(Duration::from_millis(50)).await,
            When::Ready => eventually(world, patience, "the new ones Ready", |world| self.are_ready(world)).await,
        }
        let mut old = self.change.old();
        if self.first == First::Endpoint {
            old.reverse();
        }
        for (plural, namespace, name) in old {
            world.kube.delete(plural, namespace, name).unwrap();
        }
    }

    /// Whether all new objects are Ready.
    fn are_ready(self, world: &World) -> bool {
        let ready = |(plural, namespace, name): &Place| {
            object(world, plural, namespace, name)["status"]["conditions"][0]["status"] == "True"
        };
        self.change.successors().iter().all(ready)
    }
}

pub fn is_there(world: &World, (plural, namespace, name): Place) -> bool {
    world.kube.get(plural, namespace, name).is_some()
}

pub fn owns(world: &World, (plural, namespace, name): Place) -> bool {
    ready_as(world, plural, namespace, name, "Created")
}
