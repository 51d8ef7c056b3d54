//! Both kinds on a real API server, with the operator's own binary: the states that take no hours. Here `kubectl wait`
//! is asked, too.

use super::{
    recorder::{Followed, Recorder},
    table::State,
};
use crate::cluster::*;
use atlas_privatelink_operator::testbed::simulator::{Change, EndpointState, Fault, Provider, Rule};
use serde_json::json;

fn rotate(world: &World, secret: &str) {
    world.change(Change::Rotate { name: PUBLIC.into(), secret: secret.to_owned().into() });
}

/// It was suspended before anybody saw it.
async fn resume_unseen(followed: &mut Followed<'_>, operator: &Operator) {
    followed.until(State::SuspendedUnseen).await;
    followed.rests(State::SuspendedUnseen).await;
    followed.edit(operator, &json!({"spec": {"suspend": null}})).await;
    followed.until(State::Usable).await;
    followed.rests(State::Usable).await;
}

/// Its key is refused, and it is suspended and resumed meanwhile.
async fn suspend_stalled(followed: &mut Followed<'_>, operator: &Operator) {
    followed.until(State::CredentialsRefused).await;
    followed.edit(operator, &json!({"spec": {"suspend": true}})).await;
    followed.until(State::SuspendedStalled).await;
    followed.rests(State::SuspendedStalled).await;
    followed.edit(operator, &json!({"spec": {"suspend": null}})).await;
    followed.until(State::CredentialsRefused).await;
    followed.rests(State::CredentialsRefused).await;
}

/// Atlas fails from the start, and then no longer.
async fn errors_at_first(followed: &mut Followed<'_>) {
    followed.until(State::ErrorsAtFirst).await;
    followed.rests(State::ErrorsAtFirst).await;
    followed.world().atlas.clear_faults();
    followed.nudge().await;
    followed.until(State::Usable).await;
    followed.rests(State::Usable).await;
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
    world.always().await;
}

/// Each of a project of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_do_not_get_far_on_a_real_api_server() {
    let world = World::new(Nature::default()).await;
    let recorder = Recorder::of(&world, LINKS).await;
    world.credentials().await;
    world.apply(&secret_named("wrong", &[("publicKey", "wrong"), ("privateKey", "wrong")])).await;
    let operator = world.start();

    let suspended = with(link_of("suspended", &project(1)), &json!({"spec": {"suspend": true}}));
    let mut suspended = Followed::apply(&world, &recorder, "suspended", &suspended).await;
    resume_unseen(&mut suspended, &operator).await;

    let refused = with(link_of("refused", &project(2)), &json!({"spec": {"credentialsRef": {"name": "wrong"}}}));
    let mut refused = Followed::apply(&world, &recorder, "refused", &refused).await;
    suspend_stalled(&mut refused, &operator).await;

    let adopting = with(link_of("adopting", &project(3)), &json!({"spec": {"adoptionPolicy": "AdoptOnly"}}));
    let mut adopting = Followed::apply(&world, &recorder, "adopting", &adopting).await;
    adopting.until(State::ServiceMissing).await;
    adopting.rests(State::ServiceMissing).await;
    let (provider, region) = (Provider::Aws, "us-east-1".to_owned());
    world.change(Change::CreateService { project: project(3), provider, region, port_mapped: false, ready: true });
    adopting.nudge().await;
    adopting.until(State::Usable).await;
    adopting.rests(State::Usable).await;

    world.atlas.inject(Rule::everywhere(Fault::UnexpectedError));
    let mut failing = Followed::apply(&world, &recorder, "failing", &link_of("failing", &project(4))).await;
    errors_at_first(&mut failing).await;
    // Last of all: what is limited now is so for a minute.
    world.atlas.inject(Rule::everywhere(Fault::ThrottledSilent));
    let mut limited = Followed::apply(&world, &recorder, "limited", &link_of("limited", &project(5))).await;
    limited.until(State::ThrottledAtFirst).await;
    limited.rests(State::ThrottledAtFirst).await;
    for followed in [suspended, refused, adopting, failing, limited] {
        followed.check();
    }
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

/// All of one link that is Ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_do_not_get_far_on_a_real_api_server() {
    let world = World::new(Nature::default()).await;
    let recorder = Recorder::of(&world, ENDPOINTS).await;
    world.credentials().await;
    world.apply(&link("orders")).await;
    let operator = world.start();
    world.until_ready(LINKS, "orders").await;

    let suspended = with(endpoint("suspended", "orders", &vpce(1)), &json!({"spec": {"suspend": true}}));
    let mut suspended = Followed::apply(&world, &recorder, "suspended", &suspended).await;
    resume_unseen(&mut suspended, &operator).await;
    let service = world.services()[0]["id"].as_str().expect("an id").to_owned();
    // A reason to leave Healthy: Atlas itself says so.
    for (word, state) in
        [(EndpointState::PendingAcceptance, State::PendingAcceptance), (EndpointState::Pending, State::Pending)]
    {
        set(&world, &service, word);
        suspended.nudge().await;
        world
            .until_is(ENDPOINTS, "suspended", word.word(), |object| object["status"]["connectionStatus"] == word.word())
            .await;
        suspended.rests(state).await;
    }
    set(&world, &service, EndpointState::Available);
    suspended.until(State::Usable).await;
    suspended.rests(State::Usable).await;

    world.atlas.inject(Rule::everywhere(Fault::UnexpectedError));
    let mut failing = Followed::apply(&world, &recorder, "failing", &endpoint("failing", "orders", &vpce(2))).await;
    errors_at_first(&mut failing).await;

    rotate(&world, "rotated");
    failing.nudge().await;
    suspend_stalled(&mut failing, &operator).await;
    rotate(&world, PRIVATE);
    failing.nudge().await;
    failing.until(State::Usable).await;

    // Last of all: what is limited now is so for a minute.
    world.atlas.inject(Rule::everywhere(Fault::ThrottledSilent));
    let mut limited = Followed::apply(&world, &recorder, "limited", &endpoint("limited", "orders", &vpce(3))).await;
    limited.until(State::ThrottledAtFirst).await;
    limited.rests(State::ThrottledAtFirst).await;
    for followed in [suspended, failing, limited] {
        followed.check();
    }
    world.always().await;
}

/// Atlas says this of the first endpoint from now on.
fn set(world: &World, service: &str, state: EndpointState) {
    let (project, service, endpoint) = (PROJECT.to_owned(), service.to_owned(), vpce(1));
    world.change(Change::SetEndpointState { project, service, endpoint, state, error: None });
}
