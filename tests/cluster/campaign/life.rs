//! The life of a link and an endpoint in a project where somebody else has a service too, and what must hold of it.

use super::{
    plan::Plan,
    points::{NOW_AND_THEN, POINTS, Write},
};
use crate::{cluster::world::*, harness::way::Way};
use atlas_privatelink_operator::{
    reconcile::attempt::HOLD,
    testbed::simulator::{Cause, Change, Effect, Provider},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Many lives at a time wait for two cores: nobody looks more often than is needed.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until `condition` holds; a failure shows everything.
pub async fn until(world: &World, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}\n{}", world.picture().await);
        tokio::time::sleep(PAUSE).await;
    }
}

/// A world with credentials, and somebody else's service in another region.
pub async fn begin(plane: Plane, way: Way) -> World {
    let world = World::new(Nature { plane, dialect: way.version(), ..Nature::default() }).await;
    let (project, region) = (PROJECT.to_owned(), "EU_WEST_1".to_owned());
    let theirs = Change::CreateService {
        project: project.clone(),
        provider: Provider::Aws,
        region,
        port_mapped: false,
        ready: true,
    };
    let service = world.change(theirs).expect("an id");
    world.change(Change::AddEndpoint { project, service, endpoint: vpce(9), ready: true });
    world.apply(&secret(&way.credential())).await;
    world
}

pub async fn make(world: &World) {
    // In this order the endpoint always has to wait for its link.
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    world.apply(&link("orders")).await;
}

pub async fn unmake(world: &World) {
    world.delete(ENDPOINTS, "orders-a").await;
    world.delete(LINKS, "orders").await;
}

async fn both(world: &World) -> [Option<Value>; 2] {
    [world.get(LINKS, "orders").await, world.get(ENDPOINTS, "orders-a").await]
}

pub async fn until_ready(world: &World) {
    until(world, "both are Ready", async || {
        both(world).await.iter().flatten().filter(|one| is_ready(one)).count() == 2
    })
    .await;
}

/// What was made was made once, and is known to be ours.
async fn made_once(world: &World) {
    for object in both(world).await.into_iter().flatten() {
        assert_eq!(object["status"]["origin"], "Created", "{object:#}");
    }
    says_what_is_there(world).await;
    let ledger = world.ledger();
    assert_eq!(ledger.creates().into_values().collect::<Vec<_>>(), [1]);
    assert_eq!(ledger.endpoint_adds(), [VPCE]);
    assert!(ledger.service_deletes().is_empty() && ledger.endpoint_deletes().is_empty(), "something was deleted");
}

/// No status lies: both are Ready for what they ask now, and name what Atlas has. What the link tells of its endpoints
/// follows at its next look.
async fn says_what_is_there(world: &World) {
    let services = world.services();
    let ours = services.iter().find(|service| service["region"] == "US_EAST_1").expect("our service");
    let [Some(link), Some(endpoint)] = both(world).await else { panic!("both are there") };
    for object in [&link, &endpoint] {
        assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"], "{object:#}");
        assert_eq!(object["status"]["observedUid"], object["metadata"]["uid"], "{object:#}");
        assert_eq!(object["status"]["privateLinkId"], ours["id"], "{object:#}");
    }
    let attached = &ours["endpoints"][0];
    assert_eq!(endpoint["status"]["interfaceEndpointId"], attached["id"], "{endpoint:#}");
    assert_eq!(
        (&endpoint["status"]["connectionStatus"], &attached["state"]),
        (&json!("AVAILABLE"), &json!("AVAILABLE"))
    );
}

/// The rest of a life after a plan has struck: both Ready, if nobody has deleted them, and both gone. Nobody sits out the
/// time for which a request may still be on its way, but where one may be.
pub async fn goes_on(world: &World, plan: &Plan, struck: Instant) {
    if plan.is_made() {
        until_ready(world).await;
        made_once(world).await;
        world.shows_no_secret().await;
        unmake(world).await;
    }
    ends(world).await;
    let took = struck.elapsed();
    assert!(plan.takes_long() || took < HOLD, "it took {} s, though there was nothing to wait for", took.as_secs());
}

/// Both go, and take with them what they had made, and nothing else.
pub async fn ends(world: &World) {
    until(world, "both are gone", async || both(world).await.iter().all(Option::is_none)).await;
    only_theirs_is_left(world);
    only_ours_was_deleted(world);
    let ledger = world.ledger();
    assert!(ledger.creates().into_values().sum::<usize>() <= 1, "a service was made twice: {:?}", ledger.creates());
    assert!(ledger.endpoint_adds().len() <= 1, "an endpoint was attached twice: {:?}", ledger.endpoint_adds());
    world.always().await;
}

fn only_theirs_is_left(world: &World) {
    let left = world.services();
    let shown: Vec<Value> = left.iter().map(|one| json!([one["region"], one["endpoints"][0]["id"]])).collect();
    assert_eq!(shown, [json!(["EU_WEST_1", vpce(9)])], "left in Atlas: {left:#?}");
}

fn only_ours_was_deleted(world: &World) {
    let ledger = world.ledger();
    let mut ours = BTreeSet::new();
    for entry in ledger.iter().filter(|entry| matches!(entry.cause, Cause::Request(_))) {
        match &entry.effect {
            Effect::ServiceCreated { service, .. } => drop(ours.insert(service)),
            Effect::EndpointAdded { endpoint, .. } => drop(ours.insert(endpoint)),
            Effect::ServiceDeleteRequested { service: id, .. }
            | Effect::EndpointDeleteRequested { endpoint: id, .. } => {
                assert!(ours.contains(id), "{id} was deleted, and is not ours");
            }
            _ => {}
        }
    }
}

/// A life without a fault has every point, and no write that is none.
pub fn has_all_points(writes: &[Write]) {
    let seen: BTreeSet<String> = writes.iter().map(Write::to_string).collect();
    let points: BTreeSet<String> = POINTS.iter().map(|point| point.write().to_string()).collect();
    let missing: Vec<_> = points.difference(&seen).collect();
    assert!(missing.is_empty(), "points that did not come: {missing:?}; what came: {writes:?}");
    let new: Vec<_> = seen.difference(&points).filter(|write| !NOW_AND_THEN.contains(&write.as_str())).collect();
    assert!(new.is_empty(), "writes that are no points: {new:?}");
}
