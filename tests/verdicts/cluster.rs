//! Both kinds on a real API server, with the operator's own binary: the states that take no hours. Here `kubectl wait`
//! is asked, too.

use super::{
    recorder::{Followed, Recorder},
    table::State,
};
use crate::cluster::*;
use atlas_privatelink_operator::testbed::simulator::{Change, Fault, Rule};
use serde_json::json;

fn rotate(world: &World, secret: &str) {
    world.change(Change::Rotate { name: PUBLIC.into(), secret: secret.to_owned().into() });
}

/// Edits it, suspends it and resumes, all from Ready.
async fn edit_and_suspend(followed: &mut Followed<'_>, operator: &Operator) {
    for policy in ["Retain", "Delete"] {
        followed.edit(operator, &json!({"spec": {"deletionPolicy": policy}})).await;
        followed.until(State::Usable).await;
    }
    followed.edit(operator, &json!({"spec": {"suspend": true}})).await;
    followed.until(State::SuspendedReady).await;
    followed.rests(State::SuspendedReady).await;
    followed.edit(operator, &json!({"spec": {"suspend": null}})).await;
    followed.until(State::Usable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_on_a_real_api_server() {
    let world = World::new(Nature::default()).await;
    let recorder = Recorder::of(&world, LINKS).await;
    let mut orders = Followed::apply(&world, &recorder, "orders", &link("orders")).await;
    orders.rests(State::Created).await;
    let operator = world.start();
    orders.until(State::SecretMissing).await;
    orders.rests(State::SecretMissing).await;
    world.apply(&secret(&[("other", "key")])).await;
    orders.nudge().await;
    world
        .until(SOON, "the missing key is told", async |world: &World| {
            let told = world.get(LINKS, "orders").await.map(|object| message(&object)).unwrap_or_default();
            told.contains("publicKey")
        })
        .await;
    orders.rests(State::SecretKeyMissing).await;
    rotate(&world, "rotated");
    world.credentials().await;
    orders.nudge().await;
    orders.until(State::CredentialsRefused).await;
    orders.rests(State::CredentialsRefused).await;
    rotate(&world, PRIVATE);
    orders.nudge().await;
    orders.until(State::Initiating).await;
    orders.until(State::Usable).await;
    orders.rests(State::Usable).await;
    edit_and_suspend(&mut orders, &operator).await;
    world.atlas.inject(Rule::everywhere(Fault::BadGateway));
    let requests = world.requests_of(PROJECT);
    orders.nudge().await;
    world.until(SOON, "it asks", async |world: &World| world.requests_of(PROJECT) > requests).await;
    orders.rests(State::Blip).await;
    world.atlas.clear_faults();
    let younger = with(link("younger"), &json!({"spec": {"adoptionPolicy": "CreateOnly"}}));
    let mut younger = Followed::apply(&world, &recorder, "younger", &younger).await;
    younger.until(State::AlreadyExists).await;
    let elsewhere = with(link("nowhere"), &json!({"spec": {"region": "nowhere-7"}}));
    let mut elsewhere = Followed::apply(&world, &recorder, "nowhere", &elsewhere).await;
    elsewhere.until(State::InputRefused).await;
    for stalled in [&mut younger, &mut elsewhere] {
        stalled.check();
    }
    orders.delete().await;
    assert_eq!(orders.check().len(), 10);
    world.atlas.inject(Rule::everywhere(Fault::ThrottledSilent));
    let mut later = Followed::apply(&world, &recorder, "later", &link_of("later", &project(1))).await;
    later.until(State::ThrottledAtFirst).await;
    later.rests(State::ThrottledAtFirst).await;
    later.check();
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_on_a_real_api_server() {
    let world = World::new(Nature::default()).await;
    let recorder = Recorder::of(&world, ENDPOINTS).await;
    world.credentials().await;
    let manifest = endpoint_from("orders-a", "orders", "orders-vpc-a", "endpointId");
    let mut orders = Followed::apply(&world, &recorder, "orders-a", &manifest).await;
    orders.rests(State::Created).await;
    let operator = world.start();
    orders.until(State::LinkMissing).await;
    orders.rests(State::LinkMissing).await;
    world.apply(&link("orders")).await;
    orders.until(State::ConfigMapMissing).await;
    orders.rests(State::ConfigMapMissing).await;
    world.apply(&config_map("orders-vpc-a", "other", "thing")).await;
    orders.nudge().await;
    world
        .until(SOON, "it looks again", async |world: &World| {
            let now = world.get(ENDPOINTS, "orders-a").await.expect("it is there");
            now["status"]["lastHandledReconcileAt"]
                == now["metadata"]["annotations"]["atlas.privatelink.dev/reconcile-requested-at"]
        })
        .await;
    orders.rests(State::ConfigMapKeyMissing).await;
    world.apply(&config_map("orders-vpc-a", "endpointId", VPCE)).await;
    orders.nudge().await;
    orders.until(State::Usable).await;
    orders.rests(State::Usable).await;
    edit_and_suspend(&mut orders, &operator).await;
    world.apply(&with(link("azure"), &json!({"spec": {"provider": "AZURE", "region": "eastus2"}}))).await;
    let mut bad = Followed::apply(&world, &recorder, "azure-a", &endpoint("azure-a", "azure", VPCE)).await;
    bad.until(State::InputRefused).await;
    bad.rests(State::InputRefused).await;
    bad.check();
    orders.delete().await;
    assert_eq!(orders.check().len(), 8);
    world.always().await;
}
