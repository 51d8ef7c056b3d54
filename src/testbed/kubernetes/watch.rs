//! WATCH: a stream that follows the versions of the store, as far as its client's view reaches.

use std::{collections::VecDeque, future::pending, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Shared,
    failure::Failure,
    faults::WatchFault,
    log::RequestRecord,
    object::{metadata_only, set_meta},
    resource::ResourceType,
    route::Call,
    state::State,
    store::{Change, Scope, Store, Version},
};

/// How often a watch that wants bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long before its end a watch gets its last bookmark.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// How long a watch lives that says nothing of it.
const LIFETIME: Duration = Duration::from_secs(45 * 60);

/// A watch that is being served.
#[derive(Debug, Clone)]
pub(super) struct OpenWatch {
    pub request: RequestRecord,
    pub fault: Option<WatchFault>,
}

/// What a watch was opened for.
#[derive(Debug)]
pub(super) struct Opening {
    open: OpenWatch,
    row: ResourceType,
    scope: Scope,
    /// The version that the caller knows everything up to.
    known: u64,
    after: u64,
    expired: Option<Failure>,
    initial: Vec<Value>,
    initial_bookmark: bool,
    bookmarks: bool,
    metadata_only: bool,
    lifetime: Duration,
}

impl Opening {
    /// Reads what the request asks for, at the moment of its effect.
    pub(super) fn read(
        store: &Store,
        call: &Call,
        scope: Scope,
        open: OpenWatch,
        horizon: u64,
    ) -> Result<Self, Failure> {
        let from = call.revision()?.filter(|revision| *revision > 0);
        let initial_bookmark = call.flag("sendInitialEvents");
        if initial_bookmark && call.parameter("resourceVersionMatch") != Some("NotOlderThan") {
            let why = "Forbidden: sendInitialEvents requires resourceVersionMatch=NotOlderThan";
            return Err(Failure::invalid_options("ListOptions", "resourceVersionMatch", why));
        }
        let fresh = from.is_none() || initial_bookmark;
        let expired = from
            .filter(|from| !fresh && *from < store.compacted)
            .map(|from| Failure::expired(format!("too old resource version: {from} ({})", store.compacted)));
        let known = from.filter(|_| !fresh).unwrap_or_default();
        let initial = if fresh { store.list(&scope, horizon) } else { Vec::new() };
        Ok(Self {
            open,
            row: store.types[scope.resource],
            known,
            after: if fresh { horizon } else { known },
            expired,
            initial: initial.into_iter().map(|(_, object)| object.clone()).collect(),
            initial_bookmark,
            bookmarks: call.flag("allowWatchBookmarks"),
            metadata_only: call.metadata_only(),
            lifetime: call
                .number("timeoutSeconds")?
                .filter(|seconds| *seconds > 0)
                .map_or(LIFETIME, Duration::from_secs),
            scope,
        })
    }
}

/// The stream of events, one line each.
pub(super) fn follow(shared: Arc<Shared>, opening: Opening) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(Follower::new(shared, opening), Follower::next)
}

struct Follower {
    shared: Arc<Shared>,
    opening: Opening,
    ticks: watch::Receiver<u64>,
    deadline: Instant,
    bookmark: Instant,
    pending: VecDeque<io::Result<Bytes>>,
    ended: bool,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.lock().watches.remove(&self.opening.open.request.order);
    }
}

impl Follower {
    fn new(shared: Arc<Shared>, mut opening: Opening) -> Self {
        let deadline = Instant::now() + opening.lifetime;
        let initial = std::mem::take(&mut opening.initial);
        let expired = opening.expired.take();
        let ticks = shared.ticks.subscribe();
        shared.lock().watches.insert(opening.open.request.order, opening.open.clone());
        // A real server (1.36) gives none to a watch of 6, 12 or 20 s, and two to one of 75 s.
        let (bookmark, pending) = (Instant::now() + BOOKMARK_EVERY, VecDeque::new());
        let mut follower = Self { shared, opening, ticks, deadline, bookmark, pending, ended: false };
        for object in &initial {
            follower.push("ADDED", object);
        }
        if follower.opening.initial_bookmark {
            follower.push_bookmark(json!({"k8s.io/initial-events-end": "true"}));
        }
        if let Some(failure) = expired {
            follower.expire(&failure);
        }
        follower
    }

    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            self.ticks.mark_unchanged();
            let wake = self.advance();
            if wake.is_some()
                && let Some(line) = self.pending.pop_front()
            {
                return Some((line, self));
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                changed = self.ticks.changed() => self.ended |= changed.is_err(),
                () = until(wake) => {}
            }
        }
    }

    /// Takes in what happened since; gives when to look again without a change, none while silenced.
    fn advance(&mut self) -> Option<Instant> {
        if self.ended {
            return Some(self.deadline);
        }
        let shared = self.shared.clone();
        let state = shared.lock();
        match state.watches.get(&self.opening.open.request.order).and_then(|open| open.fault) {
            Some(WatchFault::Silence) => return None,
            Some(WatchFault::Close) => self.end(),
            Some(WatchFault::Expire) => {
                self.end();
                self.expire(&Failure::expired("too old resource version: injected by the test"));
            }
            Some(WatchFault::Sever) => {
                self.end();
                self.pending.push_back(Err(io::Error::new(io::ErrorKind::ConnectionReset, "injected by the test")));
            }
            None => self.collect(&state),
        }
        Some(self.deadline.min(self.bookmark))
    }

    /// What was not sent yet is lost with the connection.
    fn end(&mut self) {
        self.pending.clear();
        self.ended = true;
    }

    fn collect(&mut self, state: &State) {
        let horizon =
            state.views.horizon(&self.opening.open.request.client, self.opening.row.plural, state.store.revision);
        for version in state.store.between(self.opening.after, horizon) {
            if let Some((event, object)) = seen_as(&self.opening.scope, version) {
                self.push(event, &object);
            }
        }
        self.opening.after = self.opening.after.max(horizon);
        let now = Instant::now();
        // What the caller knows needs no mark, and a real server gives none.
        let moved = self.opening.after > self.opening.known;
        if self.opening.bookmarks && moved && now >= self.bookmark && now < self.deadline {
            self.push_bookmark(Value::Null);
        }
        if now >= self.bookmark {
            self.bookmark = next_bookmark(self.deadline);
        }
        self.ended = now >= self.deadline;
    }

    fn push(&mut self, event: &str, object: &Value) {
        let object = if self.opening.metadata_only { metadata_only(object) } else { object.clone() };
        self.pending.push_back(Ok(line(event, &object)));
    }

    fn push_bookmark(&mut self, annotations: Value) {
        let mut metadata = json!({"resourceVersion": self.opening.after.to_string()});
        if !annotations.is_null() {
            metadata["annotations"] = annotations;
        }
        let row = &self.opening.row;
        let object = json!({"kind": row.kind, "apiVersion": row.api_version(), "metadata": metadata});
        self.push("BOOKMARK", &object);
    }

    fn expire(&mut self, failure: &Failure) {
        self.pending.push_back(Ok(line("ERROR", &failure.body())));
        self.ended = true;
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn next_bookmark(deadline: Instant) -> Instant {
    let now = Instant::now();
    let last = deadline.checked_sub(LAST_BOOKMARK).unwrap_or(deadline);
    if now < last { last.min(now + BOOKMARK_EVERY) } else { deadline }
}

/// What a version is to those who see only the scope: a change of labels can make an object appear or vanish. One that
/// vanishes is shown as it was before, with the version of the change.
fn seen_as(scope: &Scope, version: &Version) -> Option<(&'static str, Value)> {
    if !scope.covers(&version.key) {
        return None;
    }
    let before = version.previous.as_ref().filter(|object| scope.selector.matches(object));
    let after = version.change != Change::Deleted && scope.selector.matches(&version.object);
    match (before, after) {
        (None, false) => None,
        (None, true) => Some((Change::Added.event(), version.object.clone())),
        (Some(_), true) => Some((Change::Modified.event(), version.object.clone())),
        (Some(previous), false) => {
            let mut last = previous.clone();
            set_meta(&mut last, "resourceVersion", json!(version.revision.to_string()));
            Some((Change::Deleted.event(), last))
        }
    }
}

fn line(event: &str, object: &Value) -> Bytes {
    Bytes::from(json!({"type": event, "object": object}).to_string() + "\n")
}
