//! One call from its admission to its answer.

use super::{
    Answer, Basis, Caller, Failure, Inner, Sent,
    auth::{self, Template},
    budget::{Gate, Jitter},
    classify,
    credential::Hidden,
    detail,
    dialect::{Operation, Unreadable},
    error::{AtlasError, Class, Effect},
    headers,
    ids::ServiceId,
    observe::CallReport,
    transport::{Transport, TransportError},
    url::BaseUrl,
};
use crate::clock::Clock;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What is asked, by whom, and for a write what it rests on.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    pub(super) operation: Operation<'a>,
    pub(super) basis: Option<&'a Basis>,
}

/// How long before its answer's `Date` Atlas may have made what a request asked for: the time of a call, and clocks of
/// Atlas that differ.
const RECENT: SignedDuration = SignedDuration::from_secs(120);

/// What a successful answer says.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) body: &'a [u8],
    date: Option<Timestamp>,
}

impl Told<'_> {
    /// Whether Atlas can have made this service for the request that it answers. In v1.0 nothing else in the answer to a
    /// creation tells whether it is about what was asked for.
    pub(super) fn is_recent(&self, id: &ServiceId) -> bool {
        self.date.is_none_or(|date| date.duration_since(id.created()).abs() <= RECENT)
    }
}

/// What a token request needs of the client.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) base: &'a BaseUrl,
    pub(super) transport: &'a dyn Transport,
    pub(super) clock: &'a Clock,
    pub(super) jitter: &'a Jitter,
}

impl Inner {
    /// Makes the call and reads its answer with `read`.
    pub(super) async fn call<T>(
        &self,
        call: Call<'_>,
        read: impl FnOnce(Told<'_>) -> Result<T, Unreadable>,
    ) -> Result<Answer<T>, Failure> {
        let started = Instant::now();
        let gate = self.budgets.gate(call.caller.project);
        let mut exchange = Exchange::new(self, &gate, call.basis);
        let outcome = self.attempt(call, &mut exchange, read).await;
        exchange.status = exchange.status.or_else(|| outcome.as_ref().err().and_then(|error| error.status));
        self.report(
            call.operation,
            &exchange,
            outcome.as_ref().map(drop).map_err(|error| error.class),
            started.elapsed(),
        );
        outcome.map_err(|error| Failure { error: Box::new(error), sent: exchange.sent, at: Instant::now() })
    }

    async fn attempt<T>(
        &self,
        call: Call<'_>,
        exchange: &mut Exchange<'_>,
        read: impl FnOnce(Told<'_>) -> Result<T, Unreadable>,
    ) -> Result<Answer<T>, AtlasError> {
        let credential = &call.caller.credential;
        auth::check(self.config.dialect, credential)?;
        let outline = self.config.dialect.outline(call.caller.project, &call.operation)?;
        let uri = self.config.base.join(&outline.path).ok_or_else(|| not_sent("the request can't be built".into()))?;
        let template = Template { uri, outline };
        exchange.admit()?;
        let _turn = match call.basis {
            Some(_) => Some(exchange.gate.turn().await),
            None => None,
        };
        // Asked again: others may have learnt a pause while we waited, and a held call fetches no token either.
        exchange.admit()?;
        let answered = timeout(self.config.deadline, self.auth.exchange(credential, &template, exchange)).await;
        if let (Some(basis), Some(_)) = (call.basis, exchange.sent) {
            self.order.ended(basis);
        }
        let answer = answered.unwrap_or_else(|_| Err(exchange.overdue(self.config.deadline)))?;
        let hidden = Hidden { secret: credential.secret(), sent: exchange.authorization.as_ref() };
        if !answer.status().is_success() {
            return Err(classify::refusal(&answer, hidden, &self.config.clock));
        }
        let unreadable = |error: Unreadable| AtlasError {
            class: Class::Transient,
            effect: Effect::Unknown,
            status: Some(answer.status().as_u16()),
            code: None,
            detail: error.to_string(),
        };
        let date = headers::date(answer.headers());
        let body = detail::discreet_body(answer.body(), hidden);
        let value = read(Told { body: &body, date }).map_err(unreadable)?;
        let sent = exchange.sent.ok_or_else(|| not_sent("the request was not sent".into()))?;
        Ok(Answer { value, sent, date })
    }

    fn report(&self, operation: Operation<'_>, exchange: &Exchange<'_>, outcome: Result<(), Class>, latency: Duration) {
        let report = CallReport {
            operation: operation.name(),
            dialect: self.config.dialect,
            outcome,
            status: exchange.status,
            latency,
            requests: exchange.requests,
            challenges: exchange.challenges,
            held_back: exchange.held_back,
        };
        tracing::debug!(
            operation = report.operation,
            outcome = report.outcome.map_or_else(Class::label, |()| "ok"),
            status = report.status,
            latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            requests = report.requests,
            "called Atlas"
        );
        self.config.observer.finished(&report);
    }
}

/// The requests of one call, and what is known of them; outlives the future that sends them.
pub(super) struct Exchange<'a> {
    inner: &'a Inner,
    gate: &'a Gate,
    basis: Option<&'a Basis>,
    sent: Option<Sent>,
    /// A request is out, and its answer isn't in.
    open: bool,
    status: Option<u16>,
    /// Of the last request; no error may repeat it.
    authorization: Option<HeaderValue>,
    requests: u32,
    challenges: u32,
    held_back: bool,
}

impl<'a> Exchange<'a> {
    fn new(inner: &'a Inner, gate: &'a Gate, basis: Option<&'a Basis>) -> Self {
        Self {
            inner,
            gate,
            basis,
            sent: None,
            open: false,
            status: None,
            authorization: None,
            requests: 0,
            challenges: 0,
            held_back: false,
        }
    }

    pub(super) fn client(&self) -> Client<'a> {
        let Inner { config, transport, jitter, .. } = self.inner;
        Client { base: &config.base, transport: transport.as_ref(), clock: &config.clock, jitter }
    }

    /// Hands one request to the transport, unless the project is held back or the basis no longer carries it.
    pub(super) async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, AtlasError> {
        self.admit()?;
        let sent = self.inner.order.take(self.basis, self.sent).map_err(|_| self.outdated())?;
        self.sent = Some(sent);
        self.open = true;
        self.status = None;
        self.authorization = request.headers().get(header::AUTHORIZATION).cloned();
        self.requests += 1;
        let answer = self.inner.transport.send(request).await;
        self.open = false;
        self.requests -= u32::from(matches!(answer, Err(TransportError::Withheld(_))));
        let answer = answer.map_err(|error| lost(&error))?;
        self.status = Some(answer.status().as_u16());
        self.gate.observe(&answer, &self.inner.config.clock);
        Ok(answer)
    }

    /// The last answer was 401; the request is about to be sent again with another `Authorization`.
    pub(super) fn challenged(&mut self) {
        self.challenges += 1;
    }

    /// `error` came before the next request was sent: only a refused one may have gone before.
    pub(super) fn unsent(&self, error: AtlasError) -> AtlasError {
        AtlasError { effect: self.effect(), ..error }
    }

    /// What was done, when no answer follows.
    fn effect(&self) -> Effect {
        match (self.open, self.sent) {
            (true, _) => Effect::Unknown,
            (false, Some(_)) => Effect::None,
            (false, None) => Effect::NotSent,
        }
    }

    fn admit(&mut self) -> Result<(), AtlasError> {
        let Some(left) = self.gate.held(Instant::now()) else { return Ok(()) };
        self.held_back = true;
        Err(self.unsent(AtlasError {
            class: Class::Throttled(Some(left)),
            ..not_sent(format!(
                "Atlas asked this project to wait, or nothing is left of its limit; asking again in {} s",
                left.as_secs() + u64::from(left.subsec_nanos() > 0)
            ))
        }))
    }

    fn outdated(&self) -> AtlasError {
        let detail = "its answers come too late to rest a write on them; looking again".into();
        self.unsent(AtlasError { class: Class::Outdated, ..not_sent(detail) })
    }

    fn overdue(&self, deadline: Duration) -> AtlasError {
        let detail = format!("Atlas did not answer within {} s", deadline.as_secs());
        self.unsent(AtlasError { class: Class::Transient, ..not_sent(detail) })
    }
}

/// A request that was handed to the transport and got no usable answer.
fn lost(error: &TransportError) -> AtlasError {
    let effect = match error {
        TransportError::NotConnected(_) | TransportError::Withheld(_) => Effect::None,
        TransportError::NoAnswer(_) | TransportError::TooLarge(_) => Effect::Unknown,
    };
    AtlasError { effect, ..not_sent(error.to_string()) }
}

fn not_sent(detail: String) -> AtlasError {
    AtlasError { class: Class::Transient, effect: Effect::NotSent, status: None, code: None, detail }
}
