//! How a life went, for those that were disturbed to be compared with one that was not: how the objects looked in its
//! middle, and what it came to in Atlas (the "create/delete summary" of Sieve, OSDI'22).

use super::world::World;
use atlas_privatelink_operator::testbed::simulator::Effect;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How often each service and endpoint was made, and unmade.
pub type Deeds = BTreeMap<String, usize>;

/// A life from its first request to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    pub middle: Value,
    pub deeds: Deeds,
}

impl Course {
    /// That of a life which looked like this in its middle, and is over now.
    pub fn of(middle: Value, world: &World) -> Self {
        world.middles.lock().unwrap().push(middle.clone());
        Self { middle, deeds: deeds(world) }
    }
}

/// What was asked of Atlas, and done. Who asks again for the end of what is on its way out unmakes nothing more.
pub fn deeds(world: &World) -> Deeds {
    let ledger = world.ledger();
    let (mut regions, mut lives) = (BTreeMap::new(), BTreeMap::<_, usize>::new());
    let (mut unmade, mut deeds) = (BTreeSet::new(), Deeds::new());
    for entry in ledger.iter() {
        let asked = entry.request().is_some();
        let deed = match &entry.effect {
            Effect::ServiceCreated { service, region, .. } => {
                regions.insert(service, region);
                asked.then(|| format!("make the service of {region}"))
            }
            Effect::ServiceDeleteRequested { service, .. } => {
                let first = unmade.insert((service, "", 0));
                (asked && first).then(|| format!("unmake the service of {}", regions[service]))
            }
            Effect::EndpointAdded { service, endpoint, .. } => {
                *lives.entry((service, endpoint)).or_default() += 1;
                asked.then(|| format!("attach {endpoint}"))
            }
            Effect::EndpointDeleteRequested { service, endpoint, .. } => {
                let life = lives.get(&(service, endpoint)).copied().unwrap_or_default();
                let first = unmade.insert((service, endpoint.as_str(), life));
                (asked && first).then(|| format!("detach {endpoint}"))
            }
            Effect::None
            | Effect::ServiceChanged { .. }
            | Effect::ServiceGone { .. }
            | Effect::EndpointChanged { .. }
            | Effect::EndpointGone { .. }
            | Effect::ProjectDeleted { .. }
            | Effect::ProjectRestored { .. }
            | Effect::CredentialChanged { .. }
            | Effect::TokenIssued { .. }
            | Effect::TokensRevoked => None,
        };
        if let Some(deed) = deed {
            *deeds.entry(deed).or_default() += 1;
        }
    }
    deeds
}

/// Everything was made and unmade as often as in that life.
pub fn same_deeds(world: &World, undisturbed: &Course) {
    assert_eq!(deeds(world), undisturbed.deeds, "what was made and unmade in Atlas");
}
