//! Runs many plans, each in a world and a paused time of its own, and tells of all that fail at once.

use super::world::World;
use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::Instant;

/// Runs one plan in a paused time of its own.
pub fn alone<F: Future>(plan: impl FnOnce() -> F) -> Result<F::Output, String> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(plan())
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| words(panic.as_ref()))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Runs all plans; `name` is what a failed one is called.
pub fn run<P, F: Future<Output = ()>>(plans: Vec<P>, name: impl Fn(&P) -> String, plan: impl Fn(P) -> F) {
    assert!(!plans.is_empty(), "there is nothing to run");
    let only = std::env::var("PLAN").ok();
    let (mut failed, all) = (Vec::new(), plans.len());
    for one in plans {
        let called = name(&one);
        if only.as_ref().is_some_and(|only| !called.contains(only)) {
            continue;
        }
        if let Err(why) = alone(|| plan(one)) {
            let shown = if failed.len() < 3 { why } else { why.lines().take(2).collect::<Vec<_>>().join(" ") };
            failed.push(format!("{called}: {shown}"));
        }
    }
    assert!(failed.is_empty(), "{} of {all} plans failed:\n{}", failed.len(), failed.join("\n"));
}

/// As [`World::until`], in longer strides.
pub async fn eventually(world: &World, within: Duration, what: &str, condition: impl Fn(&World) -> bool) {
    let deadline = Instant::now() + within;
    while !condition(world) {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}\n{}", world.picture());
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Whether an object says Ready=True, without decoding it.
pub fn says_ready(world: &World, plural: &str, name: &str) -> bool {
    let object = world.kube.get(plural, super::world::NAMESPACE, name);
    object.is_some_and(|object| object["status"]["conditions"][0]["status"] == "True")
}
