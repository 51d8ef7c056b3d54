//! How much may be asked (I7 of reliability.md): in any minute, of a budget, and while something does not work. Plans of few
//! objects have bounds of their own beside these, see `oracle::no_storm`.

use super::{past::Objects, sparing, world::*};
use atlas_privatelink_operator::testbed::simulator::{BucketSize, Operation, Request};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Requests to Atlas in any minute, of each operator and for each object that there ever was; and how many times as many
/// there are to Kubernetes.
const MOST_IN_A_MINUTE: (usize, usize, usize) = (30, 12, 4);

/// `everywhere`: how many objects there ever were in all clusters.
pub fn are_kept(world: &World, all: &Objects, everywhere: usize) {
    let (own, each, to_kubernetes) = MOST_IN_A_MINUTE;
    let most = own * operators(world) + each * everywhere;
    no_minute_has_more(world, most, to_kubernetes * most);
    the_budget_is_kept(world);
    retries_grow_rare(world, all);
}

/// How many operators there ever were, in all clusters.
fn operators(world: &World) -> usize {
    let clusters = world.clusters.lock().unwrap();
    let clients = clusters.iter().flat_map(|kube| kube.log().0).map(|request| request.client.clone());
    clients.filter(|client| client.starts_with("operator")).collect::<BTreeSet<_>>().len()
}

/// Neither Atlas nor the Kubernetes API is asked more often in any minute than this.
pub fn no_minute_has_more(world: &World, to_atlas: usize, to_kubernetes: usize) {
    let ledger = world.ledger();
    let asked = ledger.iter().filter(|entry| entry.request().is_some()).map(|entry| entry.at).collect();
    let log = world.kube.log();
    let operators = log.0.iter().filter(|request| request.client.starts_with("operator"));
    let requests = operators.map(|request| request.at).collect();
    for (whom, times, most) in [("Atlas", asked, to_atlas), ("Kubernetes", requests, to_kubernetes)] {
        let (from, busiest) = busiest_minute(times);
        assert!(busiest <= most, "{busiest} requests to {whom} in the minute from {from}, at most {most}");
    }
}

/// When it began, and how many of these times are in it.
fn busiest_minute(mut times: Vec<Timestamp>) -> (Timestamp, usize) {
    times.sort();
    let within = |first: &Timestamp| {
        let end = *first + SignedDuration::from_secs(60);
        times.partition_point(|at| *at < end) - times.partition_point(|at| at < first)
    };
    times.iter().map(|first| (*first, within(first))).max_by_key(|(_, count)| *count).unwrap_or_default()
}

/// A bucket of the ordinary size is never found empty.
fn the_budget_is_kept(world: &World) {
    if world.nature.atlas.bucket != BucketSize::default() {
        return;
    }
    let ledger = world.ledger();
    let refused = ledger.requests().find(|request| request.status == Some(429) && request.fault.is_none());
    assert!(refused.is_none(), "the budget was used up: {refused:?}");
}

/// How many seconds apart the tries are at last: reads, which all objects share, and writes. The longest pauses are one
/// minute and five; what else is looked at comes between.
const AT_LAST: (f64, f64) = (55.0, 200.0);
/// How often it is tried at once, and again each time that the trouble has lasted twice as long.
const TRIES: (f64, f64) = (5.0, 1.5);

/// While one and the same request fails, for L seconds, it is tried at most c · log L + L / cap times: by each operator, and a
/// write for each link, for those of one project ask at one place.
fn retries_grow_rare(world: &World, all: &Objects) {
    let operators = operators(world);
    let links = all.iter().filter(|((plural, _), _)| plural == LINKS).count().max(1);
    for run in runs_of_failures(world) {
        let length = run.last.duration_since(run.first).as_secs_f64();
        let ((at_once, each_time), (reads, writes)) = (TRIES, AT_LAST);
        let apart = if run.reads { reads } else { writes };
        let tries = at_once + each_time * (1.0 + length).log2() + length / apart;
        let most = tries as usize * operators * if run.reads { 1 } else { links };
        assert!(run.count <= most, "tried {} times in {length} seconds, at most {most}: {}", run.count, run.what);
    }
}

/// The same request, that failed again and again.
struct Run {
    what: String,
    reads: bool,
    first: Timestamp,
    last: Timestamp,
    count: usize,
}

/// Each ends with a request of this kind that comes to something.
fn runs_of_failures(world: &World) -> Vec<Run> {
    let ledger = world.ledger();
    let (mut open, mut ended) = (BTreeMap::<_, Run>::new(), Vec::new());
    for (at, request) in ledger.iter().filter_map(|entry| Some((entry.at, entry.request()?))) {
        if request.challenged && request.fault.is_none() {
            continue;
        }
        let what = (&request.caller, &request.method, &request.path);
        if comes_to_nothing(request) {
            let run = open.entry(what).or_insert_with(|| Run {
                what: format!("{} {} {:?} {:?}", request.method, request.path, request.status, request.fault),
                // A token is asked for where something is read.
                reads: request.method == "GET" || request.operation == Some(Operation::Token),
                first: at,
                last: at,
                count: 0,
            });
            (run.last, run.count) = (at, run.count + 1);
        } else {
            ended.extend(open.remove(&what));
        }
    }
    ended.extend(open.into_values());
    ended
}

/// What faults make of a success for it to be none.
const SPOILT: [&str; 7] =
    ["html-ok", "truncated-json", "wrong-content-type", "missing-id", "nulls", "huge-body", "invalid-utf8"];

/// There was no answer, or Atlas refuses it, or is not well, or what it says cannot be read. Where it says for how long it is to
/// be left alone, it may be asked again then, see `sparing::pauses_are_kept`.
fn comes_to_nothing(request: &Request) -> bool {
    let told_when = request.fault.and_then(sparing::pause).is_some();
    let spoilt = request.fault.is_some_and(|fault| SPOILT.contains(&fault));
    // What is not found may be what is looked for.
    let looked_for = request.method == "GET" && request.fault.is_none();
    let refused = |status: u16| status >= 300 && !(status == 404 && looked_for);
    !told_when && (spoilt || request.status.is_none_or(refused))
}
