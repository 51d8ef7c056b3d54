//! The write-ahead record of an Atlas write, and what is known of its outcome (design.md, safety rules 1 and 2).
//!
//! Before a write, its record is put on the object. Whoever finds the record later, this process or another one after
//! a crash, can tell from it whether what then stands in Atlas is ours, without asking anybody and without writing twice.

use super::{Moment, Subject, endpoint::Attachment};
use crate::{
    api::ATTEMPT_ANNOTATION,
    atlas::{
        Sent, Sequence,
        error::{AtlasError, Class},
        ids::{EndpointId, ServiceId},
    },
};
use jiff::{SignedDuration, Timestamp};
use kube::Resource;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};
use tokio::time::Instant;

/// How long one call of Atlas may take before it counts as unanswered.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// How long an unanswered attempt keeps finalizers in place and other holders from writing.
pub const HOLD: Duration = Duration::from_secs(90);
const HOLD_SIGNED: SignedDuration = SignedDuration::from_secs(90);
/// How far Atlas' second of creation may lie outside the time between an attempt and its deadline.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);
/// What goes later than this after it was to be removed, without having been seen to go, is somebody else's doing: Atlas
/// takes some minutes, and may not be reached for some more.
const LONGEST_REMOVAL: SignedDuration = SignedDuration::from_hours(1);
const DEADLINE_SIGNED: SignedDuration = SignedDuration::from_secs(30);

/// Names one run of the operator: another run, of this host or any other, is another holder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holder(String);

impl Holder {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be written to Atlas.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "write", rename_all_fields = "camelCase")]
pub enum AttemptedWrite {
    CreateService,
    DeleteService { service: ServiceId },
    AddEndpoint { service: ServiceId, endpoint: EndpointId },
    RemoveEndpoint { service: ServiceId, endpoint: EndpointId },
}

impl AttemptedWrite {
    /// To attach it.
    pub fn add(attachment: &Attachment) -> Self {
        let Attachment { service, endpoint } = attachment.clone();
        Self::AddEndpoint { service, endpoint }
    }

    /// To detach it.
    pub fn remove(attachment: &Attachment) -> Self {
        let Attachment { service, endpoint } = attachment.clone();
        Self::RemoveEndpoint { service, endpoint }
    }
}

/// The record of one write and its repeats. Times are Atlas' (ours corrected by the `Date` of the LIST before).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The object's uid; on an object with another uid the record is a copy and void.
    uid: String,
    pub holder: Holder,
    #[serde(flatten)]
    pub write: AttemptedWrite,
    pub first: Timestamp,
    pub last: Timestamp,
    /// It was sent more than once. (Atlas' time may stand still between two requests.)
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
    /// The services that stood before it, and the one that this object had before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<ServiceId>,
    /// It made nothing: Atlas refused its only request, or nothing has come of it in its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// How many times a failed service or endpoint has been taken away to be made again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    /// The name of the service that the new one replaces, to be told apart from it once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// A definite refusal, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What Atlas said.
    pub detail: String,
    /// It was a 409: what was to be made is there already, or something stands in its way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflict: bool,
    /// Atlas will not take it however often it is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_good: bool,
    /// The generation and the reconcile request under which it was refused: a new one is a reason to ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl Refusal {
    pub fn new(error: &AtlasError, subject: &Subject) -> Self {
        Self {
            detail: error.to_string(),
            conflict: error.status == Some(409) && matches!(error.class, Class::Exists | Class::NotYet),
            for_good: error.class == Class::Invalid,
            generation: subject.generation,
            request: subject.request.clone(),
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Attempt {
    pub fn new(uid: &str, holder: &Holder, write: AttemptedWrite, at: Timestamp) -> Self {
        let (uid, holder) = (uid.to_owned(), holder.clone());
        Self {
            uid,
            holder,
            write,
            first: at,
            last: at,
            repeated: false,
            shown: Vec::new(),
            refusal: None,
            tries: 0,
            replaces: None,
        }
    }

    pub fn showing(mut self, shown: impl IntoIterator<Item = ServiceId>) -> Self {
        self.shown.extend(shown);
        self.shown.sort_unstable();
        self.shown.dedup();
        self
    }

    pub fn with_tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    pub fn replacing(mut self, name: Option<String>) -> Self {
        self.replaces = name;
        self
    }

    /// The record of a repeat: holder and last time are rewritten, the first time and the ids never.
    pub fn repeated(&self, holder: &Holder, at: Timestamp) -> Self {
        Self { holder: holder.clone(), last: at.max(self.last), repeated: true, ..self.clone() }
    }

    /// Whether its last request was not its only one: what came of that says nothing of those before it.
    pub fn is_repeat(&self) -> bool {
        self.repeated
    }

    /// Whether none of its requests can arrive at Atlas any more: its only one was answered, or the last was sent long ago, by
    /// Atlas' time, and by the clock of the process that has sent it.
    pub fn is_over(&self, moment: &Moment) -> bool {
        let sending = moment.attempt.sending_of(self).filter(|_| self.holder == moment.holder);
        let answered = sending.is_some_and(|sending| sending.outcome == SendingOutcome::Answered);
        let long_ago = sending.is_none_or(|sending| moment.now >= sending.at + HOLD);
        (answered && !self.repeated) || (long_ago && self.is_past(moment.atlas_time))
    }

    /// Whether, at this time of Atlas', the last of its requests was sent so long ago that it cannot arrive any more.
    pub fn is_past(&self, time: Timestamp) -> bool {
        time > self.last.saturating_add(HOLD_SIGNED + TOLERANCE).unwrap_or(Timestamp::MAX)
    }

    /// The record once Atlas has refused its only request.
    pub fn refused(&self, refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), ..self.clone() }
    }

    /// The record once it is known that nothing has come of it, nor will: what it was to make is another's, should it be
    /// there some day.
    pub fn lapsed(&self) -> Self {
        let detail = "nothing came of it".to_owned();
        self.refused(Refusal { detail, conflict: false, for_good: false, generation: None, request: None })
    }

    /// Whether none of its requests could arrive any more when Atlas was asked, by Atlas' time, for `read`.
    pub fn was_over(&self, read: Sent, moment: &Moment) -> bool {
        let ago =
            SignedDuration::try_from(moment.now.saturating_duration_since(read.at)).unwrap_or(SignedDuration::MAX);
        self.is_past(moment.atlas_time.saturating_sub(ago).unwrap_or(Timestamp::MIN))
    }

    /// What Atlas said when it refused this very write for good, unless the object has been edited since.
    pub fn refused_for_good(&self, subject: &Subject) -> Option<&str> {
        let refusal = self.refusal.as_ref()?;
        let same = refusal.generation == subject.generation && refusal.request == subject.request;
        (refusal.for_good && same).then_some(refusal.detail.as_str())
    }

    /// The record on an object; `None` as [`Self::read`] has it.
    pub fn of(object: &impl Resource) -> Option<Self> {
        let meta = object.meta();
        Self::read(meta.annotations.as_ref(), meta.uid.as_deref().unwrap_or_default())
    }

    /// Reads the record from an object's annotations. `None` where there is none, it is a copy from another object, or
    /// somebody has edited it beyond recognition: then nothing is proved to be ours.
    pub fn read(annotations: Option<&BTreeMap<String, String>>, uid: &str) -> Option<Self> {
        let attempt: Self = serde_json::from_str(annotations?.get(ATTEMPT_ANNOTATION)?).ok()?;
        (attempt.uid == uid).then_some(attempt)
    }

    /// The annotation's value.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it was to attach this, and Atlas did not refuse it.
    pub fn may_have_attached(&self, target: &Attachment) -> bool {
        self.refusal.is_none() && self.write == AttemptedWrite::add(target)
    }

    /// Whether it is to remove this, and Atlas did not refuse it.
    pub fn may_remove(&self, target: &Attachment) -> bool {
        self.refusal.is_none() && self.write == AttemptedWrite::remove(target)
    }

    /// Whether it may be its doing that what `removal` takes away is gone by now: Atlas did not refuse it, and it was seen to
    /// go (`going`) or the request is not long ago. Our clock will do: an event is all that hangs on it.
    pub fn may_have_done(&self, removal: &AttemptedWrite, going: bool, now: Timestamp) -> bool {
        let lately = now.duration_since(self.last) < LONGEST_REMOVAL;
        self.refusal.is_none() && self.write == *removal && (going || lately)
    }

    /// Whether `id` can be what this attempt made: not shown before, and made in its time.
    pub fn may_have_made(&self, id: ServiceId) -> bool {
        let from = self.first.saturating_sub(TOLERANCE).unwrap_or(Timestamp::MIN);
        let until = self.last.saturating_add(DEADLINE_SIGNED + TOLERANCE).unwrap_or(Timestamp::MAX);
        let created = id.created();
        !self.shown.contains(&id) && from <= created && created <= until
    }
}

/// What this process knows of the last request of an attempt that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// The attempt's `first` and `write`, which tell it from another attempt.
    pub first: Timestamp,
    pub write: AttemptedWrite,
    /// Whether there was a request of it before.
    pub is_repeat: bool,
    /// When the request was handed over.
    pub at: Instant,
    pub outcome: SendingOutcome,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendingOutcome {
    /// Being sent, or its reconcile was abandoned meanwhile.
    InFlight,
    /// It ended without telling whether it was carried out.
    Unanswered { ended: Sequence },
    /// A definite refusal.
    Refused(Refusal),
    /// A success.
    Answered,
}

/// What one process remembers of an object's attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptMemory {
    /// The last request that was really sent.
    pub sending: Option<Sending>,
    /// Another holder's attempt, and when this process first saw it unanswered.
    pub foreign: Option<(Holder, Timestamp, Instant)>,
}

impl AttemptMemory {
    /// The last request of this very attempt.
    fn sending_of(&self, attempt: &Attempt) -> Option<&Sending> {
        self.sending.as_ref().filter(|sending| sending.first == attempt.first && sending.write == attempt.write)
    }

    /// Remembers when an attempt of another holder was first seen.
    pub fn notice(&mut self, attempt: &Attempt, holder: &Holder, now: Instant) {
        let same = matches!(&self.foreign, Some((who, last, _)) if *who == attempt.holder && *last == attempt.last);
        if attempt.holder != *holder && !same {
            self.foreign = Some((attempt.holder.clone(), attempt.last, now));
        }
    }
}

/// Whether what stands in Atlas may be the work of `attempt`: not if Atlas refused it, or this process never sent it.
pub fn may_have_effect(attempt: &Attempt, holder: &Holder, memory: &AttemptMemory) -> bool {
    if attempt.refusal.is_some() {
        return false;
    }
    if attempt.holder != *holder {
        return true;
    }
    match memory.sending_of(attempt) {
        None => false,
        Some(Sending { outcome: SendingOutcome::Refused(_), is_repeat, .. }) => *is_repeat,
        Some(Sending {
            outcome: SendingOutcome::InFlight | SendingOutcome::Unanswered { .. } | SendingOutcome::Answered,
            ..
        }) => true,
    }
}

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It can be replaced: answered, refused and recorded as such, never sent, or without effect for long enough.
    Settled,
    /// Atlas has refused it, and that is still to be recorded.
    RefusalUnrecorded(Refusal),
    /// It may have been carried out, or may still be.
    Open {
        /// Whether this holder may send it again, should what it was to make not be there.
        may_repeat: bool,
        /// Until when no finalizer is removed on its account.
        hold_until: Instant,
    },
}

impl Progress {
    /// Whether a request of it may still arrive. Until then its record is not given up for another one, or what comes of it
    /// would be nobody's.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Settled | Self::RefusalUnrecorded(_) => false,
        }
    }
}

/// Tells where `attempt` stands, given that `read` does not show what it was to make.
pub fn progress(attempt: &Attempt, holder: &Holder, memory: &AttemptMemory, read: Sent, now: Instant) -> Progress {
    if attempt.refusal.is_some() {
        return Progress::Settled;
    }
    if attempt.holder != *holder {
        let since = match &memory.foreign {
            Some((who, last, since)) if *who == attempt.holder && *last == attempt.last => *since,
            Some(_) | None => now,
        };
        return held(since + HOLD, read, now, false);
    }
    // Without a request of this very attempt, it was recorded and never sent.
    let Some(sending) = memory.sending_of(attempt) else { return Progress::Settled };
    match &sending.outcome {
        SendingOutcome::Answered if !sending.is_repeat => Progress::Settled,
        SendingOutcome::Refused(refusal) if !sending.is_repeat => Progress::RefusalUnrecorded(refusal.clone()),
        // What came of a repeat says nothing of the request before it, which may still arrive.
        SendingOutcome::Answered | SendingOutcome::Refused(_) => held(sending.at + HOLD, read, now, false),
        SendingOutcome::Unanswered { ended } => held(sending.at + HOLD, read, now, read.sequence > *ended),
        SendingOutcome::InFlight => held(sending.at + HOLD, read, now, read.at >= sending.at + DEADLINE),
    }
}

/// Until when `attempt` keeps a finalizer in place, for a plan that doesn't look at Atlas.
pub fn hold_until(attempt: &Attempt, holder: &Holder, memory: &AttemptMemory, now: Instant) -> Option<Instant> {
    let blind = Sent { sequence: Sequence::FIRST, at: now.checked_sub(HOLD).unwrap_or(now) };
    match progress(attempt, holder, memory, blind, now) {
        Progress::Settled | Progress::RefusalUnrecorded(_) => None,
        Progress::Open { hold_until, .. } => (now < hold_until).then_some(hold_until),
    }
}

fn held(hold_until: Instant, read: Sent, now: Instant, may_repeat: bool) -> Progress {
    if now >= hold_until && read.at >= hold_until {
        Progress::Settled
    } else {
        Progress::Open { may_repeat, hold_until }
    }
}

#[cfg(test)]
mod tests;
