//! The whole life of both kinds, and what it costs.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{api::Standing, atlas::dialect::Dialect, testbed::simulator::Operation};
use serde_json::json;
use std::collections::BTreeMap;

async fn whole_life(dialect: Dialect) {
    let mut world = World::new(Nature::of(dialect));
    let operator = world.start();
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    world
        .until(10 * MINUTE, "both Ready", |world| world.link_ready("orders") && world.endpoint_ready("orders-a"))
        .await;
    oracle::quiet_hour(&world).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world
        .until(10 * MINUTE, "both gone", |world| {
            world.find_link(NAMESPACE, "orders").is_none() && world.find_endpoint(NAMESPACE, "orders-a").is_none()
        })
        .await;
    oracle::nothing_left(&world);
    oracle::always(&world);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_whole_life_in_v2() {
    whole_life(Dialect::V2).await;
}

#[tokio::test(start_paused = true)]
async fn the_whole_life_in_v1() {
    whole_life(Dialect::V1).await;
}

const DIALECTS: [Dialect; 2] = [Dialect::V2, Dialect::V1];

/// The operators' Kubernetes writes after the first `before`, by plural and name of the object.
fn writes_by_object(world: &World, before: usize) -> BTreeMap<(String, String), usize> {
    let mut writes = BTreeMap::new();
    for write in world.operator_writes().0.into_iter().skip(before) {
        *writes.entry((write.resource.clone(), write.name.clone())).or_default() += 1;
    }
    writes
}

/// What one link costs until it is Ready, 165 s of Atlas' included.
#[tokio::test(start_paused = true)]
async fn a_link_costs_one_post_and_few_reads_and_writes_until_ready() {
    for dialect in DIALECTS {
        let mut world = World::new(Nature::of(dialect));
        world.credentials();
        let _operator = world.start();
        world.apply(link("orders"));
        world.until(10 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
        let writes = world.operator_writes();
        let events = world.kube.list("events").len();
        assert_eq!(world.calls(Operation::CreateService), 1, "{dialect}");
        let lists = world.calls(Operation::ListServices);
        assert!(lists <= 19, "{dialect}: {lists} LISTs");
        assert!(writes.len() <= 3, "{dialect}: {writes:#?}");
        assert!(events <= 3, "{dialect}: {events} events");
    }
}

#[tokio::test(start_paused = true)]
async fn deletion_costs_two_writes_for_each_object() {
    for dialect in DIALECTS {
        let (world, _operator) = ready_pair(Nature::of(dialect)).await;
        let before = world.operator_writes().len();
        world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
        world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
        gone_without_trace(&world).await;
        let writes = writes_by_object(&world, before);
        assert!(writes.values().all(|writes| *writes <= 2), "{dialect}: {writes:?}");
    }
}

/// What holds the deletion of a link back, until somebody ends it.
#[derive(Debug, Clone, Copy)]
enum Holder {
    /// An endpoint of somebody else's, attached to the service.
    ForeignEndpoint,
    /// A link that uses the service and never inherits.
    AdoptOnly,
    /// An endpoint resource that names the link.
    Dependent,
}

impl Holder {
    async fn takes_hold(self, world: &World) {
        match self {
            Self::ForeignEndpoint => foreign_endpoint(world, &only_service(world)),
            Self::AdoptOnly => {
                world.apply(with(link("sharer"), json!({"spec": {"adoptionPolicy": "AdoptOnly"}})));
                world.until(MINUTE, "shared", |world| world.link_ready("sharer")).await;
            }
            Self::Dependent => {
                world.apply(endpoint("orders-a", "orders", VPCE));
                world.until(5 * MINUTE, "attached", |world| world.endpoint_ready("orders-a")).await;
            }
        }
    }

    fn lets_go(self, world: &World) {
        match self {
            Self::ForeignEndpoint => somebody_has_detached(world, &only_service(world), FOREIGN),
            Self::AdoptOnly => world.kube.delete(LINKS, NAMESPACE, "sharer").unwrap(),
            Self::Dependent => world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_held_back_costs_three_writes_for_each_object() {
    for dialect in DIALECTS {
        for holder in [Holder::ForeignEndpoint, Holder::AdoptOnly, Holder::Dependent] {
            let (world, _operator) = ready_link(Nature::of(dialect)).await;
            holder.takes_hold(&world).await;
            let before = world.operator_writes().len();
            world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
            let held = |world: &World| world.link_is("orders", Standing::Reconciling, "DeletionBlocked");
            world.until(MINUTE, "held back", held).await;
            oracle::quiet_wait(&world).await;
            holder.lets_go(&world);
            gone_without_trace(&world).await;
            let writes = writes_by_object(&world, before);
            assert!(writes.values().all(|writes| *writes <= 3), "{dialect}, {holder:?}: {writes:?}");
        }
    }
}

/// Links in ten projects, `each` in every project; gives the LISTs until all are Ready, by project.
async fn lists_for(dialect: Dialect, each: usize) -> Vec<usize> {
    const REGIONS: [&str; 10] = [
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "ca-central-1",
        "sa-east-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
    ];
    let mut world = World::new(Nature::of(dialect));
    world.credentials();
    for project in 0..10 {
        for region in &REGIONS[..each] {
            let name = format!("p{project}-{region}");
            let project = format!("5df264b8f10fab7d2cad2f{project:02}");
            world.apply(with(link(&name), json!({"spec": {"projectId": project, "region": region}})));
        }
    }
    let _operator = world.start();
    let all =
        |world: &World| world.kube.list(LINKS).iter().all(|link| link["status"]["conditions"][0]["status"] == "True");
    world.until(10 * MINUTE, "all Ready", all).await;
    let ledger = world.ledger();
    let of = |project: usize| {
        let id = format!("5df264b8f10fab7d2cad2f{project:02}");
        ledger
            .requests()
            .filter(|request| {
                request.operation == Some(Operation::ListServices)
                    && request.path.contains(&id)
                    && request.status == Some(200)
            })
            .count()
    };
    let lists = (0..10).map(of).collect();
    oracle::created(&world, 10 * each, 0);
    oracle::quiet_hour(&world).await;
    lists
}

async fn looked_at_together(dialect: Dialect) {
    let (few, many) = (lists_for(dialect, 1).await, lists_for(dialect, 10).await);
    for (few, many) in few.iter().zip(&many) {
        assert!(*many <= few + 2, "{many} LISTs for ten links, {few} for one");
    }
}

#[tokio::test(start_paused = true)]
async fn many_links_of_a_project_are_looked_at_together() {
    looked_at_together(Dialect::V2).await;
}

#[tokio::test(start_paused = true)]
async fn many_links_of_a_project_are_looked_at_together_in_v1() {
    looked_at_together(Dialect::V1).await;
}
