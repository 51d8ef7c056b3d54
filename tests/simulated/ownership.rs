//! Who owns what several resources name, and what is never taken for ours (design.md, safety rules 2, 3 and 7).

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::{RECONCILE_ANNOTATION, Standing},
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Operation},
};
use serde_json::{Value, json};
use std::time::Duration;

fn policy(name: &str, adoption: &str) -> Value {
    with(link(name), json!({"spec": {"adoptionPolicy": adoption}}))
}

fn delete_link(world: &World, name: &str) {
    world.kube.delete(LINKS, NAMESPACE, name).unwrap();
}

/// Creation times have whole seconds; whoever is to be younger comes later than that.
async fn a_moment(world: &World) {
    world.pass(Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_younger_link_shares_and_names_the_owner() {
    let (world, _operator) = ready_link(Nature::default()).await;
    world.apply(link("younger"));
    world.until(MINUTE, "shared", |world| ready_as(world, LINKS, NAMESPACE, "younger", "Adopted")).await;
    let said = message(&world, LINKS, NAMESPACE, "younger");
    assert!(said.contains("owned by \"orders\""), "{said}");
    oracle::quiet_hour(&world).await;
    delete_link(&world, "younger");
    world.until(5 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "younger").is_none()).await;
    assert!(world.link_ready("orders"));
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(world.calls(Operation::CreateService), 1);
}

#[tokio::test(start_paused = true)]
async fn two_links_that_begin_together_have_one_owner() {
    let (world, _operator) = empty();
    world.apply(link("one"));
    a_moment(&world).await;
    world.apply(link("two"));
    world
        .until(10 * MINUTE, "one owns, the other shares", |world| {
            ready_as(world, LINKS, NAMESPACE, "one", "Created") && ready_as(world, LINKS, NAMESPACE, "two", "Adopted")
        })
        .await;
    assert_eq!(world.calls(Operation::CreateService), 1);
    oracle::quiet_hour(&world).await;
}

/// Both spellings of a region, in either order, are one service's.
#[tokio::test(start_paused = true)]
async fn a_younger_link_shares_however_its_region_is_spelt() {
    for dialect in [Dialect::V2, Dialect::V1] {
        for [older, younger] in [["us-east-1", "US_EAST_1"], ["US_EAST_1", "us-east-1"]] {
            let mut world = World::new(Nature::of(dialect));
            let operator = world.start();
            world.credentials();
            world.apply(with(link("orders"), json!({"spec": {"region": older}})));
            a_moment(&world).await;
            world.apply(with(link("younger"), json!({"spec": {"region": younger}})));
            let one_owner = |world: &World| {
                ready_as(world, LINKS, NAMESPACE, "orders", "Created")
                    && ready_as(world, LINKS, NAMESPACE, "younger", "Adopted")
            };
            world.until(10 * MINUTE, "one owns, the other shares", one_owner).await;
            let said = message(&world, LINKS, NAMESPACE, "younger");
            assert!(said.contains("owned by \"orders\""), "{said}");
            oracle::created(&world, 1, 0);
            oracle::quiet_hour(&world).await;
            // Who is named otherwise inherits all the same.
            delete_link(&world, "orders");
            let inherited = |world: &World| ready_as(world, LINKS, NAMESPACE, "younger", "Created");
            world.until(5 * MINUTE, "handed over", inherited).await;
            assert_eq!(deletes(&world), Vec::<String>::new());
            delete_link(&world, "younger");
            gone_without_trace(&world).await;
            operator.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_owner_elsewhere_only_the_namespace_is_told() {
    let (world, _operator) = ready_link(Nature::default()).await;
    world.secret(ELSEWHERE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)]);
    world.apply(within(ELSEWHERE, link("younger")));
    world.until(MINUTE, "shared", |world| ready_as(world, LINKS, ELSEWHERE, "younger", "Adopted")).await;
    let said = message(&world, LINKS, ELSEWHERE, "younger");
    assert!(said.contains(NAMESPACE) && !said.contains("orders"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_younger_create_only_is_stalled() {
    let (world, _operator) = ready_link(Nature::default()).await;
    world.apply(policy("younger", "CreateOnly"));
    world.until(MINUTE, "Stalled", |world| world.link_is("younger", Standing::Stalled, "AlreadyExists")).await;
    let said = message(&world, LINKS, NAMESPACE, "younger");
    assert!(said.contains("\"orders\""), "{said}");
    assert!(status(&world, LINKS, "younger")["origin"].is_null(), "it uses nothing");
    // It never asked to use what is there, so it holds nothing back and inherits nothing.
    delete_link(&world, "orders");
    world.until(10 * MINUTE, "the owner gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    world
        .until(30 * MINUTE, "then it creates its own", |world| ready_as(world, LINKS, NAMESPACE, "younger", "Created"))
        .await;
    oracle::always(&world);
}

#[tokio::test(start_paused = true)]
async fn adopt_only_waits_shares_holds_back_and_never_inherits() {
    let (world, _operator) = empty();
    world.apply(policy("sharer", "AdoptOnly"));
    world.until(MINUTE, "waiting", |world| world.link_is("sharer", Standing::Reconciling, "WaitingForService")).await;
    world.pass(HOUR).await;
    assert_eq!(world.calls(Operation::CreateService), 0, "AdoptOnly never creates");
    world.apply(link("orders"));
    world.until(10 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
    world.until(16 * MINUTE, "shared", |world| ready_as(world, LINKS, NAMESPACE, "sharer", "Adopted")).await;
    delete_link(&world, "orders");
    world.until(MINUTE, "held back", |world| world.link_is("orders", Standing::Reconciling, "DeletionBlocked")).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains("\"sharer\""), "{said}");
    oracle::quiet_wait(&world).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert!(ready_as(&world, LINKS, NAMESPACE, "sharer", "Adopted"), "it never inherits");
    delete_link(&world, "sharer");
    gone_without_trace(&world).await;
}

#[tokio::test(start_paused = true)]
async fn retain_is_held_back_by_nobody() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    let service = only_service(&world);
    foreign_endpoint(&world, &service);
    world.apply(policy("sharer", "AdoptOnly"));
    world.until(MINUTE, "shared", |world| world.link_ready("sharer")).await;
    delete_link(&world, "orders");
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world
        .until(5 * MINUTE, "held back", |world| world.link_is("orders", Standing::Reconciling, "DeletionBlocked"))
        .await;
    world.kube.patch(LINKS, NAMESPACE, "orders", json!({"spec": {"deletionPolicy": "Retain"}})).unwrap();
    world.until(MINUTE, "let go", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    assert_eq!(only_service(&world), service);
    assert_eq!(told(&world, "orders").last().map(String::as_str), Some("Kept"));
    assert!(world.ledger().service_deletes().is_empty());
}

/// A link whose key Atlas has stopped accepting.
async fn a_dead_link(world: &World, name: &str, adoption: &str) {
    world.secret(NAMESPACE, "dead", &[("publicKey", "deadpubl"), ("privateKey", "no-such-key")]);
    world.apply(with(policy(name, adoption), json!({"spec": {"credentialsRef": {"name": "dead"}}})));
    world.until(MINUTE, "refused", |world| world.link_is(name, Standing::Stalled, "CredentialsRefused")).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_not_listed_the_project_neither_owns_nor_holds_back() {
    let (world, _operator) = empty();
    a_dead_link(&world, "older", "AdoptOrCreate").await;
    a_dead_link(&world, "reader", "AdoptOnly").await;
    a_moment(&world).await;
    world.apply(link("orders"));
    world.until(10 * MINUTE, "Ready", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Created")).await;
    assert!(!message(&world, LINKS, NAMESPACE, "orders").contains("owned by"));
    delete_link(&world, "orders");
    world.until(5 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    oracle::nothing_left(&world);
}

#[tokio::test(start_paused = true)]
async fn a_sharer_whose_key_died_no_longer_holds_back() {
    let (world, _operator) = ready_link(Nature::default()).await;
    world.change(Change::Rotate { name: "otherkey".into(), secret: "other-secret".into() });
    world.secret(NAMESPACE, "other", &[("publicKey", "otherkey"), ("privateKey", "other-secret")]);
    world.apply(with(policy("sharer", "AdoptOnly"), json!({"spec": {"credentialsRef": {"name": "other"}}})));
    world.until(MINUTE, "shared", |world| world.link_ready("sharer")).await;
    delete_link(&world, "orders");
    world.until(MINUTE, "held back", |world| world.link_is("orders", Standing::Reconciling, "DeletionBlocked")).await;
    world.change(Change::Enable { name: "otherkey".into(), enabled: false });
    world
        .until(30 * MINUTE, "gone once the sharer is refused", |world| world.find_link(NAMESPACE, "orders").is_none())
        .await;
    oracle::nothing_left(&world);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_service_is_used_and_kept() {
    let (world, _operator) = empty();
    let service = foreign_service(&world);
    world.apply(link("orders"));
    world.until(MINUTE, "adopted", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Adopted")).await;
    assert_eq!(told(&world, "orders"), ["Adopted", "Ready"]);
    oracle::quiet_hour(&world).await;
    delete_link(&world, "orders");
    world.until(MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    assert_eq!(only_service(&world), service);
    assert_eq!(told(&world, "orders"), ["Adopted", "Ready", "Kept"]);
    assert_eq!(writes_to_atlas(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_service_is_deleted_where_the_manifest_says_delete() {
    let (world, _operator) = empty();
    foreign_service(&world);
    world.apply(with(link("orders"), json!({"spec": {"deletionPolicy": "Delete"}})));
    world.until(MINUTE, "Ready", |world| world.link_ready("orders")).await;
    delete_link(&world, "orders");
    gone(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_attached_endpoint_that_is_not_ours_holds_the_deletion_back() {
    let (world, _operator) = ready_link(Nature::default()).await;
    let service = only_service(&world);
    foreign_endpoint(&world, &service);
    delete_link(&world, "orders");
    world.until(MINUTE, "held back", |world| world.link_is("orders", Standing::Reconciling, "DeletionBlocked")).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains(FOREIGN), "{said}");
    oracle::quiet_wait(&world).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    somebody_has_detached(&world, &service, FOREIGN);
    gone_without_trace(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_endpoint_is_used_and_kept_unless_the_manifest_says_delete() {
    for explicit in [false, true] {
        let (world, _operator) = ready_link(Nature::default()).await;
        foreign_endpoint(&world, &only_service(&world));
        let policy = if explicit { json!({"spec": {"deletionPolicy": "Delete"}}) } else { json!({}) };
        world.apply(with(endpoint("orders-a", "orders", FOREIGN), policy));
        world.until(MINUTE, "adopted", |world| ready_as(world, ENDPOINTS, NAMESPACE, "orders-a", "Adopted")).await;
        assert_eq!(told(&world, "orders-a"), ["Adopted", "Ready"]);
        world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
        world.until(5 * MINUTE, "gone", |world| world.find_endpoint(NAMESPACE, "orders-a").is_none()).await;
        let removed: Vec<_> = world.ledger().endpoint_deletes().iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(removed, if explicit { vec![FOREIGN.to_owned()] } else { Vec::new() });
        let last = told(&world, "orders-a").last().cloned();
        assert_eq!(last.as_deref(), Some(if explicit { "Deleted" } else { "Kept" }));
    }
}

#[tokio::test(start_paused = true)]
async fn create_only_does_not_use_a_foreign_service() {
    let (world, _operator) = empty();
    let service = foreign_service(&world);
    world.apply(policy("orders", "CreateOnly"));
    world.until(MINUTE, "Stalled", |world| world.link_is("orders", Standing::Stalled, "AlreadyExists")).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains(&service), "{said}");
    oracle::quiet_hour(&world).await;
    assert_eq!(writes_to_atlas(&world), 0);
    world.change(Change::DeleteService { project: PROJECT.into(), service });
    world.until(30 * MINUTE, "its own", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Created")).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_clusters_on_one_atlas_exactly_one_says_created() {
    for seed in 0..5 {
        let mut here = World::new(Nature { seed, ..Nature::default() });
        let mut there = here.beside();
        let _operators = (here.start(), there.start());
        for world in [&here, &there] {
            world.credentials();
            world.apply(link("orders"));
        }
        let ready = |world: &World| status(world, LINKS, "orders")["conditions"][0]["status"] == "True";
        here.until(10 * MINUTE, "Ready here", ready).await;
        there.until(10 * MINUTE, "Ready there", ready).await;
        let origins: Vec<_> =
            [&here, &there].iter().map(|world| status(world, LINKS, "orders")["origin"].clone()).collect();
        let created = origins.iter().filter(|origin| *origin == "Created").count();
        assert_eq!(created, 1, "seed {seed}: {origins:?}");
        oracle::always(&here);
        let (adopter, owner) = if origins[0] == "Created" { (&there, &here) } else { (&here, &there) };
        delete_link(adopter, "orders");
        adopter.until(5 * MINUTE, "the adopter gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
        assert_eq!(deletes(&here), Vec::<String>::new(), "seed {seed}: what the other one owns is deleted");
        delete_link(owner, "orders");
        owner.until(5 * MINUTE, "the owner gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
        oracle::nothing_left(&here);
    }
}

#[tokio::test(start_paused = true)]
async fn two_operators_on_one_cluster_create_nothing_twice_and_fall_silent() {
    for seed in 0..5 {
        let mut world = World::new(Nature { seed, ..Nature::default() });
        let _operators = (world.start(), world.start());
        world.credentials();
        world.apply(link("orders"));
        world.apply(endpoint("orders-a", "orders", VPCE));
        both_ready(&world).await;
        let creates: usize = world.ledger().creates().values().sum();
        assert_eq!(creates, 1, "seed {seed}");
        assert_eq!(world.ledger().endpoint_adds(), [VPCE], "seed {seed}");
        // Both have looked again after the last write of either.
        world.pass(16 * MINUTE).await;
        let writes = world.operator_writes().len();
        world.pass(HOUR).await;
        let written = world.operator_writes();
        assert_eq!(written.len(), writes, "seed {seed}: {:#?}", &written.0[writes..]);
        for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
            assert!(ready_as(&world, plural, NAMESPACE, name, "Created"), "seed {seed}: {}", world.picture());
            world.kube.delete(plural, NAMESPACE, name).unwrap();
        }
        gone(&world).await;
        oracle::always(&world);
    }
}

/// Long before its own next look.
#[tokio::test(start_paused = true)]
async fn what_a_younger_one_sees_gone_its_owner_hears_of() {
    let (world, _operator) = ready_link(Nature::default()).await;
    world.apply(link("younger"));
    world.until(MINUTE, "shared", |world| ready_as(world, LINKS, NAMESPACE, "younger", "Adopted")).await;
    world.pass(HOUR).await;
    let service = status(&world, LINKS, "orders")["privateLinkId"].as_str().unwrap().to_owned();
    world.change(Change::DeleteService { project: PROJECT.into(), service });
    let request = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: "now"}}});
    world.kube.patch(LINKS, NAMESPACE, "younger", request).unwrap();
    world.until(2 * MINUTE, "made again", |world| world.calls(Operation::CreateService) == 2).await;
}
