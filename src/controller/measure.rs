//! What is measured of an object's life: how long it takes to become Ready and to go, and what is mended for it.

use super::{context::Context, events::News, kind::Kind};
use crate::{api::CommonStatus, reconcile::report};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::time::Duration;

/// Its status has been written: `before` became `after`, with this news.
pub fn change<K: Kind>(ctx: &Context, before: &K, after: &K, news: &[News]) {
    let is_ready = after.status().is_some_and(report::was_ready);
    ctx.memories.with(&after.uid().unwrap_or_default(), |memory| {
        memory.drifted |= news.iter().any(News::is_drift);
        if is_ready && std::mem::take(&mut memory.drifted) {
            memory.drift_repaired += 1;
        }
    });
    if is_ready && !before.status().is_some_and(report::was_ready) {
        ctx.metrics.became_ready(K::NAME, since(ctx, unready_since(before)));
    }
}

/// It has been let go.
pub fn gone<K: Kind>(ctx: &Context, object: &K) {
    if let Some(Time(asked)) = object.meta().deletion_timestamp {
        ctx.metrics.deleted(K::NAME, since(ctx, asked));
    }
}

/// When Ready was last taken from it; its creation, if it never said anything.
fn unready_since<K: Kind>(object: &K) -> Timestamp {
    let told = object.status().and_then(|status| status.conditions().first());
    let since = told.map(|ready| &ready.last_transition_time).or(object.meta().creation_timestamp.as_ref());
    since.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// The API server's clock may be ahead of ours.
fn since(ctx: &Context, then: Timestamp) -> Duration {
    ctx.clock.now().duration_since(then).try_into().unwrap_or_default()
}
