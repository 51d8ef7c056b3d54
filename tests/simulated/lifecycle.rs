//! The whole life of both kinds, and what it costs.

use super::{oracle, world::*};
use atlas_privatelink_operator::{atlas::dialect::Dialect, testbed::simulator::Operation};
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

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

#[tokio::test(start_paused = true)]
async fn a_link_costs_one_post_and_few_reads_and_writes_until_ready() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let _operator = world.start();
    world.apply(link("orders"));
    world.until(10 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
    let writes = world.operator_writes();
    let events = world.kube.list("events").len();
    assert_eq!(world.calls(Operation::CreateService), 1);
    let lists = world.calls(Operation::ListServices);
    assert!(lists <= 19, "{lists} LISTs");
    assert!(writes.len() <= 3, "{writes:#?}");
    assert!(events <= 3, "{events} events");
}

#[tokio::test(start_paused = true)]
async fn deletion_costs_two_writes_for_each_object() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let _operator = world.start();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.until(10 * MINUTE, "Ready", |world| world.endpoint_ready("orders-a")).await;
    let before = world.operator_writes().len();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world
        .until(10 * MINUTE, "gone", |world| world.kube.list(LINKS).is_empty() && world.kube.list(ENDPOINTS).is_empty())
        .await;
    let writes = world.operator_writes();
    assert!(writes.len() - before <= 4, "{:#?}", &writes.0[before..]);
    oracle::nothing_left(&world);
}

/// Links in ten projects, `each` in every project; gives the LISTs until all are Ready, by project.
async fn lists_for(each: usize) -> Vec<usize> {
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
    let mut world = World::new(Nature::default());
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
    (0..10).map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn many_links_of_a_project_are_looked_at_together() {
    let (few, many) = (lists_for(1).await, lists_for(10).await);
    for (few, many) in few.iter().zip(&many) {
        assert!(*many <= few + 2, "{many} LISTs for ten links, {few} for one");
    }
}
