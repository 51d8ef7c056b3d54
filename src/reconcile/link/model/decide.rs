//! From the small world to what the real functions take, and back. Nothing is decided here.

use super::world::{Link, Memory, Outcome, Record, Sending, Service, Shown, Slot, Stamp, Stand, Task, Tick, World};
use crate::{
    api::{AdoptionPolicy, AtlasPrivateLink, AtlasPrivateLinkStatus, Origin},
    atlas::{Sent, ids::ServiceId, model::ServiceState, order},
    controller::kind::Kind,
    reconcile::{
        attempt::{Attempt, AttemptMemory, AttemptedWrite, Holder, SendingOutcome},
        fixture::{self, NOW, UID, claim, refusal, second, seconds, sequence, service_id},
        link::{
            Recorded, Sharer, Step,
            fixture::{Scene, scene, service},
            status::{inherited, status},
        },
        ownership::{Heard, ObjectName},
    },
};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use tokio::time::Instant;

const TICK: i64 = 30;
/// The place of the LIST that a decision rests on, and of the end of whatever was sent before.
const READ: u64 = 100;

/// All that one decision looks at.
#[derive(Clone, PartialEq, Eq, Hash)]
struct View {
    now: Stamp,
    me: usize,
    link: Link,
    other: Option<(Link, bool)>,
    services: [Option<Service>; 4],
    memory: Memory,
    holder: u8,
}

/// What was decided, and what is remembered of it.
#[derive(Clone, Copy)]
pub struct Decision {
    pub task: Option<Task>,
    pub memory: Memory,
}

/// The real decisions, each made once.
pub struct Mind {
    policies: [AdoptionPolicy; 2],
    known: HashMap<View, Decision>,
}

impl Mind {
    pub fn new(policies: [AdoptionPolicy; 2]) -> Self {
        Self { policies, known: HashMap::new() }
    }

    /// How many different decisions were asked for.
    pub fn decisions(&self) -> usize {
        self.known.len()
    }

    /// What `process` does next for a link that is there.
    pub fn decide(&mut self, world: &World, process: usize, me: usize) -> Option<Decision> {
        let who = &world.processes[process];
        let of = |link: usize| world.link(link).map(|link| Link { clouded: false, ..*link });
        let view = View {
            now: Stamp { tick: world.now, nth: next_nth(world) },
            me,
            link: of(me)?,
            other: of(1 - me).map(|link| (link, who.memory[1 - me].heard)),
            services: world.services.map(|service| service.map(|service| Service { excepted: false, ..service })),
            memory: who.memory[me],
            holder: who.holder,
        };
        if let Some(known) = self.known.get(&view) {
            return Some(*known);
        }
        let decision = self.think(&view);
        self.known.insert(view, decision);
        Some(decision)
    }

    fn think(&self, view: &View) -> Decision {
        let scene = self.scene(view);
        let plan = scene.plan();
        let mut memory = Memory { heard: true, foreign: foreign(&scene.moment.attempt), ..view.memory };
        let task = match plan.step {
            Some(step) if step != Step::RecordService => Some(task(view, step)),
            // All that these ask for is the status.
            Some(_) | None => {
                let state = view.link.status.stand.map(|stand| state(stand).to_string());
                let before = AtlasPrivateLinkStatus { state, ..scene.before() };
                let status = status(&before, &scene.desired.subject, &plan, scene.moment.atlas_time);
                memory.failed = AtlasPrivateLink::has_failed(&status).then(|| memory.failed.unwrap_or(view.now.tick));
                let told = (plan.verdict.standing, plan.verdict.reason);
                let shown = Shown { told: Some(told), ..shown(view, &status) };
                (shown != view.link.status).then_some(Task::Tell(shown))
            }
        };
        Decision { task, memory }
    }

    fn scene(&self, view: &View) -> Scene {
        let listed = (0u8..).zip(view.services).filter_map(|(slot, listed)| Some((slot, listed?)));
        let listed = listed.filter(|(_, listed)| listed.stand != Stand::Gone);
        let now = instant(view.now.tick);
        scene()
            .listing(listed.map(|(slot, listed)| service(id(view, slot), state(listed.stand))))
            .sharing(view.other.iter().map(|(other, heard)| self.sharer(view, other, *heard)))
            .with(|it| {
                it.observed.services.read = Sent { sequence: sequence(READ), at: now };
                it.moment.now = now;
                it.moment.atlas_time = timestamp(view.now);
                it.moment.holder = holder(view.holder);
                it.moment.failed_since = view.memory.failed.map(instant);
                let desired = &mut it.desired;
                desired.adoption = self.policies[view.me];
                (desired.subject.object, desired.subject.created) = (name(view.me), created(view.me));
                (desired.subject.deleting, desired.subject.protected) = (view.link.deleting, view.link.protected);
                desired.recorded = recorded(view);
                it.moment.attempt = remembered(view, desired.recorded.attempt.as_ref());
            })
    }

    fn sharer(&self, view: &View, other: &Link, heard: bool) -> Sharer {
        let place = 1 - view.me;
        let mut claim = claim("other", other.status.service.and(other.status.origin));
        claim.object = name(place);
        claim.created = created(place);
        claim.live = !other.deleting;
        claim.heard = if heard { Heard::Listed } else { Heard::Nothing };
        claim.adoption = self.policies[place];
        // It only matters to services without a name, which there are none of here.
        Sharer { service: other.status.service.map(|slot| id(view, slot)), attempt: None, claim }
    }
}

/// What the heir's status becomes, if it takes what it is handed.
pub fn inherit(world: &World, heir: &Shown, service: Slot, origin: Origin) -> Option<Shown> {
    let id = |slot: Slot| place_id(&world.services, slot);
    let before = AtlasPrivateLinkStatus {
        private_link_id: heir.service.map(|slot| id(slot).to_string()),
        origin: heir.origin,
        ..AtlasPrivateLinkStatus::default()
    };
    let after = inherited(&before, id(service), origin)?;
    Some(Shown { service: Some(service), origin: after.origin, ..*heir })
}

/// Whether the request may leave, as the order of requests has it.
pub fn may_leave(fresh: bool, overtaken: bool) -> bool {
    let now = instant(1);
    let at = if fresh { now } else { instant(0) };
    let last = overtaken.then(|| Sent { sequence: sequence(READ + 1), at });
    order::still_holds(Sent { sequence: sequence(READ), at }, last, now)
}

/// The next time that can be recorded in this tick.
fn next_nth(world: &World) -> u8 {
    let mut copy = *world;
    let mut next = 0;
    copy.visit_stamps(&mut |stamp| {
        if stamp.tick == world.now {
            next = next.max(stamp.nth + 1);
        }
    });
    next
}

fn task(view: &View, step: Step) -> Task {
    match step {
        Step::Protect => Task::Protect,
        Step::RecordRefusal(_) => Task::RecordRefusal,
        Step::Create(attempt) => Task::Create(record(view, &attempt)),
        Step::Delete(service) => Task::Delete(slot(view, service)),
        Step::HandOver(_, service, origin) => Task::HandOver(slot(view, service), origin),
        Step::LetGo(_) => Task::LetGo,
        Step::RecordService => unreachable!("it is told"),
        Step::DeleteFailed(..) => unreachable!("no service fails here"),
    }
}

fn recorded(view: &View) -> Recorded {
    let status = &view.link.status;
    Recorded {
        service: status.service.map(|slot| id(view, slot)),
        origin: status.service.and(status.origin),
        attempt: view.link.record.map(|record| attempt(view, &record)),
        ..Recorded::default()
    }
}

fn attempt(view: &View, record: &Record) -> Attempt {
    let shown = (0u8..4).filter(|slot| record.shown & (1 << slot) != 0).map(|slot| id(view, slot));
    let made = Attempt::new(UID, &holder(record.holder), AttemptedWrite::CreateService, timestamp(record.first));
    let made = made.showing(shown);
    let repeated = record.first != record.last;
    let made = if repeated { made.repeated(&holder(record.holder), timestamp(record.last)) } else { made };
    if record.refused { made.refused(conflict()) } else { made }
}

fn record(view: &View, attempt: &Attempt) -> Record {
    Record {
        holder: number(&attempt.holder),
        first: stamp(attempt.first),
        last: stamp(attempt.last),
        shown: attempt.shown.iter().fold(0, |shown, id| shown | 1 << slot(view, *id)),
        refused: attempt.refusal.is_some(),
    }
}

fn remembered(view: &View, attempt: Option<&Attempt>) -> AttemptMemory {
    let memory = &view.memory;
    let mut all = AttemptMemory {
        sending: memory.sending.map(|sending| sent(&sending)),
        foreign: memory.foreign.map(|(who, last, since)| (holder(who), timestamp(last), instant(since))),
    };
    if let Some(attempt) = attempt {
        all.notice(attempt, &holder(view.holder), instant(view.now.tick));
    }
    all
}

fn sent(sending: &Sending) -> crate::reconcile::attempt::Sending {
    crate::reconcile::attempt::Sending {
        first: timestamp(sending.first),
        write: AttemptedWrite::CreateService,
        is_repeat: sending.first != sending.last,
        at: instant(sending.at),
        outcome: match sending.outcome {
            Outcome::InFlight => SendingOutcome::InFlight,
            // The driver lists anew after a failed write.
            Outcome::Unanswered => SendingOutcome::Unanswered { ended: sequence(READ - 1) },
            Outcome::Refused => SendingOutcome::Refused(conflict()),
            Outcome::Answered => SendingOutcome::Answered,
        },
    }
}

fn foreign(memory: &AttemptMemory) -> Option<(u8, Stamp, Tick)> {
    let (who, last, since) = memory.foreign.as_ref()?;
    Some((number(who), stamp(*last), tick(*since)))
}

fn shown(view: &View, status: &AtlasPrivateLinkStatus) -> Shown {
    Shown {
        service: status.private_link_id.as_ref().map(|id| slot(view, id.parse().unwrap())),
        origin: status.origin,
        stand: status.state.as_deref().map(|word| match ServiceState::from(word) {
            ServiceState::Deleting => Stand::Deleting,
            _ => Stand::Usable,
        }),
        told: None,
    }
}

fn conflict() -> crate::reconcile::attempt::Refusal {
    crate::reconcile::attempt::Refusal { conflict: true, ..refusal(false) }
}

fn state(stand: Stand) -> ServiceState {
    match stand {
        Stand::Usable => ServiceState::Available,
        Stand::Deleting | Stand::Gone => ServiceState::Deleting,
    }
}

fn id(view: &View, slot: Slot) -> ServiceId {
    place_id(&view.services, slot)
}

fn place_id(services: &[Option<Service>; 4], slot: Slot) -> ServiceId {
    let made = services[usize::from(slot)].map_or(0, |service| service.made);
    service_id(NOW + TICK * i64::from(made), u16::from(slot))
}

fn slot(view: &View, service: ServiceId) -> Slot {
    (0..4).find(|slot| id(view, *slot) == service).expect("ids are those of places")
}

fn name(link: usize) -> ObjectName {
    ObjectName { namespace: "payments".into(), name: format!("link-{link}") }
}

/// The first is the older.
fn created(link: usize) -> Timestamp {
    second(NOW - 1000 + link as i64)
}

fn holder(number: u8) -> Holder {
    Holder::new(number.to_string())
}

fn number(holder: &Holder) -> u8 {
    holder.to_string().parse().unwrap()
}

fn instant(tick: Tick) -> Instant {
    fixture::now() + seconds(TICK as u64 * u64::from(tick))
}

fn tick(instant: Instant) -> Tick {
    (instant.duration_since(fixture::now()).as_secs() / TICK as u64) as Tick
}

fn timestamp(stamp: Stamp) -> Timestamp {
    second(NOW + TICK * i64::from(stamp.tick)) + SignedDuration::from_millis(stamp.nth.into())
}

fn stamp(timestamp: Timestamp) -> Stamp {
    let millis = timestamp.as_millisecond() - NOW * 1000;
    Stamp { tick: (millis / (TICK * 1000)) as Tick, nth: (millis % (TICK * 1000)) as u8 }
}
