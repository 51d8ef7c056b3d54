//! What a plan is: data, an id that stays the same as long as the plan does, and the run that it stands for.

use crate::harness::{death::Point, world::World};
use atlas_privatelink_operator::{atlas::dialect::Dialect, testbed::simulator::Provider};
use futures::future::{FutureExt, LocalBoxFuture};
use std::{fmt, sync::Arc};

/// The kinds of plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Campaign {
    /// Nothing befalls the operator.
    Undisturbed,
    /// The operator is killed at every write, and the world may change before the next one starts.
    Crash,
    /// Every call of Atlas meets every fault.
    Atlas,
    /// Every call of the Kubernetes API meets every mishap.
    Kubernetes,
    /// The operator is shown the past.
    Stale,
    /// What people and others do, in every state.
    State,
    /// Two operators, and what befalls one of them.
    Twins,
    /// Wrong clocks.
    Clock,
    /// What others do in Atlas, at every write.
    Behind,
    /// Poison and floods.
    Flood,
    /// Random lives.
    Soak,
}

/// Where which fault strikes in which scenario, and what the world does meanwhile. What a plan has no word for is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Data {
    pub campaign: Campaign,
    pub scenario: String,
    pub provider: &'static str,
    pub dialect: &'static str,
    pub point: String,
    pub fault: String,
    pub meanwhile: String,
    pub seed: u64,
}

impl Data {
    pub fn new(campaign: Campaign, scenario: &str, dialect: Dialect) -> Self {
        let dialect = match dialect {
            Dialect::V1 => "v1.0",
            Dialect::V2 => "v2",
        };
        Self {
            campaign,
            scenario: words(scenario),
            provider: "aws",
            dialect,
            point: String::new(),
            fault: String::new(),
            meanwhile: String::new(),
            seed: 0,
        }
    }

    pub fn of(self, provider: Provider) -> Self {
        let provider = match provider {
            Provider::Aws => "aws",
            Provider::Azure => "azure",
            Provider::Gcp => "gcp",
        };
        Self { provider, ..self }
    }

    pub fn at(self, point: impl fmt::Display) -> Self {
        Self { point: words(&point.to_string()), ..self }
    }

    pub fn fault(self, fault: impl fmt::Display) -> Self {
        Self { fault: words(&fault.to_string()), ..self }
    }

    /// At that write, and that moment of it.
    pub fn struck(self, (write, moment): &Point) -> Self {
        self.at(write).fault(format!("{moment:?}"))
    }

    pub fn meanwhile(self, meanwhile: impl fmt::Display) -> Self {
        Self { meanwhile: words(&meanwhile.to_string()), ..self }
    }

    /// Where it strikes, whatever the fault is.
    pub fn place(&self) -> (Campaign, String, &'static str, &'static str, String) {
        (self.campaign, self.scenario.clone(), self.provider, self.dialect, self.point.clone())
    }
}

/// The id.
impl fmt::Display for Data {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { campaign, scenario, provider, dialect, point, fault, meanwhile, seed } = self;
        write!(text, "{}/{scenario}/{provider}/{dialect}", words(&format!("{campaign:?}")))?;
        for part in [point, fault, meanwhile].into_iter().filter(|part| !part.is_empty()) {
            write!(text, "/{part}")?;
        }
        if *seed == 0 { Ok(()) } else { write!(text, "/seed-{seed}") }
    }
}

/// `AfterEffect` and `after effect` as `after-effect`.
fn words(text: &str) -> String {
    let mut out = String::new();
    let mut before = None;
    for letter in text.chars() {
        if letter.is_ascii_uppercase() && before.is_some_and(|before: char| before.is_ascii_lowercase()) {
            out.push('-');
        }
        let plain = letter.is_ascii_alphanumeric() || ['.', '_'].contains(&letter);
        if plain {
            out.push(letter.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        before = Some(letter);
    }
    out.trim_end_matches('-').to_owned()
}

type Run = dyn Fn() -> LocalBoxFuture<'static, World> + Send + Sync;

/// A plan, ready to be run as often as one likes.
#[derive(Clone)]
pub struct Plan {
    pub data: Data,
    /// It strikes one more of many calls that are alike, and is run only where all are asked for.
    pub one_of_many: bool,
    run: Arc<Run>,
}

impl Plan {
    /// `run` gives the world as the plan leaves it, and panics where something is not as it must be.
    pub fn new<F>(data: Data, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = World> + 'static,
    {
        Self { data, one_of_many: false, run: Arc::new(move || run().boxed_local()) }
    }

    /// A plan whose life is compared with an undisturbed one.
    pub fn compared<P, R, F>(
        data: Data,
        plan: P,
        undisturbed: &Arc<R>,
        run: impl Fn(P, Arc<R>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        P: Clone + Send + Sync + 'static,
        R: Send + Sync + 'static,
        F: Future<Output = World> + 'static,
    {
        let undisturbed = undisturbed.clone();
        Self::new(data, move || run(plan.clone(), undisturbed.clone()))
    }

    pub fn being_one_of_many(self) -> Self {
        Self { one_of_many: true, ..self }
    }

    pub fn id(&self) -> String {
        self.data.to_string()
    }

    pub fn run(&self) -> LocalBoxFuture<'static, World> {
        (self.run)()
    }
}
