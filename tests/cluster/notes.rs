//! Events as a real API server takes them.

use super::world::*;
use atlas_privatelink_operator::testbed::simulator::{Change, EndpointState};
use serde_json::Value;

async fn ready_events(world: &World) -> Vec<Value> {
    let mut events = world.list(EVENTS).await;
    events.retain(|event| event["involvedObject"]["name"] == "orders-a" && event["reason"] == "Ready");
    events
}

/// It is made once, and a repeat is counted in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_event_is_counted() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let _operator = world.start();
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    world.until_ready(ENDPOINTS, "orders-a").await;
    world.until(SOON, "told", async |world: &World| ready_events(world).await.len() == 1).await;
    let service = world.services()[0]["id"].as_str().expect("an id").to_owned();
    let set = |state| {
        let (project, service, endpoint) = (PROJECT.to_owned(), service.clone(), VPCE.to_owned());
        world.change(Change::SetEndpointState { project, service, endpoint, state, error: None });
    };
    set(EndpointState::Pending);
    world
        .until(SOON, "seen", async |world: &World| {
            world.get(ENDPOINTS, "orders-a").await.is_some_and(|endpoint| !is_ready(&endpoint))
        })
        .await;
    set(EndpointState::Available);
    world.until_ready(ENDPOINTS, "orders-a").await;
    let counted = async |world: &World| {
        let events = ready_events(world).await;
        events.len() == 1 && events[0]["series"]["count"] == 2 && events[0]["message"].is_string()
    };
    world.until(SOON, "counted", counted).await;
    world.always().await;
}
