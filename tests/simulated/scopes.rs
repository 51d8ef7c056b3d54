//! What is seen of the cluster: the namespaces that are watched, long lists, and lists that many want at once.

use super::{looks::*, world::*};
use atlas_privatelink_operator::{
    controller::settings::Settings,
    testbed::kubernetes::{Decision, Fault, Matcher, Phase, Rule, Verb, WatchFault},
};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

/// Two namespaces are watched, one of which may not be read from now on, or from the start.
async fn with_two_namespaces(is_gone_from_the_start: bool) -> (World, Running) {
    let nature = Nature::default();
    let settings = Settings { namespaces: vec![ELSEWHERE.into(), NAMESPACE.into()], ..nature.settings.clone() };
    let mut world = World::new(Nature { settings, ..nature });
    world.credentials();
    let gone = Rule::new(Matcher::any().namespace(ELSEWHERE), Fault::status(StatusCode::FORBIDDEN)).always();
    if is_gone_from_the_start {
        world.kube.inject(gone.clone());
    }
    let operator = world.start();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    if !is_gone_from_the_start {
        world.kube.inject(gone);
    }
    world.pass(30 * MINUTE).await;
    for (plural, name) in [(ENDPOINTS, "orders-a"), (LINKS, "orders")] {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    (world, operator)
}

/// It was deleted, and with it the Role in it: the other one goes on as if nothing were.
#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_gone_hinders_no_other() {
    let (world, _operator) = with_two_namespaces(false).await;
    gone_without_trace(&world).await;
}

/// Whatever is in there may share what is to be deleted.
#[tokio::test(start_paused = true)]
async fn what_may_be_in_a_namespace_that_was_never_seen_holds_deletions_back() {
    let (world, _operator) = with_two_namespaces(true).await;
    world.pass(HOUR).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    let message = message(&world, ENDPOINTS, NAMESPACE, "orders-a");
    assert!(message.contains("the Kubernetes API refuses a read that is needed for it"), "{message}");
    world.kube.lift_all();
    gone_without_trace(&world).await;
}

/// More objects than a page of a list has. (Suspended ones ask nothing of Atlas.)
fn crowd(world: &World) {
    for number in 0..520 {
        world.apply(with(link(&format!("link-{number:03}")), json!({"spec": {"suspend": true}})));
    }
}

/// The watch is told that it has missed too much, and lists anew; the second page takes its time.
#[tokio::test(start_paused = true)]
async fn what_came_while_nobody_watched_is_seen_in_a_list_of_several_pages() {
    let mut world = World::new(Nature::default());
    crowd(&world);
    let _operator = world.start();
    let is_told = |world: &World, name: &str| says(world, LINKS, name).1 == "Suspended";
    world.until(5 * MINUTE, "the last one is told", |world| is_told(world, "link-519")).await;
    world.kube.on_request(|point| {
        let listing = point.request.verb == Verb::List && point.request.resource == LINKS;
        let next_page = listing && point.request.query.contains("continue=");
        if next_page && point.phase == Phase::BeforeEffect {
            return Decision::Delay(Duration::from_secs(5));
        }
        Decision::Proceed
    });
    world.kube.compact();
    assert_eq!(world.kube.disturb_watches(&Matcher::any().resource(LINKS), WatchFault::Expire), 1);
    // Nobody shares its region, and would wake it.
    world.apply(with(link("first-of-all"), json!({"spec": {"suspend": true, "region": "eu-west-1"}})));
    world.until(MINUTE, "the new one is told", |world| is_told(world, "first-of-all")).await;
    let pages = world.kube.log().matching(|request| request.query.contains("continue=")).0.len();
    assert!(pages >= 2, "{pages} pages were asked for");
}

/// Each deletion looks at the whole cluster first.
#[tokio::test(start_paused = true)]
async fn many_deletions_at_once_share_their_lists() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let name = |number: u32| format!("link-{number}");
    for number in 0..60 {
        world.apply(with(link(&name(number)), json!({"spec": {"deletionPolicy": "Retain"}})));
    }
    let _operator = world.start();
    let all_ready = |world: &World| (0..60).all(|number| world.link_ready(&name(number)));
    world.until(30 * MINUTE, "all Ready", all_ready).await;
    world.kube.on_request(|point| match (point.phase, point.request.verb) {
        (Phase::BeforeEffect, Verb::List) => Decision::Delay(Duration::from_millis(200)),
        _ => Decision::Proceed,
    });
    let lists = |world: &World| world.kube.log().matching(|request| request.verb == Verb::List).0.len();
    let before = lists(&world);
    for number in 0..60 {
        world.kube.delete(LINKS, NAMESPACE, &name(number)).unwrap();
    }
    world.until(5 * MINUTE, "all gone", World::is_empty).await;
    let lists = lists(&world) - before;
    assert!(lists <= 12, "{lists} lists for 60 deletions");
}
