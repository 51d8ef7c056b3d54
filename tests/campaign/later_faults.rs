//! A single fault at a call that is not the first of its kind, and in every [`Story`]. The end is that of the same story
//! without a fault.

use crate::{
    Group,
    harness::{alone::alone, course::Course, moving::HandOver, oracle, world::*},
    plan::{Campaign, Data, Plan},
    story::Story,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Fault, Matcher, Operation, Provider, Request, Rule},
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// No fault makes the operator ask more often than this in a minute.
const MOST_IN_A_MINUTE: usize = 40;

/// A kind of call: what is asked for, and of which endpoint. Who comes first of several is kube's scheduler's to decide, so
/// the calls of each are counted apart. (A POST names its endpoint in the body, and no story adds two at a time.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    operation: Operation,
    endpoint: Option<String>,
}

impl Call {
    fn of(request: &Request) -> Option<Self> {
        let operation = request.operation?;
        let names_one = [Operation::GetEndpoint, Operation::DeleteEndpoint].contains(&operation);
        let endpoint = request.path.rsplit('/').next().filter(|_| names_one).map(str::to_owned);
        Some(Self { operation, endpoint })
    }

    /// The fault at the call that comes after so many of its kind.
    fn meeting(&self, fault: Fault, after: u32) -> Rule {
        let rule = Rule::once(self.operation, fault).after(after);
        Rule { when: Matcher { endpoint: self.endpoint.clone(), ..rule.when }, ..rule }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, endpoint } = self;
        write!(text, "{operation:?}")?;
        endpoint.iter().try_for_each(|endpoint| write!(text, " {endpoint}"))
    }
}

/// What a story without a fault was like.
struct Faultless {
    course: Course,
    /// How many calls of each kind there were.
    calls: BTreeMap<Call, u32>,
}

impl Faultless {
    async fn of(story: Story, dialect: Dialect) -> Self {
        let mut world = story.begin(dialect).await;
        let before = world.ledger().len();
        let operator = world.start();
        let course = story.goes_on(&world).await;
        operator.stop().await;
        let ledger = world.ledger();
        let requests = ledger.iter().skip(before).filter_map(|entry| entry.request());
        let mut calls = BTreeMap::new();
        for call in requests.filter(|request| !request.challenged).filter_map(Call::of) {
            *calls.entry(call).or_default() += 1;
        }
        Self { course, calls }
    }

    /// The calls of a kind. Those that [`super::faults`] has are left out.
    fn places(&self, story: Story, call: &Call) -> impl Iterator<Item = u32> {
        let first = if story == Story::Plain(Provider::Aws) { 2 } else { 1 };
        first..=self.calls[call]
    }

    /// Whether such a call meets every fault: a write does, and of the reads the second, the middle and the last. The others
    /// meet one each.
    fn meets_all(&self, call: &Call, place: u32) -> bool {
        let all = self.calls[call];
        call.operation.is_write() || [2, all / 2, all].contains(&place)
    }
}

#[derive(Clone)]
struct Disturbance {
    story: Story,
    dialect: Dialect,
    call: Call,
    place: u32,
    fault: Fault,
}

impl Disturbance {
    fn data(&self) -> Data {
        let Self { story, dialect, call, place, fault } = self;
        Data::new(Campaign::Atlas, &story.name(), *dialect)
            .of(story.provider())
            .at(format!("{call} {place}"))
            .fault(fault.name())
    }
}

/// A kind of each: nobody knows whether it was done, it was not done, it is too early, something broke, it was done and
/// cannot be read.
fn faults(dialect: Dialect) -> Vec<Fault> {
    let others =
        [Fault::RefusedBefore, Fault::ThrottledSeconds { seconds: 7 }, Fault::UnexpectedError, Fault::TruncatedJson];
    let lost = std::iter::once(Fault::AnswerLost);
    match dialect {
        Dialect::V2 => lost.chain(others).collect(),
        // What is lost doesn't tell its region when it is found again; beneath that the dialects are the same.
        Dialect::V1 => lost.collect(),
    }
}

async fn run(plan: Disturbance, faultless: Arc<Faultless>) -> World {
    let mut world = plan.story.begin(plan.dialect).await;
    world.atlas.inject(plan.call.meeting(plan.fault.clone(), plan.place - 1));
    let operator = world.start();
    let course = plan.story.goes_on(&world).await;
    let met = world.ledger().requests().filter(|request| request.fault.is_some()).count();
    assert_eq!(met, 1, "calls that met the fault");
    assert_eq!(course, faultless.course);
    oracle::silence(&world).await;
    plan.story.ends(&world);
    oracle::no_storm(&world, MOST_IN_A_MINUTE);
    assert!(!operator.has_ended(), "the operator has died");
    world
}

fn faults_in(story: Story, dialect: Dialect) -> Vec<Plan> {
    let faultless = Arc::new(alone(|| Faultless::of(story, dialect)).unwrap());
    let mut plans = Vec::new();
    for call in faultless.calls.keys().filter(|call| dialect == Dialect::V2 || call.operation.is_write()) {
        for place in faultless.places(story, call) {
            let plan = |fault| {
                let one = Disturbance { story, dialect, call: call.clone(), place, fault };
                Plan::compared(one.data(), one, &faultless, run)
            };
            let all = faults(dialect).into_iter();
            if faultless.meets_all(call, place) {
                plans.extend(all.map(plan));
            } else {
                let one = all.cycle().nth(place as usize);
                plans.extend(one.map(plan).map(Plan::being_one_of_many));
            }
        }
    }
    plans
}

fn in_hand_overs() -> Vec<Plan> {
    HandOver::all().into_iter().flat_map(|one| faults_in(Story::HandsOver(one), Dialect::V2)).collect()
}

pub const GROUPS: [Group; 15] = [
    || faults_in(Story::Plain(Provider::Aws), Dialect::V2),
    || faults_in(Story::ServiceFails, Dialect::V2),
    || faults_in(Story::ServiceFails, Dialect::V1),
    || faults_in(Story::EndpointIsRejected, Dialect::V2),
    || faults_in(Story::EndpointIsRejected, Dialect::V1),
    || faults_in(Story::IdChanges, Dialect::V2),
    || faults_in(Story::IdChanges, Dialect::V1),
    || faults_in(Story::SharedAndReplaced, Dialect::V2),
    || faults_in(Story::Plain(Provider::Azure), Dialect::V2),
    || faults_in(Story::Plain(Provider::Gcp), Dialect::V2),
    || faults_in(Story::Adopts, Dialect::V2),
    || faults_in(Story::AdoptsAndDeletes, Dialect::V2),
    || faults_in(Story::AdoptsOnly, Dialect::V2),
    || faults_in(Story::Retains, Dialect::V2),
    in_hand_overs,
];
