//! Faults: what goes wrong, for which requests, and when.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;

use super::{
    failure::Failure,
    log::{RequestRecord, Verb},
};

/// Which requests are meant; what is not said matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matcher {
    client: Option<String>,
    verb: Option<Verb>,
    resource: Option<String>,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    writes: bool,
}

impl Matcher {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Only those of a client.
    pub fn client(self, client: &str) -> Self {
        Self { client: Some(client.to_owned()), ..self }
    }

    /// Only those of a verb.
    pub fn verb(self, verb: Verb) -> Self {
        Self { verb: Some(verb), ..self }
    }

    /// Only those that are meant to change something.
    pub fn writes(self) -> Self {
        Self { writes: true, ..self }
    }

    /// Only those for a resource, by its plural.
    pub fn resource(self, plural: &str) -> Self {
        Self { resource: Some(plural.to_owned()), ..self }
    }

    /// Only those for a subresource; `""` is the object itself.
    pub fn subresource(self, subresource: &str) -> Self {
        Self { subresource: Some(subresource.to_owned()), ..self }
    }

    /// Only those in a namespace.
    pub fn namespace(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    /// Only those for objects of a name.
    pub fn name(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Whether a request is meant.
    pub fn matches(&self, request: &RequestRecord) -> bool {
        let fits = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        fits(&self.client, &request.client)
            && fits(&self.resource, &request.resource)
            && fits(&self.subresource, &request.subresource)
            && fits(&self.namespace, &request.namespace)
            && fits(&self.name, &request.name)
            && self.verb.is_none_or(|verb| verb == request.verb)
            && (!self.writes || request.verb.writes())
    }
}

/// What to do with a request at a point of its life.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Go on.
    Proceed,
    /// Answer this instead. Before the effect there is none; after it, it stands.
    Answer(Failure),
    /// Break the connection.
    Sever,
    /// Never answer.
    Hang,
    /// Wait, then go on.
    Delay(Duration),
}

/// What goes wrong with a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFault {
    /// It ends, as after its timeout.
    Close,
    /// The connection breaks.
    Sever,
    /// It stays open and says nothing, not even that it ends; what happened meanwhile comes when it is restored.
    Silence,
    /// An ERROR event with 410 Gone, then the end.
    Expire,
}

/// The two points of a request's life at which it can be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing has been done yet.
    BeforeEffect,
    /// All has been done, nothing has been answered.
    AfterEffect,
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// At a point of the request's life.
    At(Phase, Decision),
    /// With the watch that the request opens.
    Watch(WatchFault),
}

impl Fault {
    /// Refused, without an effect.
    pub fn status(code: StatusCode) -> Self {
        Self::At(Phase::BeforeEffect, Decision::Answer(Failure::injected(code)))
    }

    /// 429 with `Retry-After`, without an effect.
    pub fn too_many_requests(pause: Duration) -> Self {
        let failure = Failure::injected(StatusCode::TOO_MANY_REQUESTS).retry_after(pause);
        Self::At(Phase::BeforeEffect, Decision::Answer(failure))
    }

    /// The effect happens and the answer says that it did not, as a gateway's timeout does.
    pub fn status_after_effect(code: StatusCode) -> Self {
        Self::At(Phase::AfterEffect, Decision::Answer(Failure::injected(code)))
    }

    /// The connection breaks before the effect.
    pub fn dropped() -> Self {
        Self::At(Phase::BeforeEffect, Decision::Sever)
    }

    /// The connection breaks after the effect.
    pub fn lost() -> Self {
        Self::At(Phase::AfterEffect, Decision::Sever)
    }

    /// No effect and never an answer.
    pub fn hang_before() -> Self {
        Self::At(Phase::BeforeEffect, Decision::Hang)
    }

    /// An effect and never an answer.
    pub fn hang_after() -> Self {
        Self::At(Phase::AfterEffect, Decision::Hang)
    }

    /// The effect comes late.
    pub fn slow(pause: Duration) -> Self {
        Self::At(Phase::BeforeEffect, Decision::Delay(pause))
    }
}

/// A fault and the requests that it befalls: from the n-th that matches, so many of them.
#[derive(Debug, Clone)]
pub struct Rule {
    matcher: Matcher,
    first: u64,
    times: u64,
    fault: Fault,
}

impl Rule {
    /// Befalls the next request that matches.
    pub fn new(matcher: Matcher, fault: Fault) -> Self {
        Self { matcher, first: 1, times: 1, fault }
    }

    /// Begins with the n-th that matches, counted from 1.
    pub fn nth(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// Befalls so many.
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Befalls all, until it is lifted.
    pub fn always(self) -> Self {
        Self { times: u64::MAX, ..self }
    }
}

/// Names an injected rule, so that it can be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(u64);

/// The rules in force, with how many requests each has seen.
#[derive(Debug, Default)]
pub(super) struct Rules {
    armed: Vec<(RuleId, Rule, u64)>,
    next: u64,
}

impl Rules {
    pub(super) fn inject(&mut self, rule: Rule) -> RuleId {
        self.next += 1;
        self.armed.push((RuleId(self.next), rule, 0));
        RuleId(self.next)
    }

    pub(super) fn lift(&mut self, id: RuleId) {
        self.armed.retain(|(armed, _, _)| *armed != id);
    }

    pub(super) fn clear(&mut self) {
        self.armed.clear();
    }

    /// Counts the request in every rule; of those that are due, the oldest befalls it.
    pub(super) fn befall(&mut self, request: &RequestRecord) -> Option<Fault> {
        let mut fault = None;
        for (_, rule, seen) in self.armed.iter_mut().filter(|(_, rule, _)| rule.matcher.matches(request)) {
            *seen += 1;
            if *seen >= rule.first && *seen - rule.first < rule.times {
                fault.get_or_insert_with(|| rule.fault.clone());
            }
        }
        fault
    }
}

/// A request at a point of its life, as a hook sees it.
#[derive(Debug, Clone)]
pub struct Point {
    /// Before or after the effect.
    pub phase: Phase,
    /// The request; after the effect with what that was.
    pub request: RequestRecord,
    /// How many requests of this client, verb, resource, object and subresource there were, this one included.
    pub nth: u64,
}

type Hook = Arc<dyn Fn(&Point) -> Decision + Send + Sync>;

/// The test's say in every request.
#[derive(Clone, Default)]
pub(super) struct Hooks(Option<Hook>);

impl Hooks {
    pub(super) fn set(&mut self, hook: Option<Hook>) {
        self.0 = hook;
    }

    pub(super) fn ask(&self, point: &Point) -> Decision {
        self.0.as_ref().map_or(Decision::Proceed, |hook| hook(point))
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({})", if self.0.is_some() { "set" } else { "none" })
    }
}
