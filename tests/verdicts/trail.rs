//! The way of one object through the table: which states it is taken through, and what is said of each version of it on
//! that way.

use super::{
    program::{Judgement, judge},
    table::State,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The states that an object is taken through. Of two states in a row, only the way from one to the other is free: once
/// the second verdict is there, it stays until the next state is declared.
#[derive(Default)]
pub struct Trail(Vec<(State, usize)>);

impl Trail {
    /// The object is in this state now, and has had so many versions.
    pub fn step(&mut self, state: State, versions: usize) {
        self.0.push((state, versions));
    }

    /// Checks what is said of each version, and gives the states.
    pub fn check(&self, name: &str, versions: &[Value]) -> BTreeSet<State> {
        let judgements = judge(versions);
        let (mut from, mut before) = (0, None);
        for (index, (state, until)) in self.0.iter().enumerate() {
            let here = Place { name, number: index + 1, state: *state, versions };
            here.way(before, &judgements, from..*until);
            here.arrived(&judgements, *until);
            (from, before) = (*until, Some(*state));
        }
        assert_eq!(from, versions.len(), "{name}: versions came after the last step");
        self.0.iter().map(|(state, _)| *state).collect()
    }
}

/// Whether an object's newest generation has the conditions of this state. Where the table promises none, it has.
pub fn shows(object: &Value, state: State) -> bool {
    let (row, status) = (state.row(), &object["status"]);
    let ready = &status["conditions"][0];
    status["observedGeneration"] == object["metadata"]["generation"]
        && row.conditions.is_none_or(|(is, _)| ready["status"] == is)
        && row.reason.is_none_or(|reason| ready["reason"] == reason)
}

/// One step of a trail.
struct Place<'a> {
    name: &'a str,
    number: usize,
    state: State,
    versions: &'a [Value],
}

impl Place<'_> {
    /// From the state before to this one, and not back.
    fn way(&self, before: Option<State>, judgements: &[Judgement], versions: std::ops::Range<usize>) {
        let (old, new) = (before.map(|state| state.row().verdicts()), self.state.row().verdicts());
        let mut arrived = old == Some(new);
        for version in versions {
            let is = verdicts(&judgements[version]);
            arrived |= is == new;
            let expected = if arrived { Some(new) } else { old };
            assert!(expected == Some(is), "{}", self.told(version, &judgements[version]));
        }
    }

    /// The last version is in this state.
    fn arrived(&self, judgements: &[Judgement], until: usize) {
        let last = until.checked_sub(1).unwrap_or_else(|| panic!("{}: nothing was there yet", self.name));
        let (row, told) = (self.state.row(), || self.told(last, &judgements[last]));
        assert_eq!(verdicts(&judgements[last]), row.verdicts(), "{}", told());
        let conditions = &self.versions[last]["status"]["conditions"];
        if let Some((ready, abnormal)) = row.conditions {
            let all = conditions.as_array().map_or(&[][..], Vec::as_slice);
            let shown: Vec<_> = all.iter().map(|one| (one["type"].as_str(), one["status"].as_str())).collect();
            let abnormal = abnormal.map(|name| (Some(name), Some("True")));
            let promised: Vec<_> = [(Some("Ready"), Some(ready))].into_iter().chain(abnormal).collect();
            assert_eq!(shown, promised, "{}", told());
        }
        if let Some(reason) = row.reason {
            assert_eq!(conditions[0]["reason"], reason, "{}", told());
        }
    }

    fn told(&self, version: usize, judgement: &Judgement) -> String {
        let Self { name, number, state, versions } = self;
        let object = &versions[version];
        format!(
            "{name}, on the way to step {number} ({state:?}), version {version}: {judgement:#?}\n{}\n{:#}",
            object["metadata"], object["status"]
        )
    }
}

fn verdicts(judgement: &Judgement) -> (&str, &str) {
    (&judgement.argocd.status, &judgement.kstatus.status)
}
