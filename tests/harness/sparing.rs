//! What is asked for sparingly. Secrets are read by GET, in the object's own namespace, never listed or watched, and seldom;
//! and whoever was told by Atlas to wait waits.

use super::world::*;
use atlas_privatelink_operator::testbed::{
    kubernetes::{RequestRecord, Verb},
    simulator::{Ledger, Operation, Request},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Whatever operators get and list is as new as what the server has stored: it is not from a cache, which may lag behind what
/// they have seen before ("Most Recent" of the API concepts, "Resource versions in metadata").
pub fn lists_are_of_the_present(world: &World) {
    let cached = |record: &RequestRecord| {
        let any = record.query.contains("resourceVersion=") && [Verb::List, Verb::Get].contains(&record.verb);
        let some = record.query.contains("resourceVersion=0") && record.verb == Verb::Watch;
        record.client.starts_with("operator") && (any || some)
    };
    let cached = world.kube.log().matching(cached).0;
    assert!(cached.is_empty(), "from a cache: {cached:#?}");
}

/// Every read of a Secret.
pub fn reads(world: &World) -> Vec<Arc<RequestRecord>> {
    let asked = |record: &RequestRecord| record.resource == "secrets" && record.client.starts_with("operator");
    world.kube.log().matching(asked).0
}

/// The Secrets that links have ever named, each in the namespace of the link.
fn named(world: &World) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let links = world.kube.past(LINKS).into_iter().map(|version| version.object);
    let named = |link: Value| (text(&link["metadata"]["namespace"]), text(&link["spec"]["credentialsRef"]["name"]));
    links.map(named).collect()
}

/// Whether the Secret held a credential then.
fn was_usable(world: &World, namespace: &str, name: &str, at: Timestamp) -> bool {
    let versions = world.kube.history("secrets", namespace, name);
    let Some(version) = versions.iter().take_while(|version| version.at <= at).last() else { return false };
    let has = |key: &str| version.object["data"][key].is_string();
    let key = has("publicKey") && has("privateKey") || has("publicApiKey") && has("privateApiKey");
    key != (has("clientId") && has("clientSecret"))
}

/// When Atlas refused a credential: by a second 401 to the same request, for the first may have been a challenge, or by
/// giving no token.
fn refusals(ledger: &Ledger) -> Vec<Timestamp> {
    let (mut challenged, mut refusals) = (BTreeSet::new(), Vec::new());
    for (at, request) in ledger.iter().filter_map(|entry| Some((entry.at, entry.request()?))) {
        if request.operation == Some(Operation::Token) {
            refusals.extend(request.status.filter(|status| (400..404).contains(status)).map(|_| at));
        } else if request.status != Some(401) {
            challenged.remove(&request.path);
        } else if !challenged.insert(&request.path) || !request.challenged {
            refusals.push(at);
        }
    }
    refusals
}

/// Secrets are read one by one, only those that objects of their namespace name, and each at most once a minute, unless
/// Atlas has refused what was read.
pub fn are_read_sparingly(world: &World) {
    let (named, refusals) = (named(world), refusals(&world.ledger()));
    let mut last: Vec<Arc<RequestRecord>> = Vec::new();
    for read in reads(world) {
        assert!(read.verb == Verb::Get && !read.name.is_empty(), "a Secret is not read by GET: {read:?}");
        let it = (read.namespace.clone(), read.name.clone());
        assert!(named.contains(&it), "a Secret is read that no object of its namespace names: {read:?}");
        let of_same = |earlier: &&Arc<RequestRecord>| {
            (&earlier.client, &earlier.namespace, &earlier.name) == (&read.client, &read.namespace, &read.name)
        };
        let before = last.iter().rev().find(of_same);
        if let Some(before) = before.filter(|before| before.code == Some(200)) {
            let soon = read.at.duration_since(before.at) < SignedDuration::from_secs(60);
            let cause = refusals.iter().any(|at| before.at <= *at && *at <= read.at);
            let usable = was_usable(world, &read.namespace, &read.name, before.at);
            assert!(!soon || cause || !usable, "read again within a minute, for no reason: {before:?}\n{read:?}");
        }
        last.push(read);
    }
}

/// How long a fault of the simulator asks to be left alone, as `Fault::all` has it, less a second that a date may lose.
pub fn pause(fault: &str) -> Option<SignedDuration> {
    match fault {
        "throttled-seconds" | "throttled-date" => Some(SignedDuration::from_secs(6)),
        "unavailable" => Some(SignedDuration::from_secs(4)),
        _ => None,
    }
}

/// For how long a request is on its way, so that Atlas' word comes too late for it.
const WAY: SignedDuration = SignedDuration::from_millis(50);

/// The project that a request is about, as its path names it.
pub fn project(request: &Request) -> Option<&str> {
    project_in(&request.path)
}

/// The project that a path names.
pub fn project_in(path: &str) -> Option<&str> {
    path.split('/').skip_while(|part| *part != "groups").nth(1)
}

/// Whoever was told how long to wait, in seconds or by a date, asks nothing of the project before that. An operator that
/// was started since does not know of it.
pub fn pauses_are_kept(world: &World) {
    let (ledger, deaths) = (world.ledger(), world.deaths.lock().unwrap().clone());
    let late = SignedDuration::try_from(world.nature.late).unwrap();
    let mut told: BTreeMap<&str, (Timestamp, SignedDuration)> = BTreeMap::new();
    for (at, request) in ledger.iter().filter_map(|entry| Some((entry.at, entry.request()?))) {
        let Some(project) = project(request) else { continue };
        if let Some((since, pause)) = told.get(project) {
            let died = deaths.iter().any(|death| since <= death && *death <= at);
            let way = if request.method == "GET" { WAY } else { WAY + late };
            let kept = at <= *since + way || at >= *since + *pause || died;
            assert!(
                kept,
                "{} {} at {at}, though {project} was to be left alone since {since}",
                request.method, request.path
            );
        }
        if let Some(pause) = request.fault.and_then(pause) {
            told.insert(project, (at, pause));
        }
    }
}
