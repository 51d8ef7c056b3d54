//! Which requests meet a fault.

use super::{faults::Fault, route::Operation};
use serde::{Deserialize, Serialize};

/// Which requests are meant; what is absent doesn't matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    pub operation: Option<Operation>,
    pub project: Option<String>,
    pub service: Option<String>,
    /// As it stands in the path (decoded); a POST names its endpoint in the body, which is not looked at.
    pub endpoint: Option<String>,
}

/// A fault, and which requests meet it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub fault: Fault,
    #[serde(default)]
    pub when: Matcher,
    /// Whether it is also met by requests that would only be challenged, as when Atlas is down. Without it only requests
    /// that have got through authentication are looked at, so that a digest challenge never uses a fault up.
    #[serde(default)]
    pub challenges: bool,
    /// How many matching requests pass before.
    #[serde(default)]
    pub skip: u32,
    /// How many it meets; absent: until it is removed.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Rule {
    /// The next request of that operation.
    pub fn once(operation: Operation, fault: Fault) -> Self {
        Self { times: Some(1), ..Self::always(operation, fault) }
    }

    /// Every request of that operation until it is removed.
    pub fn always(operation: Operation, fault: Fault) -> Self {
        let when = Matcher { operation: Some(operation), ..Matcher::default() };
        Self { fault, when, challenges: false, skip: 0, times: None }
    }

    /// Every request in every project, authenticated or not, until it is removed: Atlas is down.
    pub fn everywhere(fault: Fault) -> Self {
        Self { fault, when: Matcher::default(), challenges: true, skip: 0, times: None }
    }

    /// Lets `skip` requests pass first.
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Meets that many requests.
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// How far a request has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not authenticated itself and would be challenged.
    Challenge,
    Authenticated,
}

/// The rules, oldest first.
#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<(u64, Rule)>,
    next: u64,
}

impl Faults {
    pub(super) fn add(&mut self, rule: Rule) -> u64 {
        let id = self.next;
        self.next += 1;
        self.rules.push((id, rule));
        id
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.rules.retain(|(rule, _)| *rule != id);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn rules(&self) -> &[(u64, Rule)] {
        &self.rules
    }

    /// The fault that this request meets: the oldest rule's. Every rule that it matches counts it.
    pub(super) fn meet(
        &mut self,
        operation: Operation,
        project: &str,
        ids: (Option<&str>, Option<&str>),
        stage: Stage,
    ) -> Option<Fault> {
        let same = |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|w| Some(w) == is);
        let mut met = None;
        for (_, rule) in &mut self.rules {
            let when = &rule.when;
            let matches = (rule.challenges || stage == Stage::Authenticated)
                && rule.times != Some(0)
                && when.operation.is_none_or(|wanted| wanted == operation)
                && same(&when.project, Some(project))
                && same(&when.service, ids.0)
                && same(&when.endpoint, ids.1);
            if matches && rule.skip > 0 {
                rule.skip -= 1;
            } else if matches && met.is_none() {
                rule.times = rule.times.map(|times| times.saturating_sub(1));
                met = Some(rule.fault.clone());
            }
        }
        self.rules.retain(|(_, rule)| rule.times != Some(0));
        met
    }
}
