//! A run in a paused time of its own.

use super::{canary::tells, world::World};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::Instant;

/// Runs it in a paused time of its own, and tells with which words it failed.
pub fn alone<F: Future>(run: impl FnOnce() -> F) -> Result<F::Output, String> {
    caught(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run())
    })
}

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
    /// Whether the words of any panic of this thread told a secret, also of one that was caught.
    static TOLD: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread told a secret since this was asked last.
pub fn a_panic_told() -> bool {
    TOLD.with(|told| told.replace(false))
}

/// From now on nothing is printed when something panics: what is caught tells the words and the place.
pub fn panic_quietly() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PLACE.with(|last| *last.borrow_mut() = place);
        if tells(&words(panic.payload())) {
            TOLD.with(|told| told.set(true));
        }
    }));
}

/// What it gives, or the words that it panicked with.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let place = PLACE.with(|place| place.borrow().clone());
        format!("{}\n{place}", words(panic.as_ref())).trim_end().to_owned()
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// As [`World::until`], in longer strides.
pub async fn eventually(world: &World, within: Duration, what: &str, condition: impl Fn(&World) -> bool) {
    let deadline = Instant::now() + within;
    while !condition(world) {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}\n{}", world.picture());
        world.pass(Duration::from_secs(5)).await;
    }
}

/// Whether an object says Ready=True, without decoding it.
pub fn says_ready(world: &World, plural: &str, name: &str) -> bool {
    let object = world.kube.get(plural, super::world::NAMESPACE, name);
    object.is_some_and(|object| object["status"]["conditions"][0]["status"] == "True")
}
