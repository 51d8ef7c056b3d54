//! The way of a request: ledger, authentication, faults, roles, budget, operation, answer.

use super::{
    Simulator, admin,
    answer::{Answer, Layout},
    buckets::Taken,
    digest::Verdict,
    faults::{Cut, Fault, Order, Outcome},
    ledger::{Cause, Effect, Request as Line},
    operations::{self, Context},
    problem::Problem,
    render::View,
    route::{self, Action, Dialect, Operation, Route, Shape},
    rules::Stage,
    world::World,
};
use crate::testbed::door::Connection;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use tokio::time::Instant;

/// The Administration API, OAuth and the admin API.
pub(super) fn router(simulator: Simulator) -> Router {
    admin::router().fallback(handle).with_state(simulator)
}

/// What Atlas takes at most is not known; no resource of this API comes near it.
const LONGEST_BODY: usize = 1 << 20;

/// A request that has been read.
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// What the pipeline made of a request.
struct Handled {
    outcome: Outcome,
    dialect: Option<Dialect>,
    operation: Option<Operation>,
    caller: Option<String>,
    challenged: bool,
    fault: Option<Fault>,
    effect: Effect,
}

async fn handle(State(simulator): State<Simulator>, request: Request) -> Response<Body> {
    let connection = request.extensions().get::<ConnectInfo<Connection>>().map(|info| info.0.clone());
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let call = Call { method: parts.method, uri: parts.uri, headers: parts.headers, body: body.to_bytes() };
    let begun = Instant::now();
    // One lock from the first look to the effect: requests take effect one after the other.
    let (order, outcome) = simulator.lock().take(&call);
    let (answer, delay) = match outcome {
        Outcome::Answer(answer) => (answer, None),
        Outcome::Late(answer, delay) => (answer, Some(delay)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut(cut) => return cut_off(cut, connection.as_ref()),
    };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let mut world = simulator.lock();
    let wall = world.clock.now();
    world.ledger.amend(order, |line, _| {
        line.status = Some(answer.status.as_u16());
        line.duration_ms = u64::try_from(begun.elapsed().as_millis()).ok();
    });
    answer.into_response(wall)
}

/// Ends the connection; in process, where there is none, the answer carries the news to the transport.
fn cut_off(cut: Cut, connection: Option<&Connection>) -> Response<Body> {
    if let Some(connection) = connection {
        connection.cut();
    }
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(cut);
    response
}

impl World {
    /// Enters a request into the ledger and carries it out.
    fn take(&mut self, call: &Call) -> (u64, Outcome) {
        let now = self.settle();
        let handled = self.handle(call, now);
        let line = Line {
            method: call.method.to_string(),
            path: call.uri.path().to_owned(),
            operation: handled.operation,
            dialect: handled.dialect,
            caller: handled.caller,
            status: None,
            challenged: handled.challenged,
            fault: handled.fault.as_ref().map(Fault::name),
            duration_ms: None,
        };
        let order = self.ledger.push(self.clock.now(), Cause::Request(line), handled.effect);
        (order, handled.outcome)
    }

    fn handle(&mut self, call: &Call, now: Instant) -> Handled {
        let path = call.uri.path();
        match (path, route::split(path)) {
            ("/api/oauth/token", _) if call.method == Method::POST => self.oauth(call, Operation::Token, now),
            ("/api/oauth/revoke", _) if call.method == Method::POST => self.oauth(call, Operation::Revoke, now),
            (_, Some((dialect, segments))) => self.atlas(call, dialect, &segments, now),
            (_, None) => Handled::saying(Answer::problem(&Problem::no_such_resource(path), Layout::default())),
        }
    }

    fn oauth(&mut self, call: &Call, operation: Operation, now: Instant) -> Handled {
        let fault = self.faults.meet(operation, "", (None, None), Stage::Authenticated);
        let (answer, caller, effect) = if !takes_effect(fault.as_ref()) {
            (Answer::new(StatusCode::OK, "", Bytes::new()), None, Effect::None)
        } else if operation == Operation::Token {
            self.tokens.issue(&call.headers, &call.body, &self.access, &mut self.mint, now)
        } else {
            let (answer, caller) = self.tokens.revoke(&call.headers, &call.body, &self.access);
            (answer, caller, Effect::None)
        };
        let outcome = self.suffer(fault.as_ref(), answer, "", now);
        Handled { operation: Some(operation), caller, fault, effect, ..Handled::of(outcome) }
    }

    fn atlas(&mut self, call: &Call, dialect: Dialect, segments: &[String], now: Instant) -> Handled {
        let route = route::route(&call.method, call.uri.path(), dialect, segments);
        let operation = match &route {
            Ok(Route::SystemStatus) => Some(Operation::GetSystemStatus),
            Ok(Route::InProject { action, .. }) => Some(action.operation()),
            Err(_) => None,
        };
        let handled = match self.authenticate(call, dialect, now) {
            Err(answer) => self.challenged(answer, &route, now),
            Ok(caller) => match route {
                Ok(Route::InProject { project, shape, action }) => {
                    self.in_project(call, (dialect, shape), &caller, &project, &action, now)
                }
                Ok(Route::SystemStatus) => Handled::saying(self.system_status(call, dialect, &caller)),
                Err(problem) => Handled::saying(Answer::problem(&problem, layout(call).unwrap_or_default())),
            }
            .by(caller),
        };
        Handled { dialect: Some(dialect), operation, ..handled }
    }

    /// Answers a request that has not authenticated itself; few faults are meant for those.
    fn challenged(&mut self, answer: Answer, route: &Result<Route, Problem>, now: Instant) -> Handled {
        let (project, fault) = match route {
            Ok(Route::InProject { project, action, .. }) => {
                (project.as_str(), self.faults.meet(action.operation(), project, action.ids(), Stage::Challenge))
            }
            Ok(Route::SystemStatus) | Err(_) => ("", None),
        };
        let outcome = self.suffer(fault.as_ref(), answer, project, now);
        Handled { challenged: true, fault, ..Handled::of(outcome) }
    }

    /// The caller's name, or the 401. v1.0 takes no bearer tokens (atlas-api.md §3 "OAuth2").
    fn authenticate(&mut self, call: &Call, dialect: Dialect, now: Instant) -> Result<String, Answer> {
        let header = call.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let target = call.uri.path_and_query().map_or("/", |target| target.as_str());
        match (header, header.and_then(|header| header.strip_prefix("Bearer ")), dialect) {
            (None, _, _) | (_, Some(_), Dialect::V1) => Err(self.challenge(false, now)),
            (_, Some(token), Dialect::V2) => {
                let client = self.tokens.client(token, now).map(str::to_owned);
                let usable = client.filter(|client| self.access.accounts.get(client).is_some_and(|a| a.enabled));
                // The headers of this refusal are not recorded; RFC 6750's (INF).
                let plain = self.store.settings.switches.plain_challenge;
                usable.ok_or_else(|| Answer::challenge("Bearer error=\"invalid_token\"".to_owned(), plain))
            }
            (Some(header), None, _) => {
                match self.nonces.verify(header, call.method.as_str(), target, &self.access, now) {
                    Verdict::Accepted(caller) => Ok(caller),
                    Verdict::Refused { stale } => Err(self.challenge(stale, now)),
                }
            }
        }
    }

    fn challenge(&mut self, stale: bool, now: Instant) -> Answer {
        let header = self.nonces.challenge(stale, &mut self.mint, now);
        Answer::challenge(header, self.store.settings.switches.plain_challenge)
    }

    fn system_status(&self, call: &Call, dialect: Dialect, caller: &str) -> Answer {
        let is_key = self.access.keys.contains_key(caller);
        let body = operations::system_status(dialect, caller, is_key, self.access.named_projects());
        match (layout(call), self.on_access_list(caller)) {
            (Ok(layout), Ok(())) => Answer::success(StatusCode::OK, &body, dialect, layout),
            (Err(problem), _) | (_, Err(problem)) => Answer::problem(&problem, Layout::default()),
        }
    }

    fn in_project(
        &mut self,
        call: &Call,
        (dialect, shape): (Dialect, Shape),
        caller: &str,
        project: &str,
        action: &Action,
        now: Instant,
    ) -> Handled {
        let fault = self.faults.meet(action.operation(), project, action.ids(), Stage::Authenticated);
        let (answer, effect) = if takes_effect(fault.as_ref()) {
            let layout = layout(call);
            let done = match &layout {
                Ok(layout) => self.allowed(call, dialect, caller, project, action, now).and_then(|()| {
                    let view = View { dialect, shape, switches: self.store.settings.switches };
                    self.carry_out(call, view, *layout, project, action, now)
                }),
                Err(problem) => Err(problem.clone()),
            };
            done.unwrap_or_else(|problem| (Answer::problem(&problem, layout.unwrap_or_default()), Effect::None))
        } else {
            (Answer::new(StatusCode::OK, "", Bytes::new()), Effect::None)
        };
        let outcome = self.suffer(fault.as_ref(), answer, project, now);
        let (limit, remaining) = (self.buckets.size.capacity, self.buckets.remaining(project, now));
        // What a fault says instead of Atlas doesn't know the budget.
        let outcome = if takes_effect(fault.as_ref()) { outcome.with_limits(limit, remaining) } else { outcome };
        Handled { fault, effect, ..Handled::of(outcome) }
    }

    /// All that is looked at before an operation, in this order (INF): access list, project and role, budget, version.
    fn allowed(
        &mut self,
        call: &Call,
        dialect: Dialect,
        caller: &str,
        project: &str,
        action: &Action,
        now: Instant,
    ) -> Result<(), Problem> {
        self.on_access_list(caller)?;
        self.access.check(caller, project, dialect, action.operation().is_write())?;
        if let Taken::Empty { retry_after } = self.buckets.take(project, now) {
            let size = self.buckets.size;
            let version = match dialect {
                Dialect::V1 => "v1.0",
                Dialect::V2 => "v2",
            };
            let resource = format!("api/atlas/{version}/groups/{project}/privateEndpoint");
            return Err(Problem::rate_limited(&resource, retry_after, size.capacity, size.refill, size.seconds));
        }
        acceptable(&call.headers, dialect)?;
        if call.method == Method::POST { readable(&call.headers, dialect) } else { Ok(()) }
    }

    fn on_access_list(&self, caller: &str) -> Result<(), Problem> {
        let listed = self.access.credential(caller).is_some_and(|credential| credential.on_access_list);
        if listed { Ok(()) } else { Err(Problem::not_on_access_list()) }
    }

    fn carry_out(
        &mut self,
        call: &Call,
        view: View,
        layout: Layout,
        project: &str,
        action: &Action,
        now: Instant,
    ) -> Result<(Answer, Effect), Problem> {
        let wall = self.clock.at(now);
        let context = Context { store: &mut self.store, mint: &mut self.mint, wall, now, project, view };
        let reply = context.carry_out(action, &call.body)?;
        let answer = Answer::success(reply.status, &reply.body, view.dialect, layout);
        // Recorded for v2 alone.
        let answer = match (reply.java_method, view.dialect) {
            (Some(method), Dialect::V2) => {
                let value = format!("ApiAtlasPrivateEndpointResource::{method}");
                answer.with(HeaderName::from_static("x-java-method"), value)
            }
            (_, _) => answer,
        };
        Ok((answer, reply.effect))
    }

    fn suffer(&mut self, fault: Option<&Fault>, answer: Answer, project: &str, now: Instant) -> Outcome {
        let wall = self.clock.at(now);
        match fault {
            Some(fault) => fault.apply(answer, project, wall, |stale| self.challenge(stale, now)),
            None => Outcome::Answer(answer),
        }
    }
}

impl Handled {
    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            dialect: None,
            operation: None,
            caller: None,
            challenged: false,
            fault: None,
            effect: Effect::None,
        }
    }

    fn saying(answer: Answer) -> Self {
        Self::of(Outcome::Answer(answer))
    }

    fn by(self, caller: String) -> Self {
        Self { caller: Some(caller), ..self }
    }
}

impl Outcome {
    /// Adds the budget's headers.
    fn with_limits(self, limit: u64, remaining: u64) -> Self {
        let add = |answer: Answer| {
            answer
                .with(HeaderName::from_static("ratelimit-limit"), limit.to_string())
                .with(HeaderName::from_static("ratelimit-remaining"), remaining.to_string())
        };
        match self {
            Self::Answer(answer) => Self::Answer(add(answer)),
            Self::Late(answer, delay) => Self::Late(add(answer), delay),
            Self::Silence => Self::Silence,
            Self::Cut(cut) => Self::Cut(cut),
        }
    }
}

fn takes_effect(fault: Option<&Fault>) -> bool {
    fault.is_none_or(|fault| fault.order() == Order::After)
}

fn layout(call: &Call) -> Result<Layout, Problem> {
    Layout::parse(call.uri.query())
}

/// A dated media type resolves down to 2023-01-01; an earlier one has nothing to resolve to, for which the answer is
/// inferred (INF). Undated ones are tolerated (atlas-api.md §2).
fn acceptable(headers: &HeaderMap, dialect: Dialect) -> Result<(), Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let date = accept.split_once("application/vnd.atlas.").and_then(|(_, tail)| tail.split_once("+json")).map(|t| t.0);
    match (dialect, date) {
        (Dialect::V2, Some(date)) if date < "2023-01-01" => Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "INVALID_VERSION_DATE",
            format!("Invalid version date {date}."),
        )
        .with([date])),
        (_, _) => Ok(()),
    }
}

/// A body must be called JSON, in v2 also by its dated name; the answer to others is inferred (INF).
fn readable(headers: &HeaderMap, dialect: Dialect) -> Result<(), Problem> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim();
    let dated = media.starts_with("application/vnd.atlas.") && media.ends_with("+json");
    match dialect {
        _ if media == "application/json" => Ok(()),
        Dialect::V2 if dated => Ok(()),
        Dialect::V1 | Dialect::V2 => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "The media type of the request is not supported.",
        )),
    }
}
