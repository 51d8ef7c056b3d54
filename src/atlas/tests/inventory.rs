//! The shared inventory over a scripted Atlas: what a write's answer shows, and what is forgotten.

use super::harness::{
    ENDPOINT, Fake, SERVICE, answer, atlas, config, endpoint, key, other_project, refusal, region, secret, service,
    with,
};
use crate::{
    atlas::{
        Atlas, AtlasConfig, Basis, Caller, Sent, WriteKey,
        dialect::Dialect,
        error::{Class, Denial},
        inventory::{Inventory, Need, Services},
        model::ServiceState,
        observe::{CallReport, Observer, ReadReport},
        region::{Provider, Region},
    },
    clock::Clock,
};
use http::Method;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

/// An Atlas that takes every write and whose lists show nothing, or the service without endpoints.
fn scripted(listed: bool) -> (Inventory, Atlas, Arc<Fake>) {
    let body = format!(
        r#"{{"id":"{SERVICE}","cloudProvider":"AWS","regionName":"US_EAST_1","status":"AVAILABLE","interfaceEndpoints":[]}}"#
    );
    let fake = Fake::new(move |request| {
        let path = request.uri().path();
        match *request.method() {
            Method::DELETE => answer(204, ""),
            Method::POST if path.ends_with("/endpoint") => {
                answer(201, &format!(r#"{{"interfaceEndpointId":"{ENDPOINT}","connectionStatus":"PENDING"}}"#))
            }
            Method::POST => answer(201, &body.replace("AVAILABLE", "INITIATING")),
            _ if path.ends_with("endpointService") && listed => answer(200, &format!("[{body}]")),
            _ if path.ends_with("endpointService") => answer(200, "[]"),
            _ => answer(200, &format!(r#"{{"interfaceEndpointId":"{ENDPOINT}","connectionStatus":"AVAILABLE"}}"#)),
        }
    });
    let atlas = atlas(Dialect::V2, &fake);
    (Inventory::new(atlas.clone(), Clock::system()), atlas, fake)
}

fn need(max_age: Duration) -> Need {
    Need { after: None, not_before: None, max_age, insist: false }
}

async fn list(inventory: &Inventory, caller: &Caller, max_age: Duration) -> Services {
    inventory.services(caller, Provider::Aws, need(max_age)).await.unwrap()
}

/// A basis for a write of any key, read just now.
fn basis(atlas: &Atlas) -> Basis {
    let read = Sent { sequence: atlas.sequence(), at: Instant::now() };
    Basis { key: WriteKey::Service(key().project, region()), read }
}

async fn create(inventory: &Inventory, atlas: &Atlas, caller: &Caller) {
    inventory.create_service(caller, &region(), &basis(atlas)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_created_service_is_laid_over_an_older_list_and_not_over_a_newer_one() {
    let (inventory, atlas, fake) = scripted(false);
    assert!(list(&inventory, &key(), HOUR).await.value.is_empty());
    assert!(inventory.services(&key(), Provider::Azure, need(HOUR)).await.unwrap().value.is_empty());
    create(&inventory, &atlas, &key()).await;
    let older = list(&inventory, &key(), HOUR).await;
    assert!(inventory.services(&key(), Provider::Azure, need(HOUR)).await.unwrap().value.is_empty());
    assert_eq!(fake.count(), 3, "the list was not asked for again");
    assert_eq!((older.value[0].id, &older.value[0].state), (service(), &ServiceState::Initiating));
    assert!(list(&inventory, &other_project(&key()), HOUR).await.value.is_empty());
    let newer = list(&inventory, &key(), Duration::ZERO).await;
    assert!(newer.value.is_empty(), "it is gone, whatever the answer said then");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_is_told_as_going_not_as_gone() {
    let (inventory, atlas, _) = scripted(true);
    list(&inventory, &key(), HOUR).await;
    inventory.delete_service(&key(), Provider::Aws, service(), &basis(&atlas)).await.unwrap();
    assert_eq!(list(&inventory, &key(), HOUR).await.value[0].state, ServiceState::Deleting);
    assert_eq!(list(&inventory, &key(), Duration::ZERO).await.value[0].state, ServiceState::Available);
}

#[tokio::test(start_paused = true)]
async fn an_attached_endpoint_is_shown_with_its_service_and_its_connection() {
    let (inventory, atlas, fake) = scripted(true);
    list(&inventory, &key(), HOUR).await;
    inventory.add_endpoint(&key(), service(), &endpoint(), &basis(&atlas)).await.unwrap();
    assert_eq!(list(&inventory, &key(), HOUR).await.value[0].endpoints, [ENDPOINT]);
    inventory.add_endpoint(&key(), service(), &endpoint(), &basis(&atlas)).await.unwrap();
    assert_eq!(list(&inventory, &key(), HOUR).await.value[0].endpoints, [ENDPOINT], "once, however often it was added");
    let connection = inventory.endpoint(&key(), service(), &endpoint(), need(HOUR)).await.unwrap();
    assert_eq!((connection.value.status.as_str(), fake.count()), ("PENDING", 3), "the answer is an observation");
    inventory.remove_endpoint(&key(), service(), &endpoint(), &basis(&atlas)).await.unwrap();
    let connection = inventory.endpoint(&key(), service(), &endpoint(), need(HOUR)).await.unwrap();
    assert_eq!((connection.value.status.as_str(), fake.count()), ("AVAILABLE", 5), "after a removal it is read anew");
}

#[tokio::test(start_paused = true)]
async fn one_list_serves_64_readers() {
    let (inventory, _, fake) = scripted(true);
    let caller = key();
    let reads = (0..64).map(|_| list(&inventory, &caller, HOUR));
    assert!(futures::future::join_all(reads).await.iter().all(|view| view.value.len() == 1));
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn notes_are_kept_for_every_list_that_may_still_be_shown_and_no_longer() {
    let (inventory, atlas, _) = scripted(false);
    let other = Caller { credential: secret([("publicKey", "other"), ("privateKey", "hunter3")]), ..key() };
    list(&inventory, &key(), HOUR).await;
    list(&inventory, &other, HOUR).await;
    create(&inventory, &atlas, &key()).await;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert!(list(&inventory, &key(), Duration::ZERO).await.value.is_empty());
    assert_eq!(list(&inventory, &other, HOUR).await.value.len(), 1, "its list is older than the write");
    assert!(list(&inventory, &other, Duration::ZERO).await.value.is_empty());
    list(&inventory, &other, HOUR).await;
    let [_, _, notes, _] = inventory.size();
    assert_eq!(notes, 0);
}

#[tokio::test(start_paused = true)]
async fn notes_outlive_the_lists_that_were_under_way_with_them() {
    let (inventory, atlas, _) = scripted(false);
    let notes = async || {
        list(&inventory, &key(), Duration::ZERO).await;
        inventory.size()[2]
    };
    create(&inventory, &atlas, &key()).await;
    assert_eq!(notes().await, 1);
    tokio::time::advance(Duration::from_secs(119)).await;
    assert_eq!(notes().await, 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(notes().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_project_has_one_turn_to_write_and_no_other_waits_for_it() {
    let (inventory, ..) = scripted(false);
    let (project, other) = (key().project, other_project(&key()).project);
    let waits = async |project| {
        let got = tokio::time::timeout(Duration::from_secs(1), inventory.turn(project)).await;
        !matches!(got, Ok(Some(_)))
    };
    let turn = inventory.turn(project).await.expect("nobody has it");
    assert!(waits(project).await);
    assert!(!waits(other).await);
    assert!(waits(project).await, "it is not forgotten for another's");
    drop(turn);
    assert!(!waits(project).await);
    assert!(inventory.turn(other).await.is_some());
    assert_eq!(inventory.turns(), 1, "those that nobody has are forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_list_tells_what_time_it_is_at_atlas_and_what_is_left_and_grows_old() {
    let fake = Fake::new(|_| {
        let answer = with(answer(200, "[]"), "date", "Sat, 21 Nov 2026 20:00:00 GMT");
        with(answer, "ratelimit-remaining", "5")
    });
    let (inventory, clock) = (Inventory::new(atlas(Dialect::V2, &fake), Clock::system()), Clock::system());
    let age = |caller: &Caller, provider| inventory.age(caller.project, provider);
    assert_eq!((age(&key(), Provider::Aws), inventory.budget(key().project)), (None, None));
    let view = list(&inventory, &key(), HOUR).await;
    let told: jiff::Timestamp = "2026-11-21T20:00:00Z".parse().unwrap();
    let read = view.read.at;
    assert!(view.atlas_time(&clock, read).duration_since(told).abs() < jiff::SignedDuration::from_millis(1));
    let later = view.atlas_time(&clock, read + HOUR).duration_since(told);
    assert!((later - jiff::SignedDuration::from_hours(1)).abs() < jiff::SignedDuration::from_millis(1), "{later}");
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(age(&key(), Provider::Aws), Some(Duration::from_secs(30)));
    assert_eq!((age(&key(), Provider::Gcp), age(&other_project(&key()), Provider::Aws)), (None, None));
    assert_eq!(inventory.budget(key().project), Some(5));
    assert_eq!(inventory.budget(other_project(&key()).project), None);
}

#[tokio::test(start_paused = true)]
async fn only_v2_can_ask_for_a_service_at_another_provider() {
    let fake = Fake::new(|_| answer(200, "[]"));
    let azure = Region::parse(Provider::Azure, "eastus2").unwrap();
    for (dialect, can) in [(Dialect::V2, true), (Dialect::V1, false)] {
        let inventory = Inventory::new(atlas(dialect, &fake), Clock::system());
        assert_eq!(inventory.supports(&azure).is_ok(), can, "{dialect}");
        assert_eq!(inventory.supports_listing(Provider::Azure).is_ok(), can, "{dialect}");
        assert!(inventory.supports(&region()).is_ok(), "{dialect}");
        assert!(inventory.supports_listing(Provider::Aws).is_ok(), "{dialect}");
    }
}

#[derive(Default)]
struct Looks(Mutex<Vec<(&'static str, bool)>>);

impl Observer for Looks {
    fn finished(&self, _: &CallReport) {}

    fn read(&self, look: ReadReport) {
        self.0.lock().unwrap().push((look.view, look.asked));
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_is_told_of_every_look() {
    let looks = Arc::new(Looks::default());
    let (_, _, fake) = scripted(true);
    let config = AtlasConfig { observer: looks.clone(), ..config(Dialect::V2) };
    let inventory = Inventory::new(Atlas::new(config, fake), Clock::system());
    for _ in 0..2 {
        list(&inventory, &key(), HOUR).await;
        inventory.endpoint(&key(), service(), &endpoint(), need(HOUR)).await.unwrap();
    }
    let told = looks.0.lock().unwrap().clone();
    assert_eq!(told, [("services", true), ("endpoint", true), ("services", false), ("endpoint", false)]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer_and_a_failure_is_none() {
    for (status, answered) in [(403, true), (404, true), (500, false), (429, false)] {
        let fake = Fake::new(move |_| refusal(status, "SOMETHING"));
        let inventory = Inventory::new(atlas(Dialect::V2, &fake), Clock::system());
        let unseen = inventory.services(&key(), Provider::Aws, need(HOUR)).await.unwrap_err();
        assert_eq!(unseen.answered(), answered, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_does_not_grow_with_what_is_gone() {
    let (inventory, atlas, _) = scripted(false);
    for round in 0..200 {
        // Every round a new credential and a new endpoint, as after a year of rotations.
        let credential = secret([("publicKey", &format!("key-{round}")), ("privateKey", "hunter2")]);
        let caller = Caller { credential, ..key() };
        list(&inventory, &caller, HOUR).await;
        create(&inventory, &atlas, &caller).await;
        let id = format!("vpce-{round:08x}").parse().unwrap();
        let _ = inventory.endpoint(&caller, service(), &id, need(HOUR)).await;
        inventory.refuse_writes(&caller, denied(&inventory).await);
        tokio::time::advance(HOUR * 48).await;
    }
    let [groups, endpoints, notes, refused] = inventory.size();
    assert!(groups <= 2 && endpoints <= 2 && notes <= 2 && refused <= 2, "{:?}", inventory.size());
}

async fn denied(_: &Inventory) -> crate::atlas::Failure {
    let fake = Fake::new(|_| refusal(403, "USER_UNAUTHORIZED"));
    atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn refused_writes_hold_for_the_credential_and_the_project_with_growing_pauses() {
    let (inventory, atlas, _) = scripted(false);
    let failure = denied(&inventory).await;
    assert_eq!(failure.error.class, Class::Denied(Denial::Access));
    let mut pauses = Vec::new();
    assert!(!inventory.has_refused_writes(&key()));
    for _ in 0..5 {
        inventory.refuse_writes(&key(), failure.clone());
        let pause = inventory.writes_refused(&key()).unwrap().retry_at - Instant::now();
        pauses.push(pause.as_secs() / 60);
        tokio::time::advance(pause - Duration::from_secs(1)).await;
        assert!(inventory.writes_refused(&key()).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(inventory.writes_refused(&key()).is_none(), "one may ask again");
    }
    assert_eq!(pauses, [1, 2, 4, 5, 5]);
    assert!(inventory.has_refused_writes(&key()));
    inventory.refuse_writes(&key(), failure.clone());
    assert!(inventory.writes_refused(&other_project(&key())).is_none());
    let other = Caller { credential: secret([("publicKey", "pub"), ("privateKey", "hunter3")]), ..key() };
    assert!(inventory.writes_refused(&other).is_none());
    create(&inventory, &atlas, &key()).await;
    assert!(inventory.writes_refused(&key()).is_none(), "a write that was taken ends it");
    assert!(!inventory.has_refused_writes(&key()));
}
