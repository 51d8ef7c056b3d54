//! An endpoint in every state of the table.

use super::{
    scenarios::*,
    table::{OF_AN_ENDPOINT, State},
};
use crate::simulated::{
    hands::declare,
    looks::{only_service, ready_link},
    world::*,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Change, EndpointState, Fault, Rule, Standing},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn an_endpoint_has_the_verdicts_of_the_table() {
    let scenarios: [Scenario; 10] = [
        ("its life in v2", || Box::pin(life(Dialect::V2))),
        ("its life in v1.0", || Box::pin(life(Dialect::V1))),
        ("no ConfigMap, no key in it", || Box::pin(without_id())),
        ("the words of a connection", || Box::pin(words())),
        ("a refused key", || Box::pin(refused_key())),
        ("a refused id", || Box::pin(refused_input())),
        ("rejected for good", || Box::pin(rejected())),
        ("trouble from the start", || Box::pin(trouble_at_first())),
        ("a blip, and a long one", || Box::pin(silence())),
        ("suspended from the start", || Box::pin(suspended_at_first())),
    ];
    play(&scenarios, &OF_AN_ENDPOINT);
}

async fn life(dialect: Dialect) -> BTreeSet<State> {
    let mut world = World::new(Nature::of(dialect));
    world.credentials();
    let mut endpoint = Followed::endpoint(&world, json!({}));
    let operator = world.start();
    endpoint.until(&world, MINUTE, State::LinkMissing).await;
    world.pass(HOUR).await;
    world.apply(link("orders"));
    world.pass(MINUTE).await;
    endpoint.now(&world, State::LinkMissing);
    world.until(10 * MINUTE, "the link is Ready", |world| world.link_ready("orders")).await;
    endpoint.until(&world, 10 * MINUTE, State::Usable).await;
    endpoint.edit(&world, json!({"deletionPolicy": "Delete"}));
    endpoint.until(&world, MINUTE, State::Usable).await;
    suspend_and_resume(&world, &mut endpoint, State::SuspendedReady, State::Usable).await;
    // Nobody sees the edit for a while.
    operator.stop().await;
    endpoint.edit(&world, json!({"deletionPolicy": null}));
    world.pass(HOUR).await;
    endpoint.now(&world, State::Edited);
    let _operator = world.start();
    endpoint.until(&world, MINUTE, State::Usable).await;
    endpoint.delete(&world).await;
    endpoint.check(&world)
}

fn map(world: &World, data: Value) {
    let metadata = json!({"namespace": NAMESPACE, "name": "orders-vpc-a"});
    world.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}));
}

async fn without_id() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::default()).await;
    let from = json!({"configMapKeyRef": {"name": "orders-vpc-a", "key": "endpointId"}});
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    let mut endpoint = Followed::endpoint(&world, spec);
    endpoint.until(&world, MINUTE, State::ConfigMapMissing).await;
    map(&world, json!({"other": "thing"}));
    world.pass(HOUR).await;
    endpoint.now(&world, State::ConfigMapKeyMissing);
    map(&world, json!({"other": "thing", "endpointId": VPCE}));
    endpoint.until(&world, 10 * MINUTE, State::Usable).await;
    endpoint.check(&world)
}

async fn words() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::of(Dialect::V1)).await;
    let mut endpoint = Followed::endpoint(&world, json!({}));
    endpoint.until(&world, 10 * MINUTE, State::Usable).await;
    let service = only_service(&world);
    let set = |state| {
        let (project, service, endpoint) = (PROJECT.to_owned(), service.clone(), VPCE.to_owned());
        world.change(Change::SetEndpointState { project, service, endpoint, state, error: None });
    };
    // A reason to leave Healthy: Atlas itself says so.
    for (word, state) in
        [(EndpointState::PendingAcceptance, State::PendingAcceptance), (EndpointState::Pending, State::Pending)]
    {
        set(word);
        let shown = |world: &World| world.endpoint("orders-a").status.unwrap().connection_status;
        world.until(2 * RESYNC, word.word(), |world| shown(world).as_deref() == Some(word.word())).await;
        endpoint.now(&world, state);
    }
    set(EndpointState::Available);
    endpoint.until(&world, 2 * MINUTE, State::Usable).await;
    endpoint.check(&world)
}

async fn refused_key() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::default()).await;
    let mut endpoint = Followed::endpoint(&world, json!({}));
    endpoint.until(&world, 10 * MINUTE, State::Usable).await;
    rotate(&world, "rotated");
    endpoint.until(&world, 2 * RESYNC, State::CredentialsRefused).await;
    suspend_and_resume(&world, &mut endpoint, State::SuspendedStalled, State::CredentialsRefused).await;
    rotate(&world, PRIVATE);
    endpoint.until(&world, HOUR, State::Usable).await;
    endpoint.check(&world)
}

async fn refused_input() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::default()).await;
    let mut endpoint = Followed::endpoint(&world, json!({"spec": {"interfaceEndpointId": "vpce-../../x"}}));
    endpoint.until(&world, MINUTE, State::InputRefused).await;
    world.pass(HOUR).await;
    endpoint.now(&world, State::InputRefused);
    endpoint.edit(&world, json!({"interfaceEndpointId": VPCE}));
    endpoint.until(&world, 10 * MINUTE, State::Usable).await;
    endpoint.check(&world)
}

async fn rejected() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::default()).await;
    declare(&world, VPCE, Standing::Unknown);
    let mut endpoint = Followed::endpoint(&world, json!({}));
    endpoint.until(&world, HOUR, State::Rejected).await;
    world.pass(HOUR).await;
    endpoint.now(&world, State::Rejected);
    endpoint.check(&world)
}

async fn trouble_at_first() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::default()).await;
    world.atlas.inject(Rule::everywhere(Fault::ThrottledSilent));
    let mut endpoint = Followed::endpoint(&world, json!({}));
    endpoint.until(&world, 10 * MINUTE, State::ThrottledAtFirst).await;
    world.atlas.clear_faults();
    world.atlas.inject(Rule::everywhere(Fault::UnexpectedError));
    // Not so long that the link itself is no longer Ready.
    endpoint.until(&world, 2 * RESYNC, State::ErrorsAtFirst).await;
    world.atlas.clear_faults();
    endpoint.until(&world, HOUR, State::Usable).await;
    endpoint.check(&world)
}

async fn silence() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::default()).await;
    let mut endpoint = Followed::endpoint(&world, json!({}));
    endpoint.until(&world, 10 * MINUTE, State::Usable).await;
    through_silence(&world, &mut endpoint).await;
    endpoint.check(&world)
}

async fn suspended_at_first() -> BTreeSet<State> {
    let (world, _operator) = ready_link(Nature::default()).await;
    let mut endpoint = Followed::endpoint(&world, json!({"spec": {"suspend": true}}));
    endpoint.until(&world, MINUTE, State::SuspendedUnseen).await;
    world.pass(HOUR).await;
    endpoint.edit(&world, json!({"suspend": null}));
    endpoint.until(&world, 10 * MINUTE, State::Usable).await;
    endpoint.check(&world)
}
