//! What is told about an object: one line of the log for each transition, and Kubernetes Events. Never per poll.

use super::{context::Context, kind::Kind};
use crate::{
    api::{CommonStatus, Verdict},
    clock::Clock,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};
use tracing::{Instrument, Span};

/// What events and `metadata.managedFields` call this program.
const REPORTER: &str = "atlas-privatelink-operator";
/// How long after it was last told a repeat is counted in the event that is there, as client-go does.
const SERIES: SignedDuration = SignedDuration::from_mins(6);
/// The API server takes at most 1024 bytes.
const LONGEST_NOTE: usize = 1024;
/// With the dot and the 16 digits that follow it, within the 253 bytes that a name may have.
const LONGEST_PREFIX: usize = 236;

/// One thing worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct News {
    pub warning: bool,
    pub reason: &'static str,
    pub action: &'static str,
    pub note: String,
    /// It is what the conditions say from now on, in their words.
    pub is_verdict: bool,
}

impl News {
    pub fn normal(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: false, reason, action, note: note.into(), is_verdict: false }
    }

    pub fn warning(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: true, ..Self::normal(reason, action, note) }
    }

    /// What an object had in Atlas is gone, and not by its own doing.
    pub fn is_drift(&self) -> bool {
        matches!(self.reason, "ServiceGone" | "EndpointGone")
    }

    /// Says that it is what the conditions say from now on.
    pub fn as_verdict(self) -> Self {
        Self { is_verdict: true, ..self }
    }
}

tokio::task_local! {
    /// What the lines of one reconcile have in common, also those about another object.
    static RECONCILE: String;
}

/// Gives the lines of a reconcile an id that no other has.
pub async fn identified<T>(ctx: &Context, reconcile: impl Future<Output = T>) -> T {
    RECONCILE.scope(format!("{:016x}", ctx.jitter.number()), reconcile).await
}

/// The span of everything that is done for an object; its fields are on every line of the log. None of them is `name`,
/// which JSON lines have for the name of the span.
pub fn span<K: Kind>(ctx: &Context, object: &K) -> Span {
    let (project, region) = object.whereabouts(ctx).unzip();
    tracing::info_span!(
        parent: None,
        "reconcile",
        kind = %K::kind(&()),
        namespace = object.namespace(),
        object = object.name_any(),
        project,
        region,
        reconcile = RECONCILE.try_with(String::clone).ok()
    )
}

/// Tells `news` about an object, which need not be the one that is being reconciled.
pub async fn announce<K: Kind>(ctx: &Context, object: &K, news: News) {
    async {
        tracing::info!(event = news.reason, "{}", news.note);
        ctx.events.publish(object, news).await;
    }
    .instrument(span(ctx, object))
    .await;
}

/// Tells what has just been done in Atlas for an object. What the conditions say of it next is the same transition.
pub async fn announce_deed<K: Kind>(ctx: &Context, object: &K, news: News) {
    ctx.memories.with(&object.uid().unwrap_or_default(), |memory| memory.told_deed = true);
    announce(ctx, object, news).await;
}

/// Tells how an object's status has changed since `before`.
pub async fn announce_change<K: Kind>(ctx: &Context, before: &K::Status, object: &K, news: Vec<News>) {
    let conditions = object.status().map(CommonStatus::conditions).unwrap_or_default();
    let after_deed =
        ctx.memories.with(&object.uid().unwrap_or_default(), |memory| std::mem::take(&mut memory.told_deed));
    let changed = Verdict::of(before.conditions()) != Verdict::of(conditions);
    if let (Some(ready), true) = (conditions.first(), changed)
        && !after_deed
        && !news.iter().any(|item| item.is_verdict)
    {
        tracing::info!(ready = ready.status, reason = ready.reason, "{}", ready.message);
    }
    for item in news {
        announce(ctx, object, item).await;
    }
}

/// What was told not long ago.
struct Told {
    event: String,
    count: i32,
    last: Timestamp,
}

/// Publishes events. Losing one is no reason to stop.
///
/// Only what is repeated word for word is counted in the event that is there. kube's `Recorder` leaves the note out of
/// what it compares and keeps the first one, so that a second "attached vpce-…" would go on naming the old endpoint.
#[derive(Clone)]
pub struct Events {
    client: Client,
    instance: String,
    clock: Clock,
    /// By uid of the object.
    recent: Arc<Mutex<HashMap<(String, News), Told>>>,
}

impl Events {
    pub fn new(client: Client, instance: String, clock: Clock) -> Self {
        Self { client, instance, clock, recent: Arc::default() }
    }

    /// Publishes `news` about `object`.
    async fn publish(&self, object: &impl Resource<DynamicType = ()>, mut news: News) {
        news.note.truncate(news.note.floor_char_boundary(LONGEST_NOTE));
        let regarding = object.object_ref(&());
        let key = (regarding.uid.clone().unwrap_or_default(), news.clone());
        if let Err(error) = self.send(&regarding, &key).await {
            tracing::warn!(%error, reason = news.reason, "an event could not be published");
        }
    }

    async fn send(&self, regarding: &ObjectReference, key: &(String, News)) -> Result<(), kube::Error> {
        let now = self.clock.now();
        let api = Api::<Event>::namespaced(self.client.clone(), regarding.namespace.as_deref().unwrap_or("default"));
        if let Some((name, count)) = self.repeated(key, now) {
            let series = json!({"series": {"count": count, "lastObservedTime": MicroTime(now)}});
            match api.patch(&name, &PatchParams::default(), &Patch::Merge(series)).await {
                // Events do not live for ever, and this one may never have been taken.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                result => return result.map(drop),
            }
        }
        let event = self.event(regarding, &key.1, now);
        let told = Told { event: event.name_any(), count: 1, last: now };
        self.with_recent(|recent| recent.insert(key.clone(), told));
        api.create(&PostParams::default(), &event).await.map(drop)
    }

    /// Counts a repeat; gives the event that tells it already, and how often it has been told with this time.
    fn repeated(&self, key: &(String, News), now: Timestamp) -> Option<(String, i32)> {
        self.with_recent(|recent| {
            recent.retain(|_, told| now.duration_since(told.last) < SERIES);
            let told = recent.get_mut(key)?;
            told.count = told.count.saturating_add(1);
            told.last = now;
            Some((told.event.clone(), told.count))
        })
    }

    fn event(&self, regarding: &ObjectReference, news: &News, now: Timestamp) -> Event {
        let name = regarding.name.as_deref().unwrap_or(REPORTER);
        let prefix = name.get(..name.floor_char_boundary(LONGEST_PREFIX)).unwrap_or(REPORTER);
        let mut hasher = DefaultHasher::new();
        (&self.instance, &regarding.uid, news, now.as_nanosecond()).hash(&mut hasher);
        let type_ = if news.warning { "Warning" } else { "Normal" };
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:016x}", prefix.trim_end_matches(['-', '.']), hasher.finish())),
                namespace: regarding.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some(news.action.to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(news.note.clone()),
            reason: Some(news.reason.to_owned()),
            regarding: Some(regarding.clone()),
            reporting_controller: Some(REPORTER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(type_.to_owned()),
            ..Event::default()
        }
    }

    fn with_recent<T>(&self, change: impl FnOnce(&mut HashMap<(String, News), Told>) -> T) -> T {
        change(&mut self.recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
