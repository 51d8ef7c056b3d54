//! What was the case when: the past of the objects, and the past of Atlas by its ledger.

use super::world::*;
use atlas_privatelink_operator::{
    api::ATTEMPT_ANNOTATION,
    testbed::{
        kubernetes::{ApiServer, Change, Version},
        simulator::{Cause, Effect, EndpointState, Entry, Provider, ServiceState, atlas_name},
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A service, or one of its endpoints.
pub type What = (String, Option<String>);

/// Objects by plural and name, each with its versions.
pub type Objects = Vec<((String, String), Vec<Version>)>;

/// Every version of every object that the operators ever asked for, by plural and name.
pub fn objects(world: &World) -> Objects {
    objects_of(&world.kube)
}

/// The same in all clusters on this Atlas.
pub fn objects_everywhere(world: &World) -> Objects {
    world.clusters.lock().unwrap().iter().flat_map(objects_of).collect()
}

fn objects_of(kube: &ApiServer) -> Objects {
    let names: BTreeSet<_> = kube
        .log()
        .0
        .into_iter()
        .filter(|request| [LINKS, ENDPOINTS].contains(&request.resource.as_str()) && !request.name.is_empty())
        .map(|request| (request.resource.clone(), request.namespace.clone(), request.name.clone()))
        .collect();
    names
        .into_iter()
        .map(|(plural, namespace, name)| {
            let versions = kube.history(&plural, &namespace, &name);
            ((plural, name), versions)
        })
        .collect()
}

/// What ended at a request, and when that was granted.
pub fn deletions(world: &World) -> Vec<(What, Timestamp)> {
    let ledger = world.ledger();
    let asked = ledger.iter().filter(|entry| entry.request().is_some());
    let deletion = |entry: &Entry| match &entry.effect {
        Effect::ServiceDeleteRequested { service, .. } => Some(((service.clone(), None), entry.at)),
        Effect::EndpointDeleteRequested { service, endpoint, .. } => {
            Some(((service.clone(), Some(endpoint.clone())), entry.at))
        }
        _ => None,
    };
    asked.filter_map(deletion).collect()
}

/// What a status is about.
pub fn attachment(status: &Value) -> What {
    let text = |field: &str| status[field].as_str().map(str::to_owned);
    (text("privateLinkId").unwrap_or_default(), text("interfaceEndpointId"))
}

/// What an object says of itself: a status that came with a copy of another object's manifest is that one's.
fn own_status(object: &Value) -> &Value {
    let of = &object["status"]["observedUid"];
    if of.is_null() || *of == object["metadata"]["uid"] { &object["status"] } else { &Value::Null }
}

/// Whether an operator removed the last finalizer here.
pub fn is_let_go(version: &Version) -> bool {
    version.change == Change::Deleted && version.by.starts_with("operator")
}

/// Whether a live object says at this instant that it has created it.
pub fn is_owned(all: &Objects, what: &What, at: Timestamp) -> bool {
    all.iter().filter_map(|(_, versions)| versions.iter().take_while(|version| version.at <= at).last()).any(
        |version| {
            let (object, status) = (&version.object, own_status(&version.object));
            let live = version.change != Change::Deleted && object["metadata"]["deletionTimestamp"].is_null();
            // What is to be detached once its successor is there is owned until then.
            let retiring = status["retiring"].as_array().into_iter().flatten();
            let owned = |thing: &Value| thing["origin"] == "Created" && attachment(thing) == *what;
            live && (owned(status) || retiring.into_iter().any(owned))
        },
    )
}

/// Whether an object that may delete this is about to, at this instant: it has created it, has recorded that it attaches it,
/// or was told to delete whatever it has; and it is on its way out, has recorded that it takes this away to make it again,
/// or lets it retire.
pub fn has_owner(world: &World, all: &Objects, what: &What, at: Timestamp) -> bool {
    let deletes = |version| mends(version) && !is_kept(world, &version.object);
    all.iter().any(|(_, versions)| {
        let (before, _) = versions.split_at(versions.partition_point(|version| version.at <= at));
        let current = before.last().filter(|version| version.change != Change::Deleted);
        // An edit in the very moment of the request comes too late for it.
        let settled = before.iter().rposition(|version| version.at <= at - IN_THE_MOMENT).unwrap_or_default();
        let recent = before.get(settled..).unwrap_or_default();
        current.is_some_and(|Version { object, .. }| {
            let (status, told) = (own_status(object), object["spec"]["deletionPolicy"] == "Delete");
            let has = |thing: &Value| attachment(thing) == *what && (thing["origin"] == "Created" || told);
            let leaves = !object["metadata"]["deletionTimestamp"].is_null() && recent.iter().any(deletes);
            let again = records(object, "DeleteService", what) || records(object, "RemoveEndpoint", what);
            let again = again && recent.iter().any(mends);
            let retires = status["retiring"].as_array().into_iter().flatten().any(has) && recent.iter().any(acts);
            has(status) && (leaves || again) || leaves && records(object, "AddEndpoint", what) || retires
        })
    })
}

/// How long a request may take from the last look at its object.
const IN_THE_MOMENT: SignedDuration = SignedDuration::from_secs(15);

/// Whether Atlas may be asked for anything on its behalf.
fn acts(version: &Version) -> bool {
    version.object["spec"]["suspend"] != true
}

/// Whether what has failed may be made anew.
fn mends(version: &Version) -> bool {
    acts(version) && version.object["spec"]["adoptionPolicy"] != "AdoptOnly"
}

/// Whether what it has is to be kept when it is deleted.
pub fn is_kept(world: &World, object: &Value) -> bool {
    match object["spec"]["deletionPolicy"].as_str() {
        Some(policy) => policy == "Retain",
        None => world.keeps_by_default(),
    }
}

/// Whether an object has let go of this, or is about to: it is on its way out, or wants another id.
pub fn lets_go_of(version: &Version, (_, endpoint): &What) -> bool {
    let (meta, wanted) = (&version.object["metadata"], version.object["spec"]["interfaceEndpointId"].as_str());
    !meta["deletionTimestamp"].is_null()
        || endpoint.is_some() && wanted.is_some_and(|id| Some(id) != endpoint.as_deref())
}

/// Whether an object's record says that it is about to do this to that.
pub fn records(object: &Value, write: &str, (service, endpoint): &What) -> bool {
    let record = record(object);
    record["write"] == write && record["service"] == **service && record["endpoint"].as_str() == endpoint.as_deref()
}

/// An object's record; null where it has none, or one that came with a copy.
fn record(object: &Value) -> Value {
    let record = object["metadata"]["annotations"][ATTEMPT_ANNOTATION].as_str();
    let record: Value = record.and_then(|record| serde_json::from_str(record).ok()).unwrap_or_default();
    if record["uid"] == object["metadata"]["uid"] { record } else { Value::Null }
}

/// What requests have made, and is not gone, and when it was made; services with their project and region.
pub fn standing(world: &World) -> BTreeMap<What, Made> {
    let mut standing = BTreeMap::new();
    for entry in world.ledger().iter() {
        let asked = entry.request().is_some();
        match entry.effect.clone() {
            Effect::ServiceCreated { service, project, provider, region, .. } if asked => {
                standing.insert((service, None), Made { at: entry.at, key: Some((project, provider, region)) });
            }
            Effect::EndpointAdded { service, endpoint, .. } if asked => {
                standing.insert((service, Some(endpoint)), Made { at: entry.at, key: None });
            }
            Effect::EndpointGone { service, endpoint, .. } => drop(standing.remove(&(service, Some(endpoint)))),
            Effect::ServiceGone { service, .. } => standing.retain(|(of, _), _| *of != service),
            _ => {}
        }
    }
    standing
}

/// When a thing was made, and for which project, provider and region, if it is a service.
pub struct Made {
    at: Timestamp,
    key: Option<(String, Provider, String)>,
}

/// For how long after a request nobody can know what came of it: half a minute for the request itself, two for what is left of
/// it on its way, and some for clocks.
const UNKNOWN: SignedDuration = SignedDuration::from_secs(180);

/// Whether an object that is there has this, or cannot know yet whether it has made it; or one that had it is gone, and was to
/// leave it where it is, or its finalizer was taken off by other hands than an operator's.
pub fn has_somebody(world: &World, all: &Objects, (what, made): (&What, &Made)) -> bool {
    let now = world.clock.now();
    let has = |object: &Value| {
        let (status, told) = (own_status(object), object["spec"]["deletionPolicy"] == "Delete");
        let retiring = status["retiring"].as_array().into_iter().flatten();
        let owns = |thing: &Value| attachment(thing) == *what && (thing["origin"] == "Created" || told);
        retiring.chain([status]).any(owns)
    };
    let may_have_made = |object: &Value| {
        let record = record(object);
        let time = |field: &str| record[field].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        let (Some(first), Some(last)) = (time("first"), time("last")) else { return false };
        let wants = || made.key.as_ref().is_some_and(|key| wants_service(object, key));
        let asks = record["write"] == "CreateService" && wants() || records(object, "AddEndpoint", what);
        let in_its_time = first - UNKNOWN <= made.at && made.at <= last + UNKNOWN;
        asks && record["refusal"].is_null() && in_its_time
    };
    let lives = all.iter().flat_map(|(_, versions)| {
        versions.chunk_by(|one, other| one.object["metadata"]["uid"] == other.object["metadata"]["uid"])
    });
    lives.filter_map(|life| Some((life, life.last()?))).any(|(life, last)| {
        let object = &last.object;
        let ever = || life.iter().any(|version| has(&version.object) || may_have_made(&version.object));
        let leaves_it = || is_kept(world, object) || object["spec"]["adoptionPolicy"] == "AdoptOnly";
        match last.change {
            Change::Deleted => (leaves_it() || was_stripped(life)) && ever(),
            Change::Added | Change::Modified => {
                has(object) || now.duration_since(made.at) < UNKNOWN && may_have_made(object)
            }
        }
    })
}

/// Whether somebody else than an operator has taken the finalizer off.
fn was_stripped(life: &[Version]) -> bool {
    let held = |version: &Version| version.object["metadata"]["finalizers"][0].is_string();
    let off = |pair: &[Version]| {
        let gone = pair[1].change == Change::Deleted;
        held(&pair[0]) && (gone || !held(&pair[1])) && !pair[1].by.starts_with("operator")
    };
    life.windows(2).any(off)
}

/// Whether a link is one of this project, provider and region.
fn wants_service(link: &Value, (project, provider, region): &(String, Provider, String)) -> bool {
    let spec = &link["spec"];
    let wanted = Provider::from_word(spec["provider"].as_str().unwrap_or_default());
    let named = |provider| atlas_name(provider, spec["region"].as_str().unwrap_or_default());
    spec["projectId"] == **project && wanted == Some(*provider) && named(*provider).as_deref() == Some(region)
}

/// That something is Ready.
pub struct Claim {
    pub what: What,
    pub from: Timestamp,
    pub until: Timestamp,
    /// Whether it wasn't said before.
    pub new: bool,
}

fn says_ready(version: &Version) -> bool {
    let object = &version.object;
    // What a suspended object says is as last seen, by its own account.
    object["metadata"]["deletionTimestamp"].is_null()
        && object["spec"]["suspend"] != true
        && object["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Every time during which a version said that its object is Ready.
pub fn claims(versions: &[Version], now: Timestamp) -> Vec<Claim> {
    let mut claims: Vec<Claim> = Vec::new();
    for version in versions {
        let open = claims.last_mut().filter(|claim| claim.until == now);
        let ready = version.change != Change::Deleted && says_ready(version);
        let what = attachment(&version.object["status"]);
        match open {
            Some(open) if ready && open.what == what => {}
            open => {
                // An edit leaves standing what was said before it, until it is seen.
                let new = open.is_none() && version.by.starts_with("operator");
                if let Some(open) = open {
                    open.until = version.at;
                }
                if ready {
                    claims.push(Claim { what, from: version.at, until: now, new });
                }
            }
        }
    }
    claims
}

/// The endpoints that others have attached to a service, and not detached.
pub fn foreign_endpoints(world: &World, id: &str) -> BTreeSet<String> {
    let mut endpoints = BTreeSet::new();
    for entry in world.ledger().iter().filter(|entry| entry.cause == Cause::BehindTheBack) {
        match &entry.effect {
            Effect::EndpointAdded { service, endpoint, .. } if service == id => {
                endpoints.insert(endpoint.clone());
            }
            Effect::EndpointGone { service, endpoint, .. } if service == id => drop(endpoints.remove(endpoint)),
            _ => {}
        }
    }
    endpoints
}

/// The services that were made without a request and not unmade so.
pub fn foreign_services(world: &World) -> BTreeSet<String> {
    let mut foreign = BTreeSet::new();
    for entry in world.ledger().iter().filter(|entry| matches!(entry.cause, Cause::BehindTheBack)) {
        match &entry.effect {
            Effect::ServiceCreated { service, .. } => drop(foreign.insert(service.clone())),
            Effect::ServiceGone { service, .. } => drop(foreign.remove(service)),
            _ => {}
        }
    }
    foreign
}

/// The states of a thing and since when: `None` when it is gone.
type States = Vec<(Timestamp, Option<bool>)>;

/// The words that Atlas may have said of everything, and since when.
pub type Words = BTreeMap<What, Vec<(Timestamp, Vec<&'static str>)>>;

/// What Atlas has said of services and endpoints.
pub fn words(world: &World) -> Words {
    let mut words = Words::new();
    for entry in world.ledger().iter() {
        let mut note = |what: What, at, said: &[&'static str]| words.entry(what).or_default().push((at, said.to_vec()));
        match entry.effect.clone() {
            Effect::ServiceCreated { service, .. } => note((service, None), entry.at, &["INITIATING"]),
            Effect::ServiceChanged { service, state, .. } => note((service, None), entry.at, service_words(state)),
            Effect::ServiceDeleteRequested { service, .. } => note((service, None), entry.at, &["DELETING"]),
            Effect::ServiceGone { service, .. } => {
                // It takes its endpoints with it.
                for (_, states) in words.iter_mut().filter(|((of, _), _)| *of == service) {
                    states.push((entry.at, Vec::new()));
                }
            }
            Effect::EndpointAdded { service, endpoint, .. } => {
                note((service, Some(endpoint)), entry.at, &["NONE", "INITIATING", "PENDING_ACCEPTANCE"]);
            }
            Effect::EndpointChanged { service, endpoint, state, .. } => {
                note((service, Some(endpoint)), entry.at, &[state.word()]);
            }
            Effect::EndpointDeleteRequested { service, endpoint, .. } => {
                note((service, Some(endpoint)), entry.at, &["DELETING"]);
            }
            Effect::EndpointGone { service, endpoint, .. } => note((service, Some(endpoint)), entry.at, &[]),
            Effect::None
            | Effect::ProjectDeleted { .. }
            | Effect::ProjectRestored { .. }
            | Effect::CredentialChanged { .. }
            | Effect::TokenIssued { .. }
            | Effect::TokensRevoked => {}
        }
    }
    words
}

fn service_words(state: ServiceState) -> &'static [&'static str] {
    match state {
        ServiceState::Initiating => &["INITIATING"],
        ServiceState::Ready => &["WAITING_FOR_USER", "AVAILABLE"],
        ServiceState::Failed => &["FAILED"],
        ServiceState::Deleting => &["DELETING"],
    }
}

/// The past of Atlas.
pub struct Atlas {
    things: BTreeMap<What, States>,
    /// When requests were met by a fault, or got no answer.
    pub silences: Vec<Timestamp>,
}

impl Atlas {
    pub fn of(world: &World) -> Self {
        let ledger = world.ledger();
        let mut things: BTreeMap<What, States> = BTreeMap::new();
        let mut note = |what: What, at, usable| things.entry(what).or_default().push((at, usable));
        for entry in ledger.iter() {
            match entry.effect.clone() {
                Effect::ServiceCreated { service, .. } => note((service, None), entry.at, Some(false)),
                Effect::ServiceChanged { service, state, .. } => {
                    note((service, None), entry.at, Some(state == ServiceState::Ready));
                }
                Effect::ServiceDeleteRequested { service, .. } => note((service, None), entry.at, Some(false)),
                Effect::ServiceGone { service, .. } => note((service, None), entry.at, None),
                Effect::EndpointAdded { service, endpoint, .. } => {
                    note((service, Some(endpoint)), entry.at, Some(false));
                }
                Effect::EndpointChanged { service, endpoint, state, .. } => {
                    note((service, Some(endpoint)), entry.at, Some(state == EndpointState::Available));
                }
                Effect::EndpointDeleteRequested { service, endpoint, .. } => {
                    note((service, Some(endpoint)), entry.at, Some(false));
                }
                Effect::EndpointGone { service, endpoint, .. } => note((service, Some(endpoint)), entry.at, None),
                _ => {}
            }
        }
        let gone: BTreeMap<String, Timestamp> = things
            .iter()
            .filter(|((_, endpoint), _)| endpoint.is_none())
            .filter_map(|((service, _), states)| {
                states.last().filter(|(_, usable)| usable.is_none()).map(|(at, _)| (service.clone(), *at))
            })
            .collect();
        // A service takes its endpoints with it.
        for ((service, _), states) in &mut things {
            states.extend(gone.get(service).map(|at| (*at, None)));
        }
        for states in things.values_mut() {
            states.sort_by_key(|(at, _)| *at);
        }
        let silent =
            |entry: &&Entry| entry.request().is_some_and(|request| request.fault.is_some() || request.status.is_none());
        let silences = ledger.iter().filter(silent).map(|entry| entry.at).collect();
        Self { things, silences }
    }

    fn at(&self, what: &What, instant: Timestamp) -> Option<bool> {
        let states = self.things.get(what)?;
        states.iter().take_while(|(at, _)| *at <= instant).last().and_then(|(_, usable)| *usable)
    }

    /// Whether it was not there at any time of these.
    pub fn was_gone(&self, what: &What, during: (Timestamp, Timestamp)) -> bool {
        self.turns(what, during).any(|instant| self.at(what, instant).is_none())
    }

    /// The first of these times, and every later one of them at which it changed.
    fn turns(&self, what: &What, (from, until): (Timestamp, Timestamp)) -> impl Iterator<Item = Timestamp> {
        let changes = self.things.get(what).into_iter().flatten().map(|(at, _)| *at);
        [from].into_iter().chain(changes.filter(move |at| from < *at && *at <= until))
    }

    /// For how long at a stretch it could not be used.
    pub fn unusable(&self, what: &What, (from, until): (Timestamp, Timestamp)) -> SignedDuration {
        let (mut longest, mut since) = (SignedDuration::ZERO, None);
        for instant in self.turns(what, (from, until)) {
            match (self.at(what, instant) == Some(true), since) {
                (true, Some(start)) => {
                    longest = longest.max(instant.duration_since(start));
                    since = None;
                }
                (false, None) => since = Some(instant),
                (true, None) | (false, Some(_)) => {}
            }
        }
        since.map_or(longest, |start| longest.max(until.duration_since(start)))
    }
}
