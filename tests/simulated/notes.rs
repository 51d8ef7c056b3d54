//! What events say is true, and is said once: repeats are counted where they are word for word the same.

use super::{hands, looks::*, world::*};
use atlas_privatelink_operator::testbed::simulator::{Change, EndpointState};
use serde_json::{Value, json};
use std::time::Duration;

/// The events of a reason on an object, oldest first.
fn events(world: &World, name: &str, reason: &str) -> Vec<Value> {
    let mut events = world.kube.list("events");
    events.retain(|event| event["regarding"]["name"] == name && event["reason"] == reason);
    events.sort_by_key(|event| event["eventTime"].as_str().unwrap().to_owned());
    events
}

fn notes(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["note"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_second_endpoint_is_not_told_by_the_name_of_the_first() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    hands::change_id(&world, hands::NEW);
    world.until(MINUTE, "attached", |world| events(world, "orders-a", "Created").len() == 2).await;
    let (events, service) = (events(&world, "orders-a", "Created"), only_service(&world));
    let attached = |id: &str| format!("attached {id} to the endpoint service {service}");
    assert_eq!(notes(&events), [attached(VPCE), attached(hands::NEW)]);
    assert!(events.iter().all(|event| event["series"].is_null()), "{events:#?}");
}

/// Lets the endpoint be not Ready for a moment, and asks for a look whenever something has changed.
async fn ready_again(world: &World, request: &str) {
    let (project, service, endpoint) = (PROJECT.to_owned(), only_service(world), VPCE.to_owned());
    let set = |state| {
        let (project, service, endpoint) = (project.clone(), service.clone(), endpoint.clone());
        world.change(Change::SetEndpointState { project, service, endpoint, state, error: None });
    };
    set(EndpointState::Pending);
    let asked = json!({"metadata": {"annotations": {"atlas.privatelink.dev/reconcile-requested-at": request}}});
    world.kube.patch(ENDPOINTS, NAMESPACE, "orders-a", asked).unwrap();
    world.until(MINUTE, "seen", |world| !world.endpoint_ready("orders-a")).await;
    set(EndpointState::Available);
    world.until(MINUTE, "Ready again", |world| world.endpoint_ready("orders-a")).await;
    world.pass(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_counted_for_a_while_and_then_told_anew() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.pass(Duration::from_secs(1)).await;
    let ready = |world: &World| events(world, "orders-a", "Ready");
    let first = ready(&world);
    assert!(first.len() == 1 && first[0]["series"].is_null(), "{first:#?}");
    for (request, count) in [("one", 2), ("two", 3)] {
        ready_again(&world, request).await;
        let now = ready(&world);
        assert_eq!((now.len(), &now[0]["series"]["count"]), (1, &json!(count)), "{now:#?}");
        let (told, last) = (&now[0]["eventTime"], &now[0]["series"]["lastObservedTime"]);
        assert!(*told == first[0]["eventTime"] && last.as_str() > told.as_str(), "{now:#?}");
    }
    world.pass(7 * MINUTE).await;
    ready_again(&world, "three").await;
    let now = ready(&world);
    assert_eq!((now.len(), &now[1]["series"]), (2, &Value::Null), "{now:#?}");
    // Events do not live for ever.
    for event in &now {
        world.kube.delete("events", NAMESPACE, event["metadata"]["name"].as_str().unwrap()).unwrap();
    }
    ready_again(&world, "four").await;
    let now = ready(&world);
    assert_eq!((now.len(), &now[0]["series"]), (1, &Value::Null), "{now:#?}");
    ready_again(&world, "five").await;
    assert_eq!(ready(&world)[0]["series"]["count"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_name_has_events_too() {
    let mut world = World::new(Nature::default());
    let _operator = world.start();
    world.credentials();
    // Cut where it ends in what no name may end in.
    let name = format!("{}.{}", "a".repeat(235), "b".repeat(17));
    assert_eq!(name.len(), 253);
    world.apply(link(&name));
    world.until(10 * MINUTE, "Ready", |world| world.link_ready(&name)).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(told(&world, &name), ["Created", "Ready"]);
    for event in world.kube.list("events") {
        let name = event["metadata"]["name"].as_str().unwrap();
        let rest = name.strip_prefix(&format!("{}.", "a".repeat(235))).unwrap();
        assert!(name.len() <= 253 && rest.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_published_is_published_when_it_happens_again() {
    use atlas_privatelink_operator::testbed::kubernetes::{Fault, Matcher, Rule};
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.pass(7 * MINUTE).await;
    let before = events(&world, "orders-a", "Ready").len();
    let refused = Fault::status(http::StatusCode::INTERNAL_SERVER_ERROR);
    let rule = world.kube.inject(Rule::new(Matcher::any().resource("events"), refused).always());
    ready_again(&world, "one").await;
    assert_eq!(events(&world, "orders-a", "Ready").len(), before);
    world.kube.lift(rule);
    ready_again(&world, "two").await;
    let now = events(&world, "orders-a", "Ready");
    assert_eq!((now.len(), &now[before]["series"]), (before + 1, &Value::Null), "{now:#?}");
}
