//! A link in every state of the table.

use super::{
    scenarios::*,
    table::{OF_A_LINK, State},
};
use crate::simulated::{
    looks::{foreign_service, only_service, status},
    world::*,
};
use atlas_privatelink_operator::testbed::simulator::{
    Change, Fault, Provider, Rule, ServiceFailure, ServiceState, Switches,
};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn a_link_has_the_verdicts_of_the_table() {
    let scenarios: [Scenario; 11] = [
        ("its life, Ready at AVAILABLE", || Box::pin(life(false))),
        ("its life, Ready at WAITING_FOR_USER", || Box::pin(life(true))),
        ("no Secret, no key in it", || Box::pin(without_secret())),
        ("AdoptOnly without a service", || Box::pin(without_service())),
        ("a refused key", || Box::pin(refused_key())),
        ("a refused region", || Box::pin(refused_input())),
        ("CreateOnly where one stands", || Box::pin(already_there())),
        ("a service that fails for good", || Box::pin(failed())),
        ("trouble from the start", || Box::pin(trouble_at_first())),
        ("a blip, and a long one", || Box::pin(silence())),
        ("suspended from the start", || Box::pin(suspended_at_first())),
    ];
    play(&scenarios, &OF_A_LINK);
}

/// A world that has the Secret; its link has just been applied, and nobody has looked at it yet.
fn begin(nature: Nature) -> (World, Followed) {
    let world = World::new(nature);
    world.credentials();
    let link = Followed::link(&world, json!({}));
    (world, link)
}

async fn life(v2_waiting_for_user: bool) -> BTreeSet<State> {
    let switches = Switches { v2_waiting_for_user, ..Switches::default() };
    let (mut world, mut link) = begin(Nature { switches, ..Nature::default() });
    let _operator = world.start();
    link.until(&world, MINUTE, State::Initiating).await;
    link.until(&world, 10 * MINUTE, State::Usable).await;
    let word = if v2_waiting_for_user { "WAITING_FOR_USER" } else { "AVAILABLE" };
    assert_eq!(status(&world, LINKS, "orders")["state"], word);
    link.edit(&world, json!({"deletionPolicy": "Delete"}));
    link.until(&world, MINUTE, State::Usable).await;
    suspend_and_resume(&world, &mut link, State::SuspendedReady, State::Usable).await;
    // A reason to leave Healthy: Atlas itself says so.
    let (project, service) = (PROJECT.to_owned(), only_service(&world));
    let state = ServiceState::Initiating;
    world.change(Change::SetServiceState { project: project.clone(), service: service.clone(), state, error: None });
    link.until(&world, 2 * RESYNC, State::Initiating).await;
    let state = ServiceState::Ready;
    world.change(Change::SetServiceState { project, service, state, error: None });
    link.until(&world, 2 * MINUTE, State::Usable).await;
    link.delete(&world).await;
    link.check(&world)
}

async fn without_secret() -> BTreeSet<State> {
    let mut world = World::new(Nature::default());
    let _operator = world.start();
    let mut link = Followed::link(&world, json!({}));
    link.until(&world, MINUTE, State::SecretMissing).await;
    world.secret(NAMESPACE, "atlas-credentials", &[("other", "key")]);
    world.pass(5 * MINUTE).await;
    link.now(&world, State::SecretKeyMissing);
    world.credentials();
    link.until(&world, 5 * MINUTE, State::Initiating).await;
    link.until(&world, 10 * MINUTE, State::Usable).await;
    link.check(&world)
}

async fn without_service() -> BTreeSet<State> {
    let mut world = World::new(Nature::default());
    world.credentials();
    let _operator = world.start();
    let mut link = Followed::link(&world, json!({"spec": {"adoptionPolicy": "AdoptOnly"}}));
    link.until(&world, MINUTE, State::ServiceMissing).await;
    world.pass(HOUR).await;
    link.now(&world, State::ServiceMissing);
    foreign_service(&world);
    link.until(&world, 2 * RESYNC, State::Usable).await;
    link.check(&world)
}

async fn refused_key() -> BTreeSet<State> {
    let (mut world, mut link) = begin(Nature::default());
    rotate(&world, "rotated");
    let _operator = world.start();
    link.until(&world, MINUTE, State::CredentialsRefused).await;
    world.pass(HOUR).await;
    link.now(&world, State::CredentialsRefused);
    suspend_and_resume(&world, &mut link, State::SuspendedStalled, State::CredentialsRefused).await;
    rotate(&world, PRIVATE);
    link.until(&world, 10 * MINUTE, State::Initiating).await;
    link.until(&world, 10 * MINUTE, State::Usable).await;
    rotate(&world, "rotated");
    link.until(&world, 2 * RESYNC, State::CredentialsRefused).await;
    link.check(&world)
}

async fn refused_input() -> BTreeSet<State> {
    let mut world = World::new(Nature::default());
    world.credentials();
    let _operator = world.start();
    let mut link = Followed::link(&world, json!({"spec": {"region": "nowhere-7"}}));
    link.until(&world, MINUTE, State::InputRefused).await;
    world.pass(HOUR).await;
    link.now(&world, State::InputRefused);
    link.check(&world)
}

async fn already_there() -> BTreeSet<State> {
    let mut world = World::new(Nature::default());
    world.credentials();
    foreign_service(&world);
    let _operator = world.start();
    let mut link = Followed::link(&world, json!({"spec": {"adoptionPolicy": "CreateOnly"}}));
    link.until(&world, 2 * MINUTE, State::AlreadyExists).await;
    world.pass(HOUR).await;
    link.now(&world, State::AlreadyExists);
    link.edit(&world, json!({"adoptionPolicy": "AdoptOnly"}));
    link.until(&world, 2 * MINUTE, State::Usable).await;
    link.check(&world)
}

async fn failed() -> BTreeSet<State> {
    let (mut world, mut link) = begin(Nature::default());
    world.change(Change::FailServices(ServiceFailure {
        provider: Provider::Aws,
        region: "us-east-1".into(),
        times: 4,
        message: "No capacity.".into(),
        named: true,
    }));
    let _operator = world.start();
    link.until(&world, 2 * HOUR, State::Failed).await;
    world.pass(HOUR).await;
    link.now(&world, State::Failed);
    link.check(&world)
}

async fn trouble_at_first() -> BTreeSet<State> {
    let (mut world, mut link) = begin(Nature::default());
    world.atlas.inject(Rule::everywhere(Fault::ThrottledSilent));
    let _operator = world.start();
    link.until(&world, 10 * MINUTE, State::ThrottledAtFirst).await;
    world.atlas.clear_faults();
    world.atlas.inject(Rule::everywhere(Fault::UnexpectedError));
    link.until(&world, 2 * HOUR, State::ErrorsAtFirst).await;
    world.pass(3 * HOUR).await;
    link.now(&world, State::ErrorsAtFirst);
    world.atlas.clear_faults();
    link.until(&world, HOUR, State::Initiating).await;
    link.until(&world, 10 * MINUTE, State::Usable).await;
    link.check(&world)
}

async fn silence() -> BTreeSet<State> {
    let (mut world, mut link) = begin(Nature::default());
    let _operator = world.start();
    link.until(&world, 10 * MINUTE, State::Usable).await;
    through_silence(&world, &mut link).await;
    link.check(&world)
}

async fn suspended_at_first() -> BTreeSet<State> {
    let mut world = World::new(Nature::default());
    world.credentials();
    let _operator = world.start();
    let mut link = Followed::link(&world, json!({"spec": {"suspend": true}}));
    link.until(&world, MINUTE, State::SuspendedUnseen).await;
    world.pass(HOUR).await;
    link.edit(&world, json!({"suspend": null}));
    link.until(&world, MINUTE, State::Initiating).await;
    link.until(&world, 10 * MINUTE, State::Usable).await;
    link.check(&world)
}
