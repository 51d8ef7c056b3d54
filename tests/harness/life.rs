//! One life that many tests disturb: a link and an endpoint are made, both get Ready, both are deleted.

use super::{
    alone::{eventually, says_ready},
    hands::declare,
    oracle,
    world::*,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    lease,
    testbed::simulator::{Change, Provider, Standing},
};
use serde_json::{Value, json};
use std::time::Duration;

/// The link's list of endpoints follows with its next resync.
pub const RESYNC: Duration = Duration::from_secs(20 * 60);
/// Whatever was wrong: once it is right, everything is as it is wanted, or says why not, within two resyncs, each with what
/// Atlas takes (I4).
pub const PATIENCE: Duration = RESYNC.saturating_mul(2);
/// No life takes longer, however often something goes wrong in it.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The credentials and both objects are there, nobody works on them yet.
pub fn begin(dialect: Dialect) -> World {
    begin_in(Nature::of(dialect))
}

/// The same in a world of that nature.
pub fn begin_in(nature: Nature) -> World {
    let world = with_neighbours_in(nature);
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    world
}

/// The same with these credentials.
pub fn begin_with(dialect: Dialect, credentials: &[(&str, &str)]) -> World {
    let world = with_neighbours(dialect);
    world.secret(NAMESPACE, "atlas-credentials", credentials);
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    world
}

/// A link alone, in that cloud, and its credentials; nobody works on it yet.
pub fn begin_in_cloud(dialect: Dialect, provider: Provider) -> World {
    let world = with_neighbours(dialect);
    world.credentials();
    world.apply(link_in_cloud(provider));
    world
}

/// The link of the manifests, in that cloud.
pub fn link_in_cloud(provider: Provider) -> Value {
    let (provider, region) = match provider {
        Provider::Aws => ("AWS", "us-east-1"),
        Provider::Azure => ("AZURE", "eastus2"),
        Provider::Gcp => ("GCP", "us-east4"),
    };
    with(link("orders"), json!({"spec": {"provider": provider, "region": region}}))
}

/// An election by a Lease of four times the ordinary length: its renewals are most of what such a life costs.
pub fn by_lease() -> lease::Settings {
    let timing = lease::Timing::of(Duration::from_secs(60));
    lease::Settings { namespace: NAMESPACE.into(), name: "operator".into(), timing }
}

/// A world in which somebody else has a service, with an endpoint, in another region of the same project.
pub fn with_neighbours(dialect: Dialect) -> World {
    with_neighbours_in(Nature::of(dialect))
}

/// The same, in a world of that nature.
pub fn with_neighbours_in(nature: Nature) -> World {
    let world = World::new(nature);
    let (project, region) = (PROJECT.to_owned(), "EU_WEST_1".to_owned());
    let made = Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: true };
    let service = world.change(made).unwrap();
    let endpoint = "vpce-0fffffffffffffff0".to_owned();
    world.change(Change::AddEndpoint { project: PROJECT.to_owned(), service, endpoint, ready: true });
    world
}

/// The services that are not the neighbours'.
pub fn ours(world: &World) -> Vec<Value> {
    world.services().into_iter().filter(|service| service["region"] != "EU_WEST_1").collect()
}

pub fn both_are_ready(world: &World) -> bool {
    says_ready(world, LINKS, "orders") && says_ready(world, ENDPOINTS, "orders-a")
}

pub async fn get_ready(world: &World) {
    eventually(world, PATIENCE, "both Ready", both_are_ready).await;
}

/// Until both are Ready, and nothing has moved for a while.
pub async fn first_half(dialect: Dialect) -> (World, Running) {
    let mut world = begin(dialect);
    let operator = world.start();
    get_ready(&world).await;
    world.pass(RESYNC).await;
    (world, operator)
}

pub fn delete_both(world: &World) {
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
}

/// All links and endpoints, of all namespaces, each with its plural; the endpoints first.
pub fn all_objects(world: &World) -> Vec<(&'static str, Value)> {
    [ENDPOINTS, LINKS]
        .into_iter()
        .flat_map(|plural| world.kube.list(plural).into_iter().map(move |object| (plural, object)))
        .collect()
}

pub fn delete_all(world: &World) {
    for (plural, object) in all_objects(world) {
        let meta = |field: &str| object["metadata"][field].as_str().unwrap();
        world.kube.delete(plural, meta("namespace"), meta("name")).unwrap();
    }
}

/// Until both are gone, here and in Atlas.
pub async fn end(world: &World) {
    eventually(world, PATIENCE, "both gone", World::is_empty).await;
    oracle::nothing_left(world);
}

/// Plural and name of both.
pub const BOTH: [(&str, &str); 2] = [(ENDPOINTS, "orders-a"), (LINKS, "orders")];

/// Who bears the names now.
pub fn uids(world: &World) -> Vec<Option<Value>> {
    BOTH.iter()
        .map(|(plural, name)| Some(world.kube.get(plural, NAMESPACE, name)?["metadata"]["uid"].clone()))
        .collect()
}

/// Makes those anew that are gone, and tells whether all are new.
pub fn make_again(world: &World, old: &[Option<Value>]) -> bool {
    let new = uids(world);
    // Whoever makes them anew makes a VPC endpoint for the new service, too.
    declare(world, VPCE, Standing::Undeclared);
    for (uid, manifest) in new.iter().zip([endpoint("orders-a", "orders", VPCE), link("orders")]) {
        if uid.is_none() {
            world.apply(manifest);
        }
    }
    new.iter().zip(old).all(|(new, old)| new.is_some() && new != old)
}
