//! What must hold after anything.

use super::{
    bounds,
    canary::tells,
    life::RESYNC,
    looks::writes_to_atlas,
    past::{self, Objects},
    sparing, statuses,
    world::*,
};
use atlas_privatelink_operator::testbed::{
    kubernetes::RequestRecord,
    simulator::{Cause, Effect, Entry, Operation},
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Nothing was created twice, nothing foreign was deleted, nobody saw a secret, no process had two writes of a project
/// under way at once, no status lied, and no finalizer went before what it stood for.
pub fn always(world: &World) {
    assert_eq!(world.told.panics(), 0, "reconciles that panicked");
    although_it_panics(world);
}

/// The same, where a panic is part of the plan.
pub fn although_it_panics(world: &World) {
    only_ours_is_deleted(world);
    only_owners_delete(world);
    foreign_things_stand(world);
    sound(world);
}

/// The same, where a manifest says that what others have made in its region is to be deleted: what neighbours have in
/// another one, where there are any, still stands.
pub fn told_to_delete(world: &World) {
    assert_eq!(world.told.panics(), 0, "reconciles that panicked");
    only_owners_delete(world);
    let theirs = |service: &Value| service["region"] == "EU_WEST_1" && service["endpoints"][0]["state"] == "AVAILABLE";
    let made = |entry: &Entry| matches!(&entry.effect, Effect::ServiceCreated { region, .. } if region == "EU_WEST_1");
    let alone = !world.ledger().iter().any(made);
    assert!(alone || world.services().iter().any(theirs), "the neighbours were touched: {:#?}", world.services());
    sound(world);
}

fn sound(world: &World) {
    let ledger = world.ledger();
    let twice = ledger.ever_more_than_one_live();
    assert!(twice.is_empty(), "more than one service at a time: {twice:?}");
    let twice = ledger.ever_attached_twice();
    assert!(twice.is_empty(), "attached while it was attached already: {twice:?}");
    assert_eq!(world.atlas.replays(), 0, "requests that overlap have shared a nonce");
    assert_eq!(world.turns.overlaps(), Vec::<String>::new(), "writes of one project at once");
    assert_eq!(world.grounds.groundless(), Vec::<String>::new(), "made without a look");
    let (all, atlas) = (past::objects(world), past::Atlas::of(world));
    let everywhere = past::objects_everywhere(world);
    no_secret_is_shown(world, &all);
    sparing::lists_are_of_the_present(world);
    sparing::are_read_sparingly(world);
    sparing::pauses_are_kept(world);
    bounds::are_kept(world, &all, everywhere.len());
    statuses::are_sound(world, &all, &atlas);
    nothing_in_use_is_deleted(world, &all, &atlas);
    no_finalizer_goes_too_early(world, &all, &atlas);
    nothing_is_left_behind(world, &everywhere);
    world.is_judged();
}

/// Neither in an object, of whatever age, nor in an event, nor in a metric, nor in what a request shows.
fn no_secret_is_shown(world: &World, all: &Objects) {
    assert_eq!(world.told.leaks(), Vec::<String>::new());
    let past = all.iter().flat_map(|(_, versions)| versions).map(|version| version.object.to_string());
    let events = world.kube.list("events").into_iter().map(|event| event.to_string());
    let shown: BTreeSet<_> = past.chain(events).collect();
    assert!(!shown.iter().any(|object| tells(object)), "a secret is shown");
    let said = world.kube.log().matching(|request| request.client.starts_with("operator"));
    let told: Vec<_> = said.0.iter().filter(|request| tells(&format!("{request:?}"))).collect();
    assert!(told.is_empty(), "the API server is told a secret: {told:#?}");
}

/// Every deletion concerns what requests have made.
fn only_ours_is_deleted(world: &World) {
    let ledger = world.ledger();
    let mut ours = BTreeSet::new();
    for entry in ledger.iter().filter(|entry| matches!(entry.cause, Cause::Request(_))) {
        match &entry.effect {
            Effect::ServiceCreated { service, .. } => drop(ours.insert((service.clone(), String::new()))),
            Effect::EndpointAdded { service, endpoint, .. } => drop(ours.insert((service.clone(), endpoint.clone()))),
            Effect::ServiceDeleteRequested { service, .. } => {
                assert!(ours.contains(&(service.clone(), String::new())), "the foreign service {service} was deleted");
            }
            Effect::EndpointDeleteRequested { service, endpoint, .. } => {
                let id = (service.clone(), endpoint.clone());
                assert!(ours.contains(&id), "the foreign endpoint {endpoint} was deleted");
            }
            _ => {}
        }
    }
}

/// What requests have made ends for an object that has it: whose status says that it has created it, or has it and was
/// told to delete whatever it has, or whose attempt to make it was recorded.
fn only_owners_delete(world: &World) {
    let all = past::objects_everywhere(world);
    for (what, at) in past::deletions(world) {
        assert!(past::has_owner(world, &all, &what, at), "{what:?} was deleted at {at}, and no object had it");
    }
}

/// What ends at a request is not what another object of the same cluster relies on: one that stays, and that has said Ready of
/// it for a while, longer than it takes to look and to delete. Unless it has failed, and is made again.
fn nothing_in_use_is_deleted(world: &World, all: &Objects, atlas: &past::Atlas) {
    let deletions = past::deletions(world);
    for ((plural, name), versions) in all {
        let claims = past::claims(versions, world.clock.now());
        for (what, at) in &deletions {
            let since = *at - SignedDuration::from_secs(15);
            let claimed = claims.iter().any(|claim| claim.what == *what && claim.from <= since && claim.until > *at);
            if !claimed || atlas.unusable(what, (since, *at)) > SignedDuration::ZERO {
                continue;
            }
            let now = versions.iter().take_while(|version| version.at <= *at).last();
            let stays = now.is_some_and(|now| now.object["spec"]["suspend"] != true && !past::lets_go_of(now, what));
            assert!(!stays, "{what:?} was deleted at {at}, and {plural}/{name} relied on it");
        }
    }
}

/// What others have made, and not unmade, is still there, with the endpoints that they have attached.
fn foreign_things_stand(world: &World) {
    let services = world.services();
    for id in past::foreign_services(world) {
        let found = services.iter().find(|service| service["id"] == *id);
        let found = found.unwrap_or_else(|| panic!("the foreign service {id} was touched"));
        let attached: Vec<_> = found["endpoints"].as_array().unwrap().iter().map(|end| end["id"].clone()).collect();
        for endpoint in past::foreign_endpoints(world, &id) {
            assert!(attached.contains(&json!(endpoint)), "the foreign endpoint {endpoint} of {id} was touched");
        }
    }
}

/// When the operator lets an object go, what the object has created is gone from Atlas, or another one has inherited it, or
/// the object says that it is to be kept.
fn no_finalizer_goes_too_early(world: &World, all: &Objects, atlas: &past::Atlas) {
    for ((plural, name), versions) in all {
        for version in versions.iter().filter(|version| past::is_let_go(version)) {
            let status = &version.object["status"];
            let retiring = status["retiring"].as_array().into_iter().flatten();
            for what in retiring.chain([status]).filter(|thing| thing["origin"] == "Created").map(past::attachment) {
                let spec = &version.object["spec"];
                let kept = past::is_kept(world, &version.object) || spec["adoptionPolicy"] == "AdoptOnly";
                // What stands again was made by somebody else: who is leaving makes nothing.
                let looked = (version.at - SignedDuration::from_secs(60), version.at);
                let dealt_with = kept || atlas.was_gone(&what, looked) || past::is_owned(all, &what, version.at);
                assert!(dealt_with, "{plural}/{name} went at {} before {what:?}", version.at);
            }
        }
    }
}

/// Whatever requests have made, and stands, has somebody, in whichever cluster.
fn nothing_is_left_behind(world: &World, everywhere: &Objects) {
    for (what, made) in past::standing(world) {
        assert!(past::has_somebody(world, everywhere, (&what, &made)), "{what:?} was left behind\n{}", world.picture());
    }
}

/// No version of any object gave this reason.
pub fn never_said(world: &World, reason: &str) {
    let versions = past::objects(world).into_iter().flat_map(|(_, versions)| versions);
    for object in versions.map(|version| version.object) {
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        assert!(conditions.iter().all(|condition| condition["reason"] != reason), "{reason}: {object:#}");
    }
}

/// Nothing stands in Atlas but what others have made.
pub fn nothing_left(world: &World) {
    let foreign = past::foreign_services(world);
    let mut services = world.services();
    services.retain(|service| {
        let id = service["id"].as_str().unwrap_or_default();
        let theirs = past::foreign_endpoints(world, id);
        let attached = service["endpoints"].as_array().into_iter().flatten();
        let ours = attached.filter(|endpoint| !theirs.contains(endpoint["id"].as_str().unwrap_or_default())).count();
        !foreign.contains(id) || ours > 0
    });
    assert!(services.is_empty(), "left in Atlas: {services:#?}");
}

/// So many services were made by requests, and so many endpoints attached.
pub fn created(world: &World, services: usize, endpoints: usize) {
    let ledger = world.ledger();
    let made: usize = ledger.creates().values().sum();
    assert_eq!(made, services, "services created");
    assert_eq!(ledger.endpoint_adds().len(), endpoints, "endpoints attached");
}

/// Not more than so many were.
pub fn created_at_most(world: &World, services: usize, endpoints: usize) {
    let ledger = world.ledger();
    let made: usize = ledger.creates().values().sum();
    assert!(made <= services, "made {made} services");
    let added = ledger.endpoint_adds();
    assert!(added.len() <= endpoints, "attached {added:?}");
}

/// What is left of the objects once times and invented names are taken away, for runs to be compared.
pub fn outcome(world: &World) -> Value {
    let link = |object: &Value| {
        let status = &object["status"];
        json!({
            "state": status["state"], "regionName": status["regionName"],
            "named": status["endpointServiceName"].is_string(), "endpoints": status["interfaceEndpoints"],
        })
    };
    let endpoint = |object: &Value| {
        let status = &object["status"];
        json!({
            "id": status["interfaceEndpointId"], "connection": status["connectionStatus"],
            "deleteRequested": status["deleteRequested"], "retiring": status["retiring"],
        })
    };
    let all = |plural, own: &dyn Fn(&Value) -> Value| {
        world.kube.list(plural).iter().map(|object| common(world, object, own(object))).collect::<Vec<_>>()
    };
    json!({"links": all(LINKS, &link), "endpoints": all(ENDPOINTS, &endpoint)})
}

/// The objects in an outcome, for what runs need not have in common to be taken away.
pub fn objects_in(outcome: &mut Value) -> impl Iterator<Item = &mut Value> {
    outcome.as_object_mut().into_iter().flatten().filter_map(|(_, kind)| kind.as_array_mut()).flatten()
}

fn common(world: &World, object: &Value, own: Value) -> Value {
    let (meta, status) = (&object["metadata"], &object["status"]);
    let id = status["privateLinkId"].as_str();
    let stands = world.services().iter().any(|service| service["id"].as_str() == id);
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<_> = conditions
        .map(|condition| {
            assert_eq!(condition["observedGeneration"], meta["generation"], "a condition lags behind: {object}");
            json!([condition["type"], condition["status"], condition["reason"]])
        })
        .collect();
    json!({
        "name": meta["name"], "finalizers": meta["finalizers"], "deleting": meta["deletionTimestamp"].is_string(),
        "stands": id.is_some() && stands, "origin": status["origin"], "attempts": status["attempts"],
        "error": status["errorMessage"], "conditions": conditions, "own": own,
    })
}

/// For one hour nothing is written to Kubernetes, and Atlas is looked at only at resyncs.
pub async fn quiet_hour(world: &World) {
    quiet(world, Duration::from_secs(3600)).await;
}

/// The same while everything is looked at once more, which is enough for what is asked of thousands of lives.
pub async fn quiet_resync(world: &World) {
    quiet(world, RESYNC).await;
}

async fn quiet(world: &World, time: Duration) {
    // The event that tells of a status follows it.
    world.pass(Duration::from_secs(1)).await;
    let (writes, before, events) = (world.operator_writes().len(), world.ledger().len(), events(world));
    let (reads, atlas_writes) = (world.calls(Operation::GetEndpoint), writes_to_atlas(world));
    let (secrets, reconciles) = (sparing::reads(world).len(), world.told.reconciles());
    world.pass(time).await;
    let (secrets, reconciles) = (sparing::reads(world).len() - secrets, world.told.reconciles() - reconciles);
    let objects: Vec<_> = [LINKS, ENDPOINTS].into_iter().flat_map(|plural| world.kube.list(plural)).collect();
    let looks = 1 + usize::try_from(time.as_secs() / 900).unwrap();
    // Who lacks a credential looks for it every minute.
    let well = objects.iter().all(|object| object["status"]["conditions"][0]["status"] == "True");
    assert!(!well || secrets <= (looks + 1) * objects.len(), "{secrets} reads of Secrets in {time:?} of quiet");
    // Who waits for something that nobody tells of polls.
    let most = if well { looks + 1 } else { 6 * usize::try_from(time.as_secs() / 60).unwrap() };
    assert!(reconciles <= (most * objects.len()) as u64, "{reconciles} reconciles in {time:?} of quiet");
    let written = world.operator_writes();
    assert_eq!(written.len(), writes, "Kubernetes writes in {time:?} of quiet: {:#?}", &written.0[writes..]);
    assert_eq!(self::events(world), events, "events in {time:?} of quiet");
    for (key, lists) in lists_by_key(world, before) {
        assert!(lists <= looks, "{lists} LISTs of {key:?} in {time:?} of quiet");
    }
    let reads = world.calls(Operation::GetEndpoint) - reads;
    assert!(reads <= looks * world.kube.list(ENDPOINTS).len(), "{reads} GETs of endpoints in {time:?} of quiet");
    assert_eq!(writes_to_atlas(world), atlas_writes, "writes to Atlas in {time:?} of quiet");
    world.is_quiet();
}

/// How often operators have written an Event.
fn events(world: &World) -> usize {
    let is_one = |request: &RequestRecord| request.resource == "events" && request.client.starts_with("operator");
    world.kube.log().matching(|request| request.verb.writes() && is_one(request)).len()
}

/// The LISTs since the ledger had so many lines, by who asked for what: a project's services of a provider.
fn lists_by_key(world: &World, before: usize) -> BTreeMap<(Option<String>, String), usize> {
    let mut lists = BTreeMap::new();
    let ledger = world.ledger();
    let requests = ledger.iter().skip(before).filter_map(|entry| entry.request()).filter(|request| !request.challenged);
    for request in requests.filter(|request| request.operation == Some(Operation::ListServices)) {
        *lists.entry((request.caller.clone(), request.path.clone())).or_default() += 1;
    }
    lists
}

/// Nobody asks Atlas anything any more, and nothing is written.
pub async fn silence(world: &World) {
    let (writes, requests) = (world.operator_writes().len(), world.ledger().requests().count());
    world.pass(RESYNC).await;
    let written = world.operator_writes();
    assert_eq!(written.len(), writes, "Kubernetes writes after the end: {:#?}", &written.0[writes..]);
    assert_eq!(world.ledger().requests().count(), requests, "requests to Atlas after the end");
    world.is_quiet();
}

/// Whatever goes wrong, Atlas is not asked more often in any minute than this, and the Kubernetes API not more than ten
/// times as often.
pub fn no_storm(world: &World, most: usize) {
    bounds::no_minute_has_more(world, most, 10 * most);
}

/// For one hour whoever waits for somebody else (a deletion that is held back, say) writes nothing, neither to
/// Kubernetes nor to Atlas, and looks at Atlas once in a poll interval at most.
pub async fn quiet_wait(world: &World) {
    let (writes, atlas_writes, before) = (world.operator_writes().len(), writes_to_atlas(world), world.ledger().len());
    let reads = world.calls(Operation::GetEndpoint);
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(writes_to_atlas(world), atlas_writes, "writes to Atlas while waiting");
    let written = world.operator_writes();
    assert_eq!(written.len(), writes, "Kubernetes writes while waiting: {:#?}", &written.0[writes..]);
    let polls = usize::try_from(3600 / world.nature.settings.poll_interval.as_secs()).unwrap();
    for (key, lists) in lists_by_key(world, before) {
        assert!(lists <= polls, "{lists} LISTs of {key:?} in an hour of waiting");
    }
    let reads = world.calls(Operation::GetEndpoint) - reads;
    assert!(reads <= polls * world.kube.list(ENDPOINTS).len(), "{reads} GETs of endpoints in an hour of waiting");
    world.is_quiet();
}
