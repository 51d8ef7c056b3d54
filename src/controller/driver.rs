//! Drives one object through its phases: resolve → plan → apply, a bounded number of times, then status, once.

use super::{
    context::{Care, Context},
    events,
    kind::{Applied, Decision, Demand, Kind},
    measure,
    memory::is_older,
    setback::{failed, held_back, stop},
    way, write,
};
use crate::{
    api::{CommonStatus, Reason, Verdict},
    atlas::{Caller, Sent},
    metrics::ErrorClass,
    reconcile::{
        Look, Subject,
        blocked::{Blocked, Cause},
        report,
    },
};
use futures::FutureExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    ResourceExt,
    core::{DeserializeGuard, Status},
    runtime::controller::Action,
};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::Instrument;

/// How many steps one reconcile takes at most. Hardly anything needs as many: what takes them is done again and again.
const STEPS: usize = 8;
/// How long one reconcile may take, waiting for the project's turn included.
const DEADLINE: Duration = Duration::from_secs(180);
/// How soon an object is looked at again when the cluster is about to change.
const SHORTLY: Duration = Duration::from_secs(1);
/// No requeue is sooner than this.
pub(super) const SOONEST: Duration = Duration::from_millis(50);

/// Why a reconcile came to no end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the Kubernetes API did not take a request")]
    Kubernetes(#[from] kube::Error),
    #[error("what the Kubernetes API has could not be read")]
    Unread,
    /// A list that lags behind, say, does not show what was done already.
    #[error("what is seen of the cluster does not follow what is done there")]
    Lagging,
}

/// Reconciles one object. Never fails: whatever happens ends in a requeue.
pub async fn reconcile<K: Kind>(object: Arc<DeserializeGuard<K>>, ctx: Arc<Context>) -> Action {
    events::identified(&ctx, guarded(object, &ctx)).await
}

async fn guarded<K: Kind>(object: Arc<DeserializeGuard<K>>, ctx: &Context) -> Action {
    let object = match &object.0 {
        Ok(object) => object.clone(),
        Err(invalid) => {
            tracing::error!(object = invalid.metadata.name, namespace = invalid.metadata.namespace, error = %invalid.error, "the object cannot be decoded and is left alone");
            return Action::await_change();
        }
    };
    let uid = object.uid().unwrap_or_default();
    let span = events::span(ctx, &object);
    let (run, started) = (AssertUnwindSafe(run(ctx, object.clone())).catch_unwind(), Instant::now());
    let ended = tokio::time::timeout(DEADLINE, run).instrument(span.clone()).await;
    ctx.metrics.reconciled(K::NAME, started.elapsed());
    match ended {
        Ok(Ok(Ok(action))) => {
            ctx.memories.with_known(&uid, |memory| memory.troubles = 0);
            action
        }
        Ok(Ok(Err(Trouble::Kubernetes(error)))) => {
            let conflict = matches!(&error, kube::Error::Api(status) if status.is_conflict());
            span.in_scope(|| {
                if conflict {
                    tracing::debug!("somebody else has changed the object meanwhile")
                } else {
                    tracing::warn!(%error, "will try again")
                }
            });
            if let kube::Error::Api(refusal) = &error
                && is_for_a_person(refusal)
            {
                let told = AssertUnwindSafe(tell_refusal(ctx, &object, refusal)).catch_unwind();
                let _ = tokio::time::timeout(TELLING, told).instrument(span).await;
            }
            again(ctx, &uid, if conflict { ErrorClass::Conflict } else { ErrorClass::Kubernetes })
        }
        Ok(Ok(Err(Trouble::Unread))) => again(ctx, &uid, ErrorClass::Kubernetes),
        Ok(Ok(Err(lagging @ Trouble::Lagging))) => {
            span.in_scope(|| tracing::debug!("{lagging}"));
            again(ctx, &uid, ErrorClass::Conflict)
        }
        Ok(Err(_panic)) => {
            span.in_scope(|| tracing::error!("the reconcile panicked; this is a bug of the operator"));
            again(ctx, &uid, ErrorClass::Panic)
        }
        Err(_elapsed) => {
            span.in_scope(|| tracing::warn!("the reconcile took too long and was given up"));
            again(ctx, &uid, ErrorClass::Timeout)
        }
    }
}

/// Whether the API server refuses a write for as long as nobody changes a permission, a policy or the definition.
fn is_for_a_person(refusal: &Status) -> bool {
    (400..500).contains(&refusal.code) && ![404, 408, 409, 429].contains(&refusal.code)
}

/// How long it may take to say that a write was refused.
const TELLING: Duration = Duration::from_secs(15);

/// Says on the object that a write was refused, if at least that is taken. What works, works on; and what was edited since
/// is looked at first.
async fn tell_refusal<K: Kind>(ctx: &Context, object: &K, refusal: &Status) {
    let seen = Subject::of(object, object.is_suspended());
    let Ok(Some(object)) = fetched(ctx, object).await else { return };
    let subject = Subject::of(&object, object.is_suspended());
    let works = !subject.deleting && object.status().is_some_and(report::was_ready);
    if works || subject != seen {
        return;
    }
    let message = format!("the API server refuses a change that the operator has to make: {}", refusal.message);
    let blocked = Blocked::by_cluster(Verdict::reconciling(Reason::Retrying, message), None);
    if let Err(error) = stop(ctx, &object, &subject, &blocked).await {
        tracing::debug!(%error, "nor can that be said on the object");
    }
}

/// The next try after trouble: 1, 2, 4 … 60 seconds.
fn again(ctx: &Context, uid: &str, class: ErrorClass) -> Action {
    ctx.metrics.reconcile_failed(class);
    let troubles = ctx.memories.with(uid, |memory| {
        memory.troubles = memory.troubles.saturating_add(1);
        memory.troubles
    });
    let pause = Duration::from_secs(1 << (troubles - 1).min(6)).min(Duration::from_secs(60));
    Action::requeue(pause.mul_f64(1.0 + 0.1 * ctx.jitter.fraction()))
}

async fn run<K: Kind>(ctx: &Context, object: K) -> Result<Action, Trouble> {
    let Some(mut object) = newest(ctx, object).await? else { return Ok(Action::await_change()) };
    let (mut care, mut turn) = (Care::Normal, None);
    for _ in 0..STEPS {
        let subject = Subject::of(&object, object.is_suspended());
        if !subject.deleting && !subject.protected && object.must_be_protected() {
            object = write::record(ctx, &object, None).await?;
            continue;
        }
        let situation = match object.resolve(ctx, subject.clone(), care).await {
            Ok(situation) => situation,
            Err(blocked) if blocked.cause == Cause::Kubernetes => {
                // What a suspended object says is as last seen.
                if !subject.suspended {
                    stop(ctx, &object, &subject, &blocked).await?;
                }
                return Err(Trouble::Unread);
            }
            Err(_) if subject.suspended => return suspended(ctx, &object, &subject).await,
            Err(blocked) => return stop(ctx, &object, &subject, &blocked).await,
        };
        if subject.suspended && !subject.deleting {
            return suspended(ctx, &object, &subject).await;
        }
        let before = object.status().cloned().unwrap_or_default();
        let (decision, read) = situation.decide(&before, ctx.clock.now());
        let Some(step) = decision.step.as_ref() else {
            let waits_for_resumption = subject.suspended && !K::keeps_all(&situation.desired);
            let decision =
                if waits_for_resumption { waiting_suspended(ctx, &subject, before, decision) } else { decision };
            if care == Care::Normal && is_old_news(ctx, &object, &decision.status, read) {
                care = Care::AtlasNow;
                continue;
            }
            return settle(ctx, &object, decision, read, situation.caller()).await;
        };
        let demand = K::demand(step);
        match demand {
            Demand::Atlas(_) if subject.suspended => return suspended(ctx, &object, &subject).await,
            Demand::Atlas(_) => {
                if let Some(blocked) = held_back(ctx, &object, &subject, situation.caller()) {
                    return stop(ctx, &object, &subject, &blocked).await;
                }
            }
            Demand::Kubernetes(_) | Demand::Status(_) => {}
        }
        let needed = demand.care();
        let out_of_turn = situation.caller().filter(|_| needed > Care::Normal && turn.is_none());
        if care < needed || out_of_turn.is_some() {
            if let Some(caller) = out_of_turn {
                let Some(taken) = ctx.inventory.turn(caller.project).await else {
                    return Ok(Action::requeue(SHORTLY));
                };
                turn = Some(taken);
            }
            let Some(newest) = careful(ctx, object, needed).await? else { return Ok(Action::await_change()) };
            (object, care) = (newest, needed);
            continue;
        }
        if let Demand::Status(_) = demand {
            object = write_status(ctx, &object, decision.status).await?;
            continue;
        }
        let Some(step) = decision.step else { break };
        tracing::debug!(?step, "taking a step");
        match object.apply(ctx, &situation, step).await? {
            Applied::Changed(changed) => object = *changed,
            Applied::Gone => {
                measure::gone(ctx, &object);
                ctx.memories.forget(&subject.uid);
                return Ok(Action::await_change());
            }
            Applied::Failed(failure, changed) => {
                return failed(ctx, &*changed, &subject, situation.caller(), &failure).await;
            }
        }
        // What Atlas was asked for shows in a new look; what comes next is decided as carefully once it is due.
        if let Demand::Atlas(_) = demand {
            care = Care::Normal;
        }
    }
    Err(Trouble::Lagging)
}

/// Whether an object where nothing moved would come to stand otherwise for what an old look shows. That may have passed
/// since: it is looked at anew before it is told.
fn is_old_news<K: Kind>(ctx: &Context, object: &K, after: &K::Status, read: Option<Sent>) -> bool {
    let is_old = read.is_some_and(|read| read.at.elapsed() > ctx.settings.poll_interval);
    let standing = |status: &K::Status| Verdict::of(status.conditions()).map(|(standing, _)| standing);
    is_old && way::is_quiet(object.status()) && object.status().and_then(standing) != standing(after)
}

/// The object as it is worth deciding on: not older than this process' own last write. Remembers who wrote it.
async fn newest<K: Kind>(ctx: &Context, object: K) -> Result<Option<K>, kube::Error> {
    let uid = object.uid().unwrap_or_default();
    let own = ctx.memories.with(&uid, |memory| memory.own_version.clone());
    let object = match &own {
        Some(own) if is_older(&object.resource_version().unwrap_or_default(), own) => {
            match fetched(ctx, &object).await? {
                Some(object) => object,
                None => return Ok(None),
            }
        }
        Some(_) | None => object,
    };
    ctx.reached(&object);
    Ok(Some(object))
}

async fn careful<K: Kind>(ctx: &Context, object: K, care: Care) -> Result<Option<K>, kube::Error> {
    if care < Care::EverythingNow {
        return Ok(Some(object));
    }
    let object = fetched(ctx, &object).await?;
    if let Some(object) = &object {
        ctx.reached(object);
    }
    Ok(object)
}

/// The object as the API server has it; `None` if it is gone, or another has its name.
async fn fetched<K: Kind>(ctx: &Context, object: &K) -> Result<Option<K>, kube::Error> {
    let api = K::objects(ctx).api(&object.namespace().unwrap_or_default());
    Ok(api.get_opt(&object.name_any()).await?.filter(|found| found.uid() == object.uid()))
}

/// Nothing is left to do now: writes the status if it differs, and tells when to look again.
async fn settle<K: Kind>(
    ctx: &Context,
    object: &K,
    decision: Decision<K>,
    read: Option<Sent>,
    caller: Option<&Caller>,
) -> Result<Action, Trouble> {
    let failed = K::has_failed(&decision.status);
    ctx.memories.with(&object.uid().unwrap_or_default(), |memory| {
        memory.silent_until = None;
        memory.failed_since = if failed { memory.failed_since.or(Some(Instant::now())) } else { None };
        if report::was_ready(&decision.status) {
            memory.write_pause = None;
        }
    });
    write_status(ctx, object, decision.status).await?;
    let resync = caller.map_or(ctx.settings.resync_interval, |caller| ctx.resync_interval(&caller.project));
    Ok(next_look(decision.look, read, ctx.settings.poll_interval, resync))
}

fn next_look(look: Look, read: Option<Sent>, poll: Duration, resync: Duration) -> Action {
    let now = Instant::now();
    let seen = read.map_or(now, |read| read.at);
    // What rests on an old look is not decided again before a new one is due.
    let aligned = |interval: Duration| Some(seen + interval).filter(|due| *due > now).unwrap_or(now + interval);
    let due = match look {
        Look::Poll => aligned(poll),
        Look::Resync => aligned(resync),
        Look::Shortly => now + SHORTLY,
        Look::At(instant) if instant > now => instant,
        Look::At(_) => aligned(poll),
        Look::Never => return Action::await_change(),
    };
    Action::requeue(due.saturating_duration_since(now).max(SOONEST))
}

/// Two operators on one object must not answer each other: where the version was just another's, a message that merely
/// says the same in other words is left as it is. Not for long: it may be this process' own, of whose write the answer was
/// lost.
fn says_the_same<K: Kind>(ctx: &Context, object: &K, status: &K::Status) -> bool {
    let Some(before) = object.status() else { return false };
    let just_foreign = ctx.memories.with(&object.uid().unwrap_or_default(), |memory| {
        memory.foreign_version.as_ref().is_some_and(|(.., since)| since.elapsed() < ctx.settings.resync_interval / 2)
    });
    let mut reworded = status.clone();
    let worded = status.conditions().iter().cloned().map(|condition| {
        let earlier = before.conditions().iter().find(|earlier| earlier.type_ == condition.type_);
        let message = earlier.map_or(condition.message.clone(), |earlier| earlier.message.clone());
        Condition { message, ..condition }
    });
    reworded.set_conditions(worded.collect());
    *status == *before || (just_foreign && reworded == *before)
}

pub(super) async fn write_status<K: Kind>(ctx: &Context, object: &K, status: K::Status) -> Result<K, kube::Error> {
    let (written, news) = if says_the_same(ctx, object, &status) {
        (object.clone(), Vec::new())
    } else {
        let news = object.news(&status, ctx.clock.now());
        let written = write::status(ctx, object, status).await?;
        measure::change(ctx, object, &written, &news);
        (written, news)
    };
    events::announce_change(ctx, &object.status().cloned().unwrap_or_default(), &written, news).await;
    Ok(written)
}

/// A suspended object that is being deleted goes on waiting, and says how to go on.
fn waiting_suspended<K: Kind>(
    ctx: &Context,
    subject: &Subject,
    before: K::Status,
    decision: Decision<K>,
) -> Decision<K> {
    let mut status = before;
    report::tell_suspended(&mut status, subject, ctx.clock.now());
    Decision { status, ..decision }
}

async fn suspended<K: Kind>(ctx: &Context, object: &K, subject: &Subject) -> Result<Action, Trouble> {
    let mut status = object.status().cloned().unwrap_or_default();
    report::tell_suspended(&mut status, subject, ctx.clock.now());
    write_status(ctx, object, status).await?;
    Ok(Action::requeue(ctx.settings.resync_interval))
}
