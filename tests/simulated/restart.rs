//! A restart that nobody sees, though one watch begins later than the other.

use super::world::*;
use atlas_privatelink_operator::testbed::kubernetes::{Fault, Matcher, Rule, Verb};
use std::time::Duration;

async fn writes_after_a_restart_with_a_late_list_of(plural: &str) -> usize {
    let mut world = World::new(Nature::default());
    let operator = world.start();
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    world
        .until(Duration::from_secs(600), "both Ready", |world| {
            world.link_ready("orders") && world.endpoint_ready("orders-a")
        })
        .await;
    world.pass(Duration::from_secs(1800)).await;
    operator.kill().await;
    let before = world.operator_writes().len();
    let late = Fault::slow(Duration::from_secs(3));
    world.kube.inject(Rule::new(Matcher::any().verb(Verb::List).resource(plural), late).times(10));
    let _operator = world.start();
    world.pass(Duration::from_secs(60)).await;
    world.operator_writes().len() - before
}

/// An endpoint whose link is merely not known yet is not told that it has none.
#[tokio::test(start_paused = true)]
async fn a_restart_writes_nothing_though_the_links_come_late() {
    assert_eq!(writes_after_a_restart_with_a_late_list_of(LINKS).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_writes_nothing_though_the_endpoints_come_late() {
    assert_eq!(writes_after_a_restart_with_a_late_list_of(ENDPOINTS).await, 0);
}

/// Before the first list has come, while the second is under way, and soon after.
#[tokio::test(start_paused = true)]
async fn told_to_stop_while_it_is_starting_it_stops() {
    for millis in [0, 1, 20, 500, 2_900, 3_100, 5_000] {
        let mut world = World::new(Nature::default());
        world.credentials();
        world.apply(link("orders"));
        let late = Fault::slow(Duration::from_secs(3));
        world.kube.inject(Rule::new(Matcher::any().verb(Verb::List).resource(LINKS), late).times(10));
        let operator = world.start();
        world.pass(Duration::from_millis(millis)).await;
        let stopped = tokio::time::timeout(Duration::from_secs(60), operator.stop()).await;
        assert!(stopped.is_ok(), "it goes on after {millis} ms");
    }
}
