//! What this process remembers of each object, from its first sight to its end. Nothing here is needed for safety after
//! a restart; that is what the record on the object is for.

use crate::{
    atlas::{
        Caller, Sequence,
        error::{AtlasError, Class},
        ids::{EndpointId, ServiceId},
        region::Provider,
    },
    reconcile::{Subject, attempt::AttemptMemory, blocked::Blocked, endpoint::Attachment, ownership::Heard},
};
use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    mem::discriminant,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What this process remembers of one object.
#[derive(Clone, Default)]
pub struct Memory {
    /// The resourceVersion of this process' own last write of the object.
    pub own_version: Option<String>,
    /// The last version with which somebody else changed what counts, and when it reached this process.
    pub foreign_version: Option<(String, Sequence, Instant)>,
    /// What counts of the newest version, as `substance` has it.
    pub substance: Option<u64>,
    pub attempt: AttemptMemory,
    pub failed_since: Option<Instant>,
    /// The endpoints whose removal Atlas has confirmed, and when.
    pub removed: HashMap<(ServiceId, EndpointId), Instant>,
    /// When Atlas last confirmed the object.
    pub confirmed_at: Option<Instant>,
    pub hearing: Hearing,
    /// After a failed write, only a look at Atlas that was requested after this counts.
    pub look_after: Option<Sequence>,
    /// When the list was requested that the object saw last, and when its endpoint was: another credential, to which a
    /// Secret is turned back, may still have an older one.
    pub list_seen: Option<Sequence>,
    pub endpoint_seen: Option<Sequence>,
    /// Failed writes to Atlas in a row, and when the next may be tried.
    pub write_pause: Option<WritePause>,
    /// Until when Atlas, which gave no answer or said "later", is not asked again on its behalf.
    pub silent_until: Option<Instant>,
    /// Writes in a row that were not sent because what they rested on had grown too old.
    pub outdated: u32,
    /// The reconcile request for which Atlas was asked although it was too early.
    pub insisted: Option<String>,
    /// Reconciles in a row that came to no end.
    pub troubles: u32,
    /// The way to Atlas that the object last used, for its deletion.
    pub way: Option<Way>,
    /// What it had in Atlas is gone, and is not there again yet.
    pub drifted: bool,
    /// How often that was mended.
    pub drift_repaired: u64,
    /// What was done for it has been told, and its status has not been looked at since.
    pub told_deed: bool,
    /// What the others of its key were last told of it, as a hash; `None` when something has changed that no version of
    /// the object shows.
    pub told_others: Option<u64>,
}

impl Memory {
    /// How long what Atlas has confirmed to remove may still be listed, before it is asked again.
    const REMOVAL: Duration = Duration::from_secs(600);

    /// What is listed only because its removal takes its time.
    pub fn being_removed(&mut self, now: Instant) -> BTreeSet<(ServiceId, EndpointId)> {
        self.removed.retain(|_, at| now.saturating_duration_since(*at) < Self::REMOVAL);
        self.removed.keys().cloned().collect()
    }

    /// It waits longer and longer between tries.
    pub fn is_in_backoff(&self, now: Instant) -> bool {
        let paused = self.write_pause.as_ref().map(|pause| pause.until).max(self.silent_until);
        self.troubles > 0 || paused.is_some_and(|until| until > now)
    }

    /// Atlas took a write.
    pub fn write_taken(&mut self) {
        self.write_pause = None;
        self.outdated = 0;
    }

    /// A version of the object reached this process.
    pub fn reached(&mut self, version: &str, substance: impl FnOnce() -> Option<u64>, at: Sequence, now: Instant) {
        self.confirmed_at.get_or_insert(now);
        let own = self.own_version.as_ref().is_some_and(|own| own == version || is_older(version, own));
        let known = self.foreign_version.as_ref().is_some_and(|(known, ..)| known == version);
        if own || known {
            return;
        }
        let substance = substance();
        let same = substance.is_some() && self.substance == substance;
        self.substance = substance;
        if !same {
            self.foreign_version = Some((version.to_owned(), at, now));
        }
    }

    /// This process has written the object.
    pub fn wrote(&mut self, version: Option<String>, substance: Option<u64>) {
        self.own_version = version;
        self.substance = substance;
        self.foreign_version = None;
    }
}

/// Versions are numbers that grow (Kubernetes API concepts, "resource versions": comparable since 1.35).
pub fn is_older(version: &str, than: &str) -> bool {
    let number = |text: &str| text.parse::<u128>().ok();
    matches!((number(version), number(than)), (Some(version), Some(than)) if version < than)
}

/// How the object reached Atlas.
#[derive(Clone)]
pub struct Way {
    /// The Secret of the credential.
    pub secret: String,
    pub caller: Caller,
    pub provider: Provider,
}

/// What was heard on behalf of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearing {
    pub heard: Option<Heard>,
    /// Since when it is that.
    pub since: Option<Sequence>,
    /// Since when it could not be confirmed any more.
    pub doubted_since: Option<Instant>,
    /// When it was last confirmed.
    pub last: Option<Sequence>,
    /// The attachment that an endpoint was found to name.
    pub target: Option<Attachment>,
    /// An endpoint that could not be asked for because its link is not ready.
    pub waits_for_link: bool,
}

/// A pause between failed writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritePause {
    pub failures: u32,
    /// Since when Atlas has been giving this kind of answer to the same wish.
    pub since: Instant,
    pub until: Instant,
    pub class: Class,
    /// What the object says meanwhile.
    pub told: Blocked,
    /// What was wished when the write failed: another wish is a reason to try at once.
    pub wish: Wish,
}

/// What a person last asked of an object: its generation, and the reconcile request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish(Option<i64>, Option<String>);

impl Wish {
    pub fn of(subject: &Subject) -> Self {
        Self(subject.generation, subject.request.clone())
    }
}

/// A write that Atlas did not take.
pub struct Rebuff<'a> {
    pub error: &'a AtlasError,
    /// The Secret of the credential that asked.
    pub secret: &'a str,
    pub wish: Wish,
}

impl WritePause {
    const FIRST: Duration = Duration::from_secs(2);
    const LONGEST: Duration = Duration::from_secs(300);

    /// An unknown "not yet" of Atlas is taken for a "never" after this time.
    const PATIENCE_WITH_NOT_YET: Duration = Duration::from_secs(3600);

    /// The pause after one more failure; `jitter` is a fraction of it that is added.
    pub fn after(previous: Option<Self>, rebuff: Rebuff<'_>, jitter: f64, now: Instant) -> Self {
        let Rebuff { error, secret, wish } = rebuff;
        let failures = previous.as_ref().map_or(0, |pause| pause.failures).saturating_add(1);
        let pause = Self::FIRST.saturating_mul(1 << (failures - 1).min(16)).min(Self::LONGEST);
        let asked = if let Class::Throttled(Some(after)) = error.class { after } else { Duration::ZERO };
        let until = now + pause.mul_f64(1.0 + jitter.clamp(0.0, 1.0) * 0.1).max(asked);
        let same = |pause: &Self| pause.wish == wish && discriminant(&pause.class) == discriminant(&error.class);
        let since = previous.filter(same).map_or(now, |pause| pause.since);
        let for_ever = error.may_be_for_ever() && now.saturating_duration_since(since) >= Self::PATIENCE_WITH_NOT_YET;
        let told = Blocked::by_atlas(error, secret, until, true);
        let told = if for_ever { told.stalled() } else { told };
        Self { failures, since, until, class: error.class, told, wish }
    }
}

impl Hearing {
    /// How long an object that has listed the project counts after it no longer can.
    const GRACE: Duration = Duration::from_secs(600);

    /// Takes in what was heard now. An object that has listed the project once goes on to count for a while: a Secret, a
    /// ConfigMap or a key that is gone for a moment must not cost it what it shares.
    pub fn hear(&mut self, heard: Heard, at: Sequence, now: Instant) {
        match (self.heard, heard) {
            (Some(Heard::Listed), Heard::Lacking | Heard::Nothing) => {
                let since = *self.doubted_since.get_or_insert(now);
                if now.saturating_duration_since(since) < Self::GRACE {
                    return;
                }
            }
            (Some(Heard::Listed), Heard::Listed) | (Some(Heard::Lacking | Heard::Nothing) | None, _) => {
                self.doubted_since = None
            }
        }
        if self.heard != Some(heard) {
            self.since = Some(at);
        }
        self.heard = Some(heard);
        self.last = Some(at);
    }
}

/// The memories of all objects, by uid.
#[derive(Clone, Default)]
pub struct Memories(Arc<Mutex<HashMap<String, Memory>>>);

impl Memories {
    /// Reads or changes what is remembered of an object.
    pub fn with<T>(&self, uid: &str, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(uid.to_owned()).or_default())
    }

    /// The same, for an object that is remembered already.
    pub fn with_known(&self, uid: &str, change: impl FnOnce(&mut Memory)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = all.get_mut(uid) {
            change(memory);
        }
    }

    /// What was heard on behalf of an object; nothing, for one that was never looked at.
    pub fn hearing(&self, uid: &str) -> Hearing {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(uid).map(|memory| memory.hearing.clone()).unwrap_or_default()
    }

    /// Whether the others of its key have not been told this of an object yet; of one that is gone they never have.
    pub fn tells_others(&self, uid: &str, news: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        news.hash(&mut hasher);
        let told = Some(hasher.finish());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_mut(uid).is_none_or(|memory| std::mem::replace(&mut memory.told_others, told) != told)
    }

    /// Forgets all objects but these: those that went while nobody watched.
    pub fn keep(&self, lives: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| lives(uid));
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Standing;

    fn place(place: u64) -> Sequence {
        Sequence::fixture(place)
    }

    #[test]
    fn a_version_of_somebody_else_is_remembered_from_when_it_first_came() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut memory = Memory::default();
        memory.reached("10", || Some(1), place(1), start);
        memory.reached("10", || Some(1), place(2), later(5));
        assert_eq!(memory.foreign_version, Some(("10".into(), place(1), start)));
        memory.reached("11", || Some(2), place(3), later(6));
        assert_eq!(memory.foreign_version, Some(("11".into(), place(3), later(6))));
        memory.reached("12", || Some(2), place(4), later(7));
        assert_eq!(memory.foreign_version, Some(("11".into(), place(3), later(6))), "nothing that counts was changed");
        assert_eq!(memory.confirmed_at, Some(start), "a process confirms nothing by its start but that");
    }

    #[test]
    fn its_own_version_and_older_ones_are_nobody_elses() {
        let mut memory = Memory::default();
        memory.wrote(Some("10".into()), Some(10));
        for (version, substance) in [("10", 10), ("9", 9), ("11", 10)] {
            memory.reached(version, || Some(substance), place(1), Instant::now());
            assert_eq!(memory.foreign_version, None, "{version}");
        }
        memory.reached("12", || Some(12), place(2), Instant::now());
        assert!(memory.foreign_version.is_some());
        memory.wrote(Some("13".into()), Some(13));
        assert_eq!(memory.foreign_version, None);
    }

    #[test]
    fn versions_are_compared_as_numbers_and_only_as_such() {
        assert!(is_older("9", "10") && is_older("99999999999999999999", "100000000000000000000"));
        assert!(!is_older("10", "10") && !is_older("10", "9"));
        assert!(!is_older("a", "b") && !is_older("", "1") && !is_older("1", ""));
    }

    fn error(class: Class) -> AtlasError {
        let (status, code, detail) = (None, None, String::new());
        AtlasError { class, effect: crate::atlas::error::Effect::Unknown, status, code, detail }
    }

    #[test]
    fn pauses_between_failed_writes_double_up_to_five_minutes() {
        let now = Instant::now();
        let after = |previous, class, jitter, now| {
            let rebuff = Rebuff { error: &error(class), secret: "key", wish: Wish::default() };
            WritePause::after(previous, rebuff, jitter, now)
        };
        let mut pause = None;
        let mut seconds = Vec::new();
        for _ in 0..10 {
            let next = after(pause, Class::NotYet, 0.0, now);
            seconds.push((next.until - now).as_secs());
            pause = Some(next);
        }
        assert_eq!(seconds, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        let jittered = after(None, Class::NotYet, 1.0, now).until - now;
        assert_eq!(jittered.as_millis(), 2200);
        let later = now + Duration::from_secs(9);
        assert_eq!(after(pause.clone(), Class::NotYet, 0.0, later).since, now, "since the first of its kind");
        assert_eq!(after(pause.clone(), Class::Transient, 0.0, later).since, later);
        let never = after(pause.clone(), Class::NotYet, 0.0, now + WritePause::PATIENCE_WITH_NOT_YET);
        assert_eq!(never.told.verdict.standing, Standing::Stalled);
        let edited = pause.map(|pause| WritePause { wish: Wish(Some(2), None), ..pause });
        assert_eq!(after(edited, Class::NotYet, 0.0, later).since, later, "another wish");
        let throttled = |seconds| Class::Throttled(Some(Duration::from_secs(seconds)));
        let pause = after(None, throttled(9), 0.0, now);
        assert_eq!(pause.until - now, Duration::from_secs(9), "not before Atlas says so");
        assert_eq!(after(Some(pause), throttled(8), 0.0, later).since, now, "however long it is to wait");
    }

    #[test]
    fn hearing_remembers_since_when_it_is_that() {
        let now = Instant::now();
        let mut hearing = Hearing::default();
        hearing.hear(Heard::Lacking, place(1), now);
        hearing.hear(Heard::Listed, place(2), now);
        hearing.hear(Heard::Listed, place(3), now);
        assert_eq!((hearing.heard, hearing.since, hearing.last), (Some(Heard::Listed), Some(place(2)), Some(place(3))));
    }

    #[test]
    fn what_is_missing_for_a_moment_costs_nobody_its_claim() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut hearing = Hearing::default();
        hearing.hear(Heard::Listed, place(1), start);
        hearing.hear(Heard::Lacking, place(2), at(10));
        hearing.hear(Heard::Lacking, place(3), at(609));
        assert_eq!(hearing.heard, Some(Heard::Listed));
        hearing.hear(Heard::Listed, place(4), at(609));
        hearing.hear(Heard::Lacking, place(5), at(700));
        hearing.hear(Heard::Lacking, place(6), at(1299));
        assert_eq!(hearing.heard, Some(Heard::Listed));
        hearing.hear(Heard::Lacking, place(7), at(1300));
        assert_eq!((hearing.heard, hearing.since), (Some(Heard::Lacking), Some(place(7))));
    }

    #[test]
    fn the_others_are_told_what_is_new_and_of_the_end() {
        let memories = Memories::default();
        memories.with("known", |_| ());
        let tells = [1, 1, 2, 2, 1].map(|news| memories.tells_others("known", &news));
        assert_eq!(tells, [true, false, true, false, true]);
        memories.forget("known");
        assert!(memories.tells_others("known", &1) && memories.tells_others("known", &1));
        assert!(memories.0.lock().unwrap().is_empty());
    }

    #[test]
    fn to_ask_what_was_heard_leaves_no_trace() {
        let memories = Memories::default();
        assert_eq!(memories.hearing("unknown"), Hearing::default());
        assert!(memories.0.lock().unwrap().is_empty());
        memories.with("known", |memory| memory.troubles = 1);
        memories.forget("known");
        assert!(memories.0.lock().unwrap().is_empty());
    }
}
