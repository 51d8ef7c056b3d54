//! What the plans are: where which fault strikes, and what happens meanwhile.

use super::{
    gate::Place,
    points::{POINTS, Phase, Point, Side},
};
use crate::harness::way::Way;
use std::fmt;

/// What befalls the operator while its write is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and another one is started.
    Killed,
    /// SIGSTOP for longer than the Lease lasts: a standby takes over, and then the first goes on.
    Stopped,
    /// Its connection is cut.
    Cut,
    /// The API server is killed and started again, and the connection is cut.
    Restarted,
}

/// How far the write gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It has no effect.
    BeforeEffect,
    /// It has its effect, and no answer.
    AfterEffect,
    /// It has its effect when another operator is at work already.
    EffectComesLate,
}

impl Moment {
    pub fn place(self) -> Place {
        match self {
            Self::BeforeEffect | Self::EffectComesLate => Place::BeforeEffect,
            Self::AfterEffect => Place::AfterEffect,
        }
    }
}

/// What people do meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    Nothing,
    /// Both objects are deleted.
    Deleted,
}

/// What is written to Kubernetes differs in none of the ways, and who asks only in what a connection carries.
fn concerns(way: Way, fault: Fault, side: Side) -> bool {
    match way {
        Way::KeyInV2 => true,
        Way::KeyInV1 => side == Side::Atlas,
        Way::ServiceAccount => side == Side::Atlas && [Fault::Killed, Fault::Cut].contains(&fault),
    }
}

/// One plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub fault: Fault,
    pub way: Way,
    pub point: Point,
    pub moment: Moment,
    pub meanwhile: Meanwhile,
}

impl Plan {
    /// Whether what was to be made is there in the end, until it is deleted.
    pub fn is_made(&self) -> bool {
        self.point.phase == Phase::Making && self.meanwhile == Meanwhile::Nothing
    }

    /// Whether whoever is at work in the end cannot know that a request to make something is over: a dead operator had sent
    /// one lately, or an own one was not answered. That is waited for.
    pub fn takes_long(&self) -> bool {
        match self.fault {
            Fault::Killed | Fault::Stopped => true,
            Fault::Cut | Fault::Restarted => self.point.side == Side::Atlas && self.point.phase == Phase::Making,
        }
    }
}

/// The id.
impl fmt::Display for Plan {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            Fault::Killed => "killed",
            Fault::Stopped => "stopped",
            Fault::Cut => "cut",
            Fault::Restarted => "api-server-restarted",
        };
        let moment = match self.moment {
            Moment::BeforeEffect => "before-effect",
            Moment::AfterEffect => "after-effect",
            Moment::EffectComesLate => "effect-comes-late",
        };
        let meanwhile = match self.meanwhile {
            Meanwhile::Nothing => "",
            Meanwhile::Deleted => "/deleted",
        };
        let account = if self.way == Way::ServiceAccount { "-service-account" } else { "" };
        let (version, write) = (self.way.version(), self.point.write());
        write!(text, "real/{fault}/{version}{account}/{write}/{moment}{meanwhile}")
    }
}

/// The moments that are worth a plan. A write to Kubernetes that has no effect leaves what was there before it, and the
/// one that a dead operator has on its way is refused for its old version, as that of a stopped one.
fn moments(fault: Fault, side: Side) -> &'static [Moment] {
    use Moment::{AfterEffect, BeforeEffect, EffectComesLate};
    match (fault, side) {
        (Fault::Killed, Side::Atlas) => &[BeforeEffect, AfterEffect, EffectComesLate],
        (Fault::Stopped, Side::Atlas) => &[AfterEffect, EffectComesLate],
        (Fault::Stopped, Side::Kubernetes) => &[EffectComesLate],
        (Fault::Cut | Fault::Restarted, Side::Atlas) => &[BeforeEffect, AfterEffect],
        (Fault::Killed | Fault::Cut | Fault::Restarted, Side::Kubernetes) => &[AfterEffect],
    }
}

/// All of them.
pub fn all() -> Vec<Plan> {
    let mut plans = Vec::new();
    for fault in [Fault::Killed, Fault::Stopped, Fault::Cut, Fault::Restarted] {
        for (way, point) in POINTS.iter().flat_map(|point| Way::ALL.map(|way| (way, *point))) {
            if !concerns(way, fault, point.side) {
                continue;
            }
            for moment in moments(fault, point.side) {
                let plan = Plan { fault, way, point, moment: *moment, meanwhile: Meanwhile::Nothing };
                plans.push(plan);
                if point.phase == Phase::Making && fault == Fault::Killed {
                    plans.push(Plan { meanwhile: Meanwhile::Deleted, ..plan });
                }
            }
        }
    }
    plans
}
