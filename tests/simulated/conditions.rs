//! The verdict table that GitOps tools read: what conditions say in every state, of both kinds, and what they never say.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    atlas::dialect::Dialect,
    testbed::simulator::{Change, EndpointState, Fault, Operation, Provider, Rule, ServiceState, Switches},
};
use serde_json::json;
use std::time::Duration;

const RESYNC: Duration = Duration::from_secs(900);

/// Every version of the object's status that there ever was is sound: Ready is there, at most one abnormal condition is,
/// generations agree, and there is always a reason and a message.
fn sound(world: &World, plural: &str, name: &str) {
    for version in world.kube.history(plural, NAMESPACE, name) {
        let (status, generation) = (&version.object["status"], &version.object["metadata"]["generation"]);
        let Some(conditions) = status["conditions"].as_array() else { continue };
        let types: Vec<_> = conditions.iter().map(|condition| condition["type"].as_str().unwrap()).collect();
        let ready = conditions[0]["status"].as_str().unwrap();
        let fits = match ready {
            "True" => types == ["Ready"],
            "False" => types == ["Ready", "Reconciling"] || types == ["Ready", "Stalled"],
            "Unknown" => types == ["Ready", "Reconciling"],
            _ => false,
        };
        assert!(fits, "{conditions:#?}");
        for condition in conditions {
            assert!(
                !condition["reason"].as_str().unwrap().is_empty() && !condition["message"].as_str().unwrap().is_empty()
            );
            assert_eq!(condition["observedGeneration"], status["observedGeneration"]);
            assert!(condition["observedGeneration"].as_i64() <= generation.as_i64());
        }
    }
}

fn empty(nature: Nature) -> (World, Running) {
    let mut world = World::new(nature);
    let operator = world.start();
    world.credentials();
    (world, operator)
}

#[tokio::test(start_paused = true)]
async fn a_link_on_its_way_is_reconciling_and_usable_without_endpoints() {
    for v2_waiting_for_user in [false, true] {
        let switches = Switches { v2_waiting_for_user, ..Switches::default() };
        let (world, _operator) = empty(Nature { switches, ..Nature::default() });
        world.apply(link("orders"));
        world.pass(MINUTE).await;
        assert_eq!(says(&world, LINKS, "orders"), verdict("False", "Creating", "Reconciling"));
        assert_eq!(status(&world, LINKS, "orders")["state"], "INITIATING");
        assert_eq!(status(&world, LINKS, "orders")["observedGeneration"], 1);
        world.until(3 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
        assert_eq!(says(&world, LINKS, "orders"), verdict("True", "Available", ""));
        let word = if v2_waiting_for_user { "WAITING_FOR_USER" } else { "AVAILABLE" };
        assert_eq!(status(&world, LINKS, "orders")["state"], word);
        assert!(status(&world, LINKS, "orders")["interfaceEndpoints"].is_null(), "absent, not empty");
        sound(&world, LINKS, "orders");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_waits_for_its_link_without_asking_atlas() {
    let (world, _operator) = empty(Nature::default());
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.pass(HOUR).await;
    assert_eq!(says(&world, ENDPOINTS, "orders-a"), verdict("False", "WaitingForLink", "Reconciling"));
    assert!(world.ledger().is_empty(), "nothing to ask Atlas for");
    world.apply(link("orders"));
    world.pass(MINUTE).await;
    assert_eq!(says(&world, ENDPOINTS, "orders-a"), verdict("False", "WaitingForLink", "Reconciling"));
    world.until(3 * MINUTE, "the link Ready", |world| world.link_ready("orders")).await;
    // The watch on links wakes it.
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(world.calls(Operation::AddEndpoint), 1);
    both_ready(&world).await;
    sound(&world, ENDPOINTS, "orders-a");
}

#[tokio::test(start_paused = true)]
async fn every_word_of_a_connection_has_its_verdict() {
    // v2 does not say NONE.
    let (world, _operator) = ready_pair(Nature::of(Dialect::V1)).await;
    let service = only_service(&world);
    let set = |state| {
        let (project, service, endpoint) = (PROJECT.to_owned(), service.clone(), VPCE.to_owned());
        world.change(Change::SetEndpointState { project, service, endpoint, state, error: None });
    };
    for state in [EndpointState::None, EndpointState::PendingAcceptance, EndpointState::Pending] {
        set(state);
        let shown = |world: &World| status(world, ENDPOINTS, "orders-a")["connectionStatus"] == state.word();
        world.until(17 * MINUTE, state.word(), shown).await;
        assert_eq!(says(&world, ENDPOINTS, "orders-a"), verdict("False", "PendingAcceptance", "Reconciling"));
    }
    set(EndpointState::Available);
    world.until(MINUTE, "Ready again", |world| world.endpoint_ready("orders-a")).await;
    sound(&world, ENDPOINTS, "orders-a");
}

#[tokio::test(start_paused = true)]
async fn a_word_that_nobody_knows_is_shown_and_never_ready() {
    for (plural, name, operation, field) in [
        (LINKS, "orders", Operation::ListServices, "state"),
        (ENDPOINTS, "orders-a", Operation::GetEndpoint, "connectionStatus"),
    ] {
        let (world, _operator) =
            if plural == LINKS { empty(Nature::default()) } else { ready_link(Nature::default()).await };
        world.atlas.inject(Rule::always(operation, Fault::UnknownWord));
        world.apply(link("orders"));
        world.apply(endpoint("orders-a", "orders", VPCE));
        world.until(10 * MINUTE, "shown", |world| status(world, plural, name)[field] == "PONDERING").await;
        world.pass(HOUR).await;
        let (ready, _, abnormal) = says(&world, plural, name);
        assert_eq!((ready.as_str(), abnormal.as_str()), ("False", "Reconciling"));
        assert!(message(&world, plural, NAMESPACE, name).contains("PONDERING"));
        assert!(deletes(&world).is_empty() && world.calls(Operation::CreateService) <= 1);
        world.atlas.clear_faults();
        both_ready(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refused_input_is_stalled_until_it_is_edited() {
    let (world, _operator) = empty(Nature::default());
    world.apply(with(link("orders"), json!({"spec": {"region": "nowhere-7"}})));
    world.until(MINUTE, "Stalled", |world| world.link_is("orders", Standing::Stalled, "InvalidRequest")).await;
    assert!(message(&world, LINKS, NAMESPACE, "orders").contains("nowhere-7"));
    world.apply(with(link("azure"), json!({"spec": {"provider": "AZURE", "region": "eastus2"}})));
    world.apply(endpoint("azure-a", "azure", VPCE));
    world.until(MINUTE, "Stalled", |world| world.endpoint_is("azure-a", Standing::Stalled, "InvalidRequest")).await;
    assert!(message(&world, ENDPOINTS, NAMESPACE, "azure-a").contains("AWS only"));
    world.until(5 * MINUTE, "the link is fine", |world| world.link_ready("azure")).await;
    oracle::quiet_hour(&world).await;
    world.apply(link("good"));
    world.until(5 * MINUTE, "Ready", |world| world.link_ready("good")).await;
    world.apply(endpoint("good-a", "good", "vpce-../../x"));
    world.until(MINUTE, "Stalled", |world| world.endpoint_is("good-a", Standing::Stalled, "InvalidRequest")).await;
    edit(&world, ENDPOINTS, "good-a", json!({"interfaceEndpointId": VPCE}));
    world.until(3 * MINUTE, "mended", |world| world.endpoint_ready("good-a")).await;
    assert_eq!(status(&world, ENDPOINTS, "good-a")["observedGeneration"], 2);
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "azure-a"), (ENDPOINTS, "good-a")] {
        sound(&world, plural, name);
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_first_success_trouble_is_reconciling() {
    for (fault, reason) in [
        (Fault::ThrottledSilent, "Throttled"),
        (Fault::UnexpectedError, "AtlasUnreachable"),
        (Fault::HungBefore, "AtlasUnreachable"),
        (Fault::HtmlOk, "AtlasUnreachable"),
    ] {
        let (world, _operator) = empty(Nature::default());
        world.atlas.inject(Rule::everywhere(fault));
        world.apply(link("orders"));
        world.pass(10 * MINUTE).await;
        assert_eq!(says(&world, LINKS, "orders"), verdict("False", reason, "Reconciling"));
        let writes = world.operator_writes().len();
        assert!(
            writes <= 2,
            "{writes} writes about the same trouble: {:#?}",
            world
                .operator_writes()
                .0
                .iter()
                .map(|w| w.body["status"]["conditions"][0]["message"].clone())
                .collect::<Vec<_>>()
        );
        world.atlas.clear_faults();
        world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
        sound(&world, LINKS, "orders");
    }
}

#[tokio::test(start_paused = true)]
async fn a_blip_is_not_told_and_a_long_one_ends_in_unknown() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.pass(RESYNC).await;
    let (writes, events) = (world.operator_writes().len(), world.kube.list("events").len());
    world.atlas.inject(Rule::everywhere(Fault::BadGateway));
    world.pass(2 * RESYNC - MINUTE).await;
    assert_eq!(world.operator_writes().len(), writes, "a blip writes nothing");
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        assert_eq!(says(&world, plural, name), verdict("True", "Available", ""));
    }
    world.pass(RESYNC + 5 * MINUTE).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        assert_eq!(says(&world, plural, name), verdict("Unknown", "AtlasUnreachable", "Reconciling"));
    }
    let unknown = world.operator_writes().len();
    world.pass(3 * HOUR).await;
    assert_eq!(world.operator_writes().len(), unknown, "once it is told, it is told");
    world.atlas.clear_faults();
    both_ready(&world).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        sound(&world, plural, name);
    }
    assert!(world.kube.list("events").len() <= events + 4);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_blip_counts_from_the_start() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    world.atlas.inject(Rule::everywhere(Fault::BadGateway));
    world.pass(2 * RESYNC).await;
    operator.stop().await;
    world.start();
    world.pass(2 * RESYNC).await;
    assert_eq!(says(&world, LINKS, "orders"), verdict("True", "Available", ""));
    assert_eq!(says(&world, ENDPOINTS, "orders-a"), verdict("True", "Available", ""));
    world.pass(RESYNC + 5 * MINUTE).await;
    assert_eq!(says(&world, LINKS, "orders"), verdict("Unknown", "AtlasUnreachable", "Reconciling"));
    assert_eq!(says(&world, ENDPOINTS, "orders-a"), verdict("Unknown", "AtlasUnreachable", "Reconciling"));
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_followed_by_the_observed_generation_everywhere() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    edit(&world, LINKS, "orders", json!({"deletionPolicy": "Retain"}));
    edit(&world, ENDPOINTS, "orders-a", json!({"deletionPolicy": "Retain"}));
    // Not seen yet: the conditions speak of the generation before.
    assert_eq!(status(&world, LINKS, "orders")["conditions"][0]["observedGeneration"], 1);
    world.pass(Duration::from_secs(5)).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        let status = status(&world, plural, name);
        assert_eq!(
            (&status["observedGeneration"], &status["conditions"][0]["observedGeneration"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(says(&world, plural, name), verdict("True", "Available", ""));
        sound(&world, plural, name);
    }
    assert_eq!(told(&world, "orders"), ["Created", "Ready"], "an edit that changes nothing is no news");
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_request_is_answered_at_once() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.pass(MINUTE).await;
    let lists = world.calls(Operation::ListServices);
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        let annotations = json!({"atlas.privatelink.dev/reconcile-requested-at": "12:00"});
        world.kube.patch(plural, NAMESPACE, name, json!({"metadata": {"annotations": annotations}})).unwrap();
    }
    world.pass(Duration::from_secs(5)).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        assert_eq!(status(&world, plural, name)["lastHandledReconcileAt"], "12:00");
    }
    assert!(world.calls(Operation::ListServices) > lists, "it looked");
    oracle::quiet_hour(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_object_says_what_was_last_seen_and_writes_nothing_to_atlas() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    let service = only_service(&world);
    edit(&world, LINKS, "orders", json!({"suspend": true}));
    edit(&world, ENDPOINTS, "orders-a", json!({"suspend": true, "interfaceEndpointId": "vpce-0123456789abcdef0"}));
    somebody_has_detached(&world, &service, VPCE);
    world.change(Change::DeleteService { project: PROJECT.into(), service });
    world.pass(HOUR).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        assert_eq!(says(&world, plural, name), verdict("True", "Available", ""));
        assert_eq!(status(&world, plural, name)["observedGeneration"], 2);
        sound(&world, plural, name);
    }
    assert_eq!(writes_to_atlas(&world), 2, "the POSTs of before");
    edit(&world, LINKS, "orders", json!({"suspend": null}));
    edit(&world, ENDPOINTS, "orders-a", json!({"suspend": null}));
    world.until(MINUTE, "the link resumes", |world| !world.link_ready("orders")).await;
    both_ready(&world).await;
    assert_eq!(status(&world, ENDPOINTS, "orders-a")["interfaceEndpointId"], "vpce-0123456789abcdef0");
}

#[tokio::test(start_paused = true)]
async fn what_is_suspended_from_the_start_says_how_to_resume() {
    let (world, _operator) = empty(Nature::default());
    world.apply(with(link("orders"), json!({"spec": {"suspend": true}})));
    world.apply(with(endpoint("orders-a", "orders", VPCE), json!({"spec": {"suspend": true}})));
    world.pass(HOUR).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        assert_eq!(says(&world, plural, name), verdict("False", "Suspended", "Reconciling"));
        assert!(message(&world, plural, NAMESPACE, name).contains("Remove the field to resume"));
    }
    assert_eq!(writes_to_atlas(&world), 0);
    edit(&world, LINKS, "orders", json!({"suspend": null}));
    edit(&world, ENDPOINTS, "orders-a", json!({"suspend": null}));
    both_ready(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_being_deleted_says_so() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.pass(MINUTE).await;
    assert_eq!(says(&world, LINKS, "orders"), verdict("False", "DeletionBlocked", "Reconciling"));
    assert!(message(&world, LINKS, NAMESPACE, "orders").contains("\"orders-a\""));
    assert!(world.endpoint_ready("orders-a"), "it is in use until it is deleted itself");
    world.apply(endpoint("late", "orders", FOREIGN));
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(says(&world, ENDPOINTS, "late"), verdict("False", "WaitingForLink", "Reconciling"));
    assert_eq!(message(&world, ENDPOINTS, NAMESPACE, "late"), "the AtlasPrivateLink \"orders\" is being deleted");
    world.kube.delete(ENDPOINTS, NAMESPACE, "late").unwrap();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.pass(Duration::from_secs(10)).await;
    gone_without_trace(&world).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        sound(&world, plural, name);
        assert_eq!(told(&world, name), ["Created", "Ready", "Deleted"]);
    }
}

#[tokio::test(start_paused = true)]
async fn drift_of_a_service_is_shown_at_the_next_resync() {
    let (world, _operator) = ready_link(Nature::default()).await;
    let (project, service) = (PROJECT.to_owned(), only_service(&world));
    let state = ServiceState::Initiating;
    world.change(Change::SetServiceState { project: project.clone(), service: service.clone(), state, error: None });
    world
        .until(17 * MINUTE, "shown", |world| {
            says(world, LINKS, "orders") == verdict("False", "Creating", "Reconciling")
        })
        .await;
    let state = ServiceState::Ready;
    world.change(Change::SetServiceState { project, service, state, error: None });
    world.until(MINUTE, "Ready again", |world| world.link_ready("orders")).await;
    assert_eq!(world.calls(Operation::CreateService), 1);
}

#[tokio::test(start_paused = true)]
async fn gcp_and_azure_links_are_usable_too() {
    let (world, _operator) = empty(Nature::default());
    world.apply(with(link("azure"), json!({"spec": {"provider": "AZURE", "region": "eastus2"}})));
    world.apply(with(link("gcp"), json!({"spec": {"provider": "GCP", "region": "us-east4"}})));
    world.until(10 * MINUTE, "Ready", |world| world.link_ready("azure") && world.link_ready("gcp")).await;
    assert!(status(&world, LINKS, "azure")["privateLinkServiceResourceId"].is_string());
    assert!(status(&world, LINKS, "gcp")["serviceAttachmentNames"].is_array());
    let providers: Vec<_> = world.ledger().creates().into_keys().map(|key| key.1).collect();
    assert!(providers.contains(&Provider::Azure) && providers.contains(&Provider::Gcp));
    oracle::quiet_hour(&world).await;
}
