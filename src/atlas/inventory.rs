//! Shared reads of Atlas: Atlas has no watch, so everything that must look at one project looks together.
//!
//! A LIST returns every service of a (credential, project, provider) with the ids of its endpoints; a read of one
//! endpoint returns its connection status. Each is fetched once for everybody who needs it. A failure is shared too,
//! with the time before which nobody asks again. A successful write is an observation of its object: it is laid over
//! the views that were requested before its answer.

pub use super::shared::Why;
use super::{
    Answer, Atlas, Basis, Caller, Failure, Sent, Sequence,
    credential::CredentialId,
    dialect::Operation,
    error::{AtlasError, Class},
    ids::{EndpointId, ProjectId, ServiceId},
    model::{Endpoint, Service, ServiceState},
    observe::ReadReport,
    region::{Provider, Region},
    shared::{Flaw, Shared, pause},
    turnstile::{Pass, Turnstile},
};
use crate::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How recent an observation must be.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// It must have been requested after this.
    pub after: Option<Sequence>,
    /// It must not have been requested before this: whoever has seen something never sees what was before it.
    pub not_before: Option<Sequence>,
    /// It must have been requested within this time.
    pub max_age: Duration,
    /// Ask even if a failure says that it is too early.
    pub insist: bool,
}

/// A successful observation and when it was requested.
#[derive(Debug, Clone)]
pub struct View<T> {
    pub value: T,
    pub read: Sent,
    /// Atlas' time minus ours, from the answer's `Date`.
    offset: SignedDuration,
}

impl<T> View<T> {
    /// Atlas' wall time at `instant`; ours, where Atlas sent no date.
    pub fn atlas_time(&self, clock: &Clock, instant: Instant) -> Timestamp {
        clock.at(instant).saturating_add(self.offset).unwrap_or(Timestamp::MAX)
    }

    /// A view made by hand, for tests of what is decided on it.
    #[cfg(test)]
    pub fn fixture(value: T, read: Sent) -> Self {
        Self { value, read, offset: SignedDuration::ZERO }
    }
}

/// A failed observation.
#[derive(Debug, Clone)]
pub struct Unseen {
    pub why: Why,
    pub failure: Failure,
    /// Nobody asks again before this.
    pub retry_at: Instant,
}

/// The services of one project at one provider.
pub type Services = View<Vec<Service>>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct GroupKey {
    credential: CredentialId,
    project: ProjectId,
    provider: Provider,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct EndpointKey {
    credential: CredentialId,
    service: ServiceId,
    endpoint: EndpointId,
}

/// What an answered write says about a service.
#[derive(Debug, Clone)]
enum Note {
    Created(Service),
    Deleting,
    Attached(EndpointId),
}

/// A note, and the place and time of the answer that it is taken from.
struct Noted {
    answered: Sent,
    note: Note,
}

type Notes = HashMap<(ProjectId, ServiceId), Vec<Noted>>;

/// A LIST that was under way when a note was taken has ended after this time.
const UNDER_WAY: Duration = Duration::from_secs(120);
/// A refusal of writes that was due to be tested this long ago is not needed to tell how often it was.
const LONG_AGO: Duration = Duration::from_secs(3600);

/// Shared values by what they are of.
type Cells<K, T> = Arc<Mutex<HashMap<K, Arc<Shared<T>>>>>;

/// The shared reads. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Inventory {
    atlas: Atlas,
    clock: Clock,
    groups: Cells<GroupKey, Vec<Service>>,
    endpoints: Cells<EndpointKey, Endpoint>,
    notes: Arc<Mutex<Notes>>,
    turns: Arc<Mutex<HashMap<ProjectId, Arc<Turnstile>>>>,
    refused: Arc<Mutex<HashMap<(CredentialId, ProjectId), Refused>>>,
}

/// The turn to write to a project, until it is dropped.
pub struct Turn {
    _pass: Pass,
    /// It is remembered as long as somebody has it.
    _turnstile: Arc<Turnstile>,
}

/// Writes that Atlas refused this credential in this project.
struct Refused {
    failures: u32,
    unseen: Unseen,
}

impl Inventory {
    pub fn new(atlas: Atlas, clock: Clock) -> Self {
        Self {
            atlas,
            clock,
            groups: Arc::default(),
            endpoints: Arc::default(),
            notes: Arc::default(),
            turns: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// Forgets sessions and tokens whose time is over.
    pub fn forget_expired_secrets(&self) {
        self.atlas.forget_expired_secrets();
    }

    /// Whether the dialect that Atlas is spoken to in can ask for a service in this region.
    ///
    /// # Errors
    /// When it can't: why, and what to do.
    pub fn supports(&self, region: &Region) -> Result<(), AtlasError> {
        self.atlas.dialect().check(&Operation::CreateService(region))
    }

    /// Whether it can list the services of this provider.
    ///
    /// # Errors
    /// When it can't: why, and what to do.
    pub fn supports_listing(&self, provider: Provider) -> Result<(), AtlasError> {
        self.atlas.dialect().check(&Operation::ListServices(provider))
    }

    /// Waits for this project's turn to write, so that what a write rests on is still fresh when it is sent; `None` where
    /// whoever has it keeps it for long.
    pub async fn turn(&self, project: ProjectId) -> Option<Turn> {
        let turnstile = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            turns.entry(project).or_default().clone()
        };
        let pass = turnstile.enter_or_come_back().await.ok()?;
        Some(Turn { _pass: pass, _turnstile: turnstile })
    }

    /// The refusal that holds for all writes of this caller, unless it is time to ask again.
    pub fn writes_refused(&self, caller: &Caller) -> Option<Unseen> {
        let refused = lock(&self.refused);
        let refused = refused.get(&(caller.credential.id(), caller.project))?;
        (refused.unseen.retry_at > Instant::now()).then(|| refused.unseen.clone())
    }

    /// Takes in that Atlas refuses this caller's writes: one object asks again after a while, not every one.
    pub fn refuse_writes(&self, caller: &Caller, failure: Failure) {
        let mut all = lock(&self.refused);
        // Credentials that were replaced are never accepted again.
        all.retain(|_, refused| refused.unseen.retry_at.elapsed() < LONG_AGO);
        let key = (caller.credential.id(), caller.project);
        let failures = all.get(&key).map_or(0, |refused| refused.failures).saturating_add(1);
        let retry_at = Instant::now() + pause(failure.error.class, failures);
        all.insert(key, Refused { failures, unseen: Unseen { why: Why::Failed, failure, retry_at } });
    }

    /// Whether Atlas has refused this caller's writes since it last took one.
    pub fn has_refused_writes(&self, caller: &Caller) -> bool {
        lock(&self.refused).contains_key(&(caller.credential.id(), caller.project))
    }

    fn accept_writes(&self, caller: &Caller) {
        lock(&self.refused).remove(&(caller.credential.id(), caller.project));
    }

    /// Takes the next place in the order of requests.
    pub fn sequence(&self) -> Sequence {
        self.atlas.sequence()
    }

    /// The services of the caller's project, no older than needed.
    ///
    /// # Errors
    /// When Atlas did not answer with a list, now or so recently that it is not asked again yet.
    pub async fn services(&self, caller: &Caller, provider: Provider, need: Need) -> Result<Services, Unseen> {
        let key = GroupKey { credential: caller.credential.id(), project: caller.project, provider };
        let group = shared(&self.groups, key);
        let mut asked = false;
        let answer = group.read(need, || {
            asked = true;
            self.atlas.list_services(caller, provider)
        });
        let answer = answer.await;
        self.report("services", asked);
        let mut view = self.view(answer.map_err(unseen)?);
        self.forget_notes();
        self.lay_over(caller.project, provider, &mut view);
        Ok(view)
    }

    /// One endpoint, no older than needed. [`Class::Missing`] asks for a LIST and proves nothing.
    ///
    /// # Errors
    /// As [`Self::services`].
    pub async fn endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
        need: Need,
    ) -> Result<View<Endpoint>, Unseen> {
        let cell = shared(&self.endpoints, self.endpoint_key(caller, service, id));
        let mut asked = false;
        let answer = cell.read(need, || {
            asked = true;
            self.atlas.get_endpoint(caller, service, id)
        });
        let answer = answer.await;
        self.report("endpoint", asked);
        Ok(self.view(answer.map_err(unseen)?))
    }

    /// What Atlas' last answer left of a project's rate limit.
    pub fn budget(&self, project: ProjectId) -> Option<u64> {
        self.atlas.inner.budgets.left(project)
    }

    /// How long ago the newest list of a project's services was asked for, with whatever credential.
    pub fn age(&self, project: ProjectId, provider: Provider) -> Option<Duration> {
        let groups = lock(&self.groups);
        let of = groups.iter().filter(|(key, _)| key.project == project && key.provider == provider);
        of.filter_map(|(_, group)| group.age()).min()
    }

    fn report(&self, view: &'static str, asked: bool) {
        self.atlas.inner.config.observer.read(ReadReport { view, asked });
    }

    /// Creates the service of `region`; a successful answer is an observation.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn create_service(
        &self,
        caller: &Caller,
        region: &Region,
        basis: &Basis,
    ) -> Result<Answer<Service>, Failure> {
        let mut answer = self.atlas.create_service(caller, region, basis).await?;
        self.accept_writes(caller);
        // v1.0 doesn't repeat the region that it was asked for; the one who asked knows it.
        answer.value.region.get_or_insert_with(|| region.clone());
        self.note(caller.project, answer.value.id, Note::Created(answer.value.clone()));
        Ok(answer)
    }

    /// Deletes a service; a successful answer means that it is being deleted, not that it is gone.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn delete_service(
        &self,
        caller: &Caller,
        provider: Provider,
        id: ServiceId,
        basis: &Basis,
    ) -> Result<(), Failure> {
        self.atlas.delete_service(caller, provider, id, basis).await?;
        self.accept_writes(caller);
        self.note(caller.project, id, Note::Deleting);
        Ok(())
    }

    /// Attaches an endpoint; a successful answer is an observation of it and of its service.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn add_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
        basis: &Basis,
    ) -> Result<(), Failure> {
        let answer = self.atlas.add_endpoint(caller, service, id, basis).await?;
        self.accept_writes(caller);
        self.note(caller.project, service, Note::Attached(id.clone()));
        shared(&self.endpoints, self.endpoint_key(caller, service, id)).observe(answer);
        Ok(())
    }

    /// Detaches an endpoint; what became of it is read anew.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn remove_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
        basis: &Basis,
    ) -> Result<(), Failure> {
        let result = self.atlas.remove_endpoint(caller, service, id, basis).await;
        lock(&self.endpoints).remove(&self.endpoint_key(caller, service, id));
        result.map(|_| self.accept_writes(caller))
    }

    fn endpoint_key(&self, caller: &Caller, service: ServiceId, id: &EndpointId) -> EndpointKey {
        EndpointKey { credential: caller.credential.id(), service, endpoint: id.clone() }
    }

    /// Takes in what a write's answer said. A list that was requested while the write was under way may lack it.
    fn note(&self, project: ProjectId, service: ServiceId, note: Note) {
        let answered = Sent { sequence: self.sequence(), at: Instant::now() };
        lock(&self.notes).entry((project, service)).or_default().push(Noted { answered, note });
    }

    fn view<T>(&self, answer: Answer<T>) -> View<T> {
        let ours = self.clock.at(answer.sent.at);
        let offset = answer.date.map_or(SignedDuration::ZERO, |date| date.duration_since(ours));
        View { value: answer.value, read: answer.sent, offset }
    }

    /// Lays the notes of later writes over a view.
    fn lay_over(&self, project: ProjectId, provider: Provider, view: &mut Services) {
        for ((_, id), entries) in lock(&self.notes).iter().filter(|((of, _), _)| *of == project) {
            for noted in entries.iter().filter(|noted| noted.answered.sequence > view.read.sequence) {
                apply(&mut view.value, *id, provider, &noted.note);
            }
        }
    }

    /// Forgets the notes that every list which somebody may still be shown has been requested after.
    fn forget_notes(&self) {
        if lock(&self.notes).is_empty() {
            return;
        }
        let mut oldest: HashMap<ProjectId, Sequence> = HashMap::new();
        // What nobody asks for any more is shown to nobody.
        lock(&self.groups).retain(|_, cell| !cell.is_idle());
        for (key, cell) in lock(&self.groups).iter() {
            if let Some(seen) = cell.seen() {
                oldest.entry(key.project).and_modify(|oldest| *oldest = seen.min(*oldest)).or_insert(seen);
            }
        }
        lock(&self.notes).retain(|(project, _), entries| {
            let older = oldest.get(project);
            entries.retain(|noted| {
                noted.answered.at.elapsed() < UNDER_WAY || older.is_some_and(|older| *older < noted.answered.sequence)
            });
            !entries.is_empty()
        });
    }

    /// How many projects have somebody whose turn it is to write, or who waits for it, or had one until lately.
    #[cfg(test)]
    pub(super) fn turns(&self) -> usize {
        lock(&self.turns).len()
    }

    /// How much is remembered: cells, notes and refusals.
    #[cfg(test)]
    pub(super) fn size(&self) -> [usize; 4] {
        let notes = lock(&self.notes).values().map(Vec::len).sum();
        [lock(&self.groups).len(), lock(&self.endpoints).len(), notes, lock(&self.refused).len()]
    }
}

fn apply(services: &mut Vec<Service>, id: ServiceId, provider: Provider, note: &Note) {
    let known = services.iter_mut().find(|service| service.id == id);
    match (note, known) {
        (Note::Created(service), None) if service.provider == provider => services.push(service.clone()),
        (Note::Created(_), _) => {}
        (Note::Deleting, Some(service)) => service.state = ServiceState::Deleting,
        (Note::Attached(endpoint), Some(service)) if !service.has_endpoint(endpoint) => {
            service.endpoints.push(endpoint.to_string());
        }
        (Note::Attached(_), Some(_)) | (Note::Deleting | Note::Attached(_), None) => {}
    }
}

fn shared<K: Eq + std::hash::Hash, T>(cells: &Mutex<HashMap<K, Arc<Shared<T>>>>, key: K) -> Arc<Shared<T>> {
    let mut cells = lock(cells);
    if !cells.contains_key(&key) {
        cells.retain(|_, cell| !cell.is_idle());
    }
    cells.entry(key).or_default().clone()
}

fn unseen(flaw: Flaw) -> Unseen {
    Unseen { why: flaw.why, failure: flaw.failure, retry_at: flaw.retry_at }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unseen {
    /// Whether Atlas answered, be it with a refusal.
    pub fn answered(&self) -> bool {
        match self.failure.error.class {
            Class::Denied(_) | Class::Invalid | Class::Exists | Class::NotYet | Class::Missing => true,
            Class::Transient | Class::Throttled(_) | Class::Outdated => false,
        }
    }
}
