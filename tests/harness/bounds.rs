//! How much may be asked (I7 of reliability.md): in any minute, of a budget, and while something does not work. Plans of few
//! objects have bounds of their own beside these, see `oracle::no_storm`.

use super::{past::Objects, sparing, world::*};
use atlas_privatelink_operator::testbed::simulator::{BucketSize, Operation, Request};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Requests to Atlas in any minute, for the operators themselves and for each object that there ever was.
const MOST_IN_A_MINUTE: (usize, usize) = (60, 12);

pub fn are_kept(world: &World, all: &Objects) {
    no_minute_is_full(world, all.len());
    the_budget_is_kept(world);
    retries_grow_rare(world, all.len());
}

/// To Atlas, and ten times as many to Kubernetes.
fn no_minute_is_full(world: &World, objects: usize) {
    let (own, each) = MOST_IN_A_MINUTE;
    no_minute_has_more(world, (own + each * objects) * world.clusters.lock().unwrap().len());
}

/// Atlas is not asked more often in any minute than this, and the Kubernetes API not more than ten times as often.
pub fn no_minute_has_more(world: &World, most: usize) {
    let ledger = world.ledger();
    let to_atlas = ledger.iter().filter(|entry| entry.request().is_some()).map(|entry| entry.at);
    let log = world.kube.log();
    let to_kubernetes = log.0.iter().filter(|request| request.client.starts_with("operator")).map(|request| request.at);
    for (whom, times, most) in [("Atlas", to_atlas.collect(), most), ("Kubernetes", to_kubernetes.collect(), 10 * most)]
    {
        let (from, busiest) = busiest_minute(times);
        assert!(busiest <= most, "{busiest} requests to {whom} in the minute from {from}");
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

/// The longest pause between two tries of one object, in seconds, and some more that a look at something else may add.
const CAP: f64 = 150.0;
/// How often one object tries at once, and again each time that the trouble has lasted twice as long.
const TRIES: (f64, f64) = (8.0, 2.0);

/// While one and the same request fails, for L seconds, it is tried at most c · log L + L / cap times by each object.
fn retries_grow_rare(world: &World, objects: usize) {
    for run in runs_of_failures(world) {
        let length = run.last.duration_since(run.first).as_secs_f64();
        let (at_once, each_time) = TRIES;
        let tries = at_once + each_time * (1.0 + length).log2() + length / CAP;
        let begun_anew = 1 + world.deaths.lock().unwrap().len();
        let most = (tries * objects.max(1) as f64) as usize * begun_anew;
        assert!(run.count <= most, "tried {} times in {length} seconds, at most {most}: {}", run.count, run.what);
    }
}

/// The same request, that failed again and again.
struct Run {
    what: String,
    first: Timestamp,
    last: Timestamp,
    count: usize,
}

/// Each ends with a request of this kind that tells something.
fn runs_of_failures(world: &World) -> Vec<Run> {
    let ledger = world.ledger();
    let (mut open, mut ended) = (BTreeMap::<_, Run>::new(), Vec::new());
    for (at, request) in ledger.iter().filter_map(|entry| Some((entry.at, entry.request()?))) {
        if request.challenged && request.fault.is_none() || request.operation == Some(Operation::Token) {
            continue;
        }
        let what = (&request.caller, &request.method, &request.path);
        if tells_nothing(request) {
            let run = open.entry(what).or_insert_with(|| Run {
                what: format!("{} {} {:?}", request.method, request.path, request.fault),
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

/// There was no answer, or Atlas is not well, or it wants to be left alone. Where it says for how long, it may be asked again
/// then, see `sparing::pauses_are_kept`.
fn tells_nothing(request: &Request) -> bool {
    request.fault.and_then(sparing::pause).is_none()
        && request.status.is_none_or(|status| status == 429 || status >= 500)
}
