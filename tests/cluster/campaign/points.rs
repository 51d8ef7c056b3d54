//! The writes of a life, each of which is a point where a plan can strike.

use std::fmt;

/// To whom it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Atlas,
    Kubernetes,
}

/// A write, by what it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    pub side: Side,
    what: String,
}

impl Write {
    /// `link-status-Available` as `link-status-available`.
    pub fn new(side: Side, what: &str) -> Self {
        let mut words = String::new();
        for letter in what.chars() {
            if letter.is_ascii_uppercase() && !words.is_empty() && !words.ends_with('-') {
                words.push('-');
            }
            words.push(letter.to_ascii_lowercase());
        }
        Self { side, what: words }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(&self.what)
    }
}

/// Whether the objects are being made or deleted then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Making,
    Deleting,
}

/// A write that comes in every life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub side: Side,
    pub phase: Phase,
    what: &'static str,
}

impl Point {
    pub fn write(self) -> Write {
        Write { side: self.side, what: self.what.to_owned() }
    }
}

const fn point(side: Side, phase: Phase, what: &'static str) -> Point {
    Point { side, phase, what }
}

/// All points, in the order of a life.
pub const POINTS: [Point; 14] = [
    point(Side::Kubernetes, Phase::Making, "link-record-create-service"),
    point(Side::Atlas, Phase::Making, "create-service"),
    point(Side::Kubernetes, Phase::Making, "link-status-creating"),
    point(Side::Kubernetes, Phase::Making, "endpoint-status-waiting-for-link"),
    point(Side::Kubernetes, Phase::Making, "link-status-available"),
    point(Side::Kubernetes, Phase::Making, "endpoint-record-add-endpoint"),
    point(Side::Atlas, Phase::Making, "add-endpoint"),
    point(Side::Kubernetes, Phase::Making, "endpoint-status-available"),
    point(Side::Kubernetes, Phase::Deleting, "endpoint-status-deleting"),
    point(Side::Atlas, Phase::Deleting, "remove-endpoint"),
    point(Side::Kubernetes, Phase::Deleting, "endpoint-release"),
    point(Side::Kubernetes, Phase::Deleting, "link-status-deleting"),
    point(Side::Atlas, Phase::Deleting, "delete-service"),
    point(Side::Kubernetes, Phase::Deleting, "link-release"),
];

/// Writes that come in some lives only, by what was looked at when; the last one where the watch of links tells of the
/// link's deletion before that of endpoints tells of the endpoint's.
pub const NOW_AND_THEN: [&str; 3] =
    ["endpoint-status-attaching", "endpoint-status-pending-acceptance", "link-status-deletion-blocked"];
