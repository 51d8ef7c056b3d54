//! What happened in the world that this thread made last, in order, for the person who has to find out why a plan failed.

use super::{past, world::World};
use atlas_privatelink_operator::{
    api::ATTEMPT_ANNOTATION,
    testbed::{
        kubernetes::Version,
        simulator::{Cause, Effect, Entry},
    },
};
use jiff::Timestamp;
use std::cell::RefCell;

thread_local! {
    static LAST: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// From now on this is the world that is told of.
pub fn remember(world: &World) {
    LAST.with(|last| *last.borrow_mut() = Some(world.clone()));
}

/// A line for each version of an object, and for each request to Atlas and what changed there by itself.
pub fn of_the_last_world() -> Vec<String> {
    let Some(world) = LAST.with(|last| last.borrow_mut().take()) else { return Vec::new() };
    let mut lines: Vec<(Timestamp, String)> = world.ledger().iter().map(|entry| (entry.at, deed(entry))).collect();
    for ((plural, name), versions) in past::objects_everywhere(&world) {
        lines.extend(versions.iter().map(|version| (version.at, format!("{plural}/{name} {}", written(version)))));
    }
    // What happens in one instant stays in its order within Atlas, and within an object.
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(at, line)| format!("{at:.3} {line}")).collect()
}

fn deed(Entry { cause, effect, .. }: &Entry) -> String {
    let cause = match cause {
        Cause::Request(asked) => {
            let answer = asked.status.map_or("no answer".to_owned(), |status| status.to_string());
            let fault = asked.fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
            format!("{} {} -> {answer}{fault}", asked.method, asked.path)
        }
        Cause::ByItself => "by itself".to_owned(),
        Cause::BehindTheBack => "behind our back".to_owned(),
    };
    let effect = if *effect == Effect::None { String::new() } else { format!(": {effect:?}") };
    format!("Atlas {cause}{effect}")
}

fn written(version: &Version) -> String {
    let (object, status) = (&version.object, &version.object["status"]);
    let metadata = &object["metadata"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let said: Vec<_> =
        conditions.map(|c| format!("{}={} {}: {}", c["type"], c["status"], c["reason"], c["message"])).collect();
    let leaves = if metadata["deletionTimestamp"].is_null() { "" } else { ", is being deleted" };
    format!(
        "{:?} by {}{leaves}, finalizers {}, attempt {}, spec {}, has {}/{} {}, retiring {}, says {}",
        version.change,
        version.by,
        metadata["finalizers"],
        metadata["annotations"][ATTEMPT_ANNOTATION],
        object["spec"],
        status["privateLinkId"],
        status["interfaceEndpointId"],
        status["origin"],
        status["retiring"],
        said.join("; ")
    )
}
