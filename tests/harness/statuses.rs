//! What statuses say, in every version of every object that there ever was.

use super::{
    past::{self, Objects},
    schema,
    world::*,
};
use atlas_privatelink_operator::testbed::{
    kubernetes::Version,
    simulator::{Effect, Provider, atlas_name},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// No status lies, about Atlas or about the object that it belongs to.
pub fn are_sound(world: &World, all: &Objects, atlas: &past::Atlas) {
    no_status_lies(world, all, atlas);
    ready_is_what_is_wanted(all);
    transitions_are_dated(all);
    no_generation_is_ahead(all);
    they_name_what_was_there(world, all);
    they_say_what_atlas_said(world, all);
    ids_are_those_of_config_maps(world, all);
    schema::all_is_let_in(all);
}

/// What a status names by the id that Atlas gave it was in Atlas before, in the region that the status names; and whoever
/// says that it has created it has it from some request.
fn they_name_what_was_there(world: &World, all: &Objects) {
    let ledger = world.ledger();
    let (mut made, mut attached) = (BTreeMap::new(), BTreeMap::new());
    for entry in ledger.iter() {
        if let Effect::ServiceCreated { service, region, names, .. } = &entry.effect {
            made.insert(service.as_str(), (entry.at, region, names, entry.request().is_some()));
        }
        if let (Effect::EndpointAdded { service, endpoint, .. }, Some(_)) = (&entry.effect, entry.request()) {
            attached.entry((service.clone(), Some(endpoint.clone()))).or_insert(entry.at);
        }
    }
    for ((plural, name), versions) in all {
        for version in versions.iter().filter(|version| version.by.starts_with("operator")) {
            let status = &version.object["status"];
            let retiring = status["retiring"].as_array().into_iter().flatten();
            for thing in retiring.chain([status]) {
                let Some(id) = thing["privateLinkId"].as_str() else { continue };
                let said = || format!("{plural}/{name} named {id} at {}: {thing}", version.at);
                let Some((at, region, names, asked)) = made.get(id) else { panic!("{}, and there was none", said()) };
                assert!(*at <= version.at, "{}, and there was none yet", said());
                assert!(plural != LINKS || thing["origin"] != "Created" || *asked, "{}, and others made it", said());
                // Atlas does not tell who attached what this one had recorded that it attaches.
                let what = past::attachment(thing);
                let earlier = |tried: &&Version| tried.at <= version.at && is_same(&tried.object, &version.object);
                let attempts = |tried: &Version| past::records(&tried.object, "AddEndpoint", &what);
                let tried = || versions.iter().filter(&earlier).any(attempts);
                let ours = || attached.get(&what).is_some_and(|at| *at <= version.at) || tried();
                assert!(plural != ENDPOINTS || thing["origin"] != "Created" || ours(), "{}, and others did", said());
                let named = thing["regionName"].as_str().filter(|_| plural == LINKS);
                assert!(named.is_none_or(|named| same_region(named, region)), "{}, and it is in {region}", said());
                let mut called = called(thing).filter(|_| plural == LINKS);
                assert!(
                    called.all(|name| names.iter().any(|known| known == name)),
                    "{}, and it is called {names:?}",
                    said()
                );
            }
        }
    }
}

/// How old what a status says of a state may be when it is first said: what a poll has seen, and a call or two.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
/// The words that Atlas says of states; others are those of a fault.
const WORDS: [&str; 11] = [
    "NONE",
    "INITIATING",
    "PENDING_ACCEPTANCE",
    "PENDING",
    "VERIFIED",
    "WAITING_FOR_USER",
    "AVAILABLE",
    "REJECTED",
    "FAILED",
    "DELETING",
    "DELETED",
];

/// A state that a status says for the first time is one in which Atlas had the thing just before.
fn they_say_what_atlas_said(world: &World, all: &Objects) {
    let past = past::words(world);
    let said = |object: &Value| {
        let status = &object["status"];
        let word = status["state"].as_str().or(status["connectionStatus"].as_str()).map(str::to_owned);
        (past::attachment(status), word)
    };
    for ((plural, name), versions) in all {
        let mut before = None;
        for version in versions {
            let now = said(&version.object);
            if before.replace(now.clone()) == Some(now.clone()) || !version.by.starts_with("operator") {
                continue;
            }
            let (what, Some(word)) = now else { continue };
            if !WORDS.contains(&word.as_str()) {
                continue;
            }
            let states = past.get(&what).map(Vec::as_slice).unwrap_or_default();
            let fresh = version.at - FRESH;
            // Those that began in that time, and the one in which it was then.
            let from = states.partition_point(|(at, _)| *at <= fresh).saturating_sub(1);
            let until = states.partition_point(|(at, _)| *at <= version.at);
            let mut recent = states.get(from..until).into_iter().flatten();
            let was = recent.any(|(_, words)| words.contains(&word.as_str()));
            assert!(was, "{plural}/{name} said {word} of {what:?} at {}, and Atlas: {states:?}", version.at);
        }
    }
}

/// Whoever says Ready of an id that a ConfigMap is to tell has one that it has told of late.
fn ids_are_those_of_config_maps(world: &World, all: &Objects) {
    let resync = SignedDuration::try_from(world.nature.settings.resync_interval).unwrap();
    for ((plural, name), versions) in all.iter().filter(|((plural, _), _)| plural == ENDPOINTS) {
        for Version { object, at, .. } in versions.iter().filter(|version| version.by.starts_with("operator")) {
            let (spec, status) = (&object["spec"], &object["status"]);
            let reference = &spec["interfaceEndpointIdFrom"]["configMapKeyRef"];
            if reference.is_null() || status["conditions"][0]["status"] != "True" || spec["suspend"] == true {
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (namespace, map) = (text(&object["metadata"]["namespace"]), text(&reference["name"]));
            let told = world.kube.history("configmaps", &namespace, &map);
            // What it told when it was last read for sure, and since.
            let lately = told.partition_point(|version| version.at <= *at - resync - FRESH).saturating_sub(1);
            let until = told.partition_point(|version| version.at <= *at);
            let tells =
                |version: &Version| version.object["data"][text(&reference["key"])] == status["interfaceEndpointId"];
            let told = told.get(lately..until).is_some_and(|recent| recent.iter().any(tells));
            assert!(told, "{plural}/{name} has an id that nobody told it of late: {object:#}");
        }
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    one["metadata"]["uid"] == other["metadata"]["uid"]
}

/// What a link's status says that its service is called at the provider.
fn called(status: &Value) -> impl Iterator<Item = &str> {
    let one =
        ["endpointServiceName", "privateLinkServiceName", "privateLinkServiceResourceId"].map(|field| &status[field]);
    let attachments = status["serviceAttachmentNames"].as_array().into_iter().flatten();
    one.into_iter().chain(attachments).filter_map(Value::as_str)
}

fn same_region(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    plain(one) == plain(other)
}

/// Ready is said only of what could be used just then, and is taken back within three resyncs, or one and a bit where
/// Atlas answered meanwhile, and there was always an operator to ask it.
fn no_status_lies(world: &World, all: &Objects, atlas: &past::Atlas) {
    let resync = SignedDuration::try_from(world.nature.settings.resync_interval).unwrap();
    let deaths = world.deaths.lock().unwrap().clone();
    let disturbed = |claim: &past::Claim| {
        let mut all = deaths.iter().chain(&atlas.silences);
        all.any(|at| claim.from <= *at && *at <= claim.until)
    };
    for ((plural, name), versions) in all {
        for claim in past::claims(versions, world.clock.now()) {
            let said = format!("{plural}/{name} said Ready of {:?} from {} to {}", claim.what, claim.from, claim.until);
            let fresh = (claim.from - SignedDuration::from_secs(60), claim.from);
            assert!(!claim.new || atlas.unusable(&claim.what, fresh) < SignedDuration::from_secs(60), "{said}");
            let resyncs = if disturbed(&claim) { resync * 3 } else { resync * 21 / 20 };
            let bound = resyncs + SignedDuration::from_secs(60);
            let unusable = atlas.unusable(&claim.what, (claim.from, claim.until));
            assert!(unusable <= bound, "{said}, and it was unusable for {unusable:#}");
        }
    }
}

/// Whoever says Ready of a generation has what that generation wants. (What a suspended object says is as last seen.)
fn ready_is_what_is_wanted(all: &Objects) {
    for ((plural, name), versions) in all {
        for Version { object, .. } in versions.iter().filter(|version| version.by.starts_with("operator")) {
            let (spec, status, meta) = (&object["spec"], &object["status"], &object["metadata"]);
            let ready = &status["conditions"][0];
            let current = ready["observedGeneration"] == meta["generation"] && meta["deletionTimestamp"].is_null();
            if ready["status"] != "True" || !current || spec["suspend"] == true {
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let wanted = match plural.as_str() {
                LINKS => {
                    let provider = Provider::from_word(&text(&spec["provider"])).expect("a provider");
                    atlas_name(provider, &text(&spec["region"])) == Some(text(&status["regionName"]))
                }
                _ => {
                    let id = &spec["interfaceEndpointId"];
                    id.is_null() || *id == status["interfaceEndpointId"]
                }
            };
            assert!(wanted, "{plural}/{name} says Ready, and has something else: {object:#}");
        }
    }
}

/// A condition's time of transition changes with its status, and with nothing else (API conventions, "Typical status
/// properties").
fn transitions_are_dated(all: &Objects) {
    for ((plural, name), versions) in all {
        let mut before: BTreeMap<String, (Value, Value, Timestamp)> = BTreeMap::new();
        for &Version { ref object, at, .. } in versions {
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let now = conditions.into_iter().map(|condition| {
                let of = format!("{} {}", object["metadata"]["uid"], condition["type"]);
                (of, (condition["status"].clone(), condition["lastTransitionTime"].clone(), at))
            });
            let now: BTreeMap<_, _> = now.collect();
            for (of, (status, since, at)) in &now {
                let dated = before.get(of).is_none_or(|(was, dated, earlier)| {
                    // Times are whole seconds. (Which of two is the later one is for the clocks of two operators.)
                    let shortly = at.duration_since(*earlier) < SignedDuration::from_secs(1);
                    (was == status) == (dated == since) || was != status && shortly
                });
                assert!(dated, "{plural}/{name}: a transition of {of} has another time than it happened: {object:#}");
            }
            before = now;
        }
    }
}

/// What a status has observed was there.
fn no_generation_is_ahead(all: &Objects) {
    for ((plural, name), versions) in all {
        for Version { object, .. } in versions {
            let (status, there) = (&object["status"], object["metadata"]["generation"].as_i64());
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let all = conditions.chain([status]).filter_map(|one| one["observedGeneration"].as_i64());
            assert!(all.max() <= there, "{plural}/{name} has observed what was not there yet: {object:#}");
        }
    }
}
