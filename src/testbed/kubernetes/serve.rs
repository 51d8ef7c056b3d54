//! The life of a request: arrival, what befalls it before its effect, the effect, what befalls it after, the answer.

use std::{future::pending, io, sync::Arc};

use axum::body::Body as Answer;
use http::{Request, Response, StatusCode, header};
use kube::client::Body;
use serde_json::Value;
use tokio::time::sleep;
use tower::BoxError;

use super::{
    Shared,
    effect::{self, Outcome, Work},
    failure::Failure,
    faults::{Decision, Fault, Phase, Point},
    log::{RequestRecord, Verb},
    route::{Address, Call},
    store::Author,
    watch,
};

/// A request on its way through the server.
struct Arrived {
    call: Call,
    address: Option<Address>,
    request: RequestRecord,
    nth: u64,
    fault: Option<Fault>,
    allowed: bool,
}

/// Serves one request of a client.
pub(super) async fn serve(
    shared: Arc<Shared>,
    client: String,
    request: Request<Body>,
) -> Result<Response<Answer>, BoxError> {
    let mut arrived = arrive(&shared, client, Call::read(request).await?);
    sleep(shared.options.latency_before).await;
    if let Some(failure) = meet(&shared, &arrived, Phase::BeforeEffect).await? {
        return refuse(&shared, &arrived, &failure);
    }
    let outcome = take_effect(&shared, &mut arrived);
    if let Some(failure) = meet(&shared, &arrived, Phase::AfterEffect).await? {
        return refuse(&shared, &arrived, &failure);
    }
    sleep(shared.options.latency_after).await;
    match outcome {
        Ok(outcome) => answer(&shared, &arrived, outcome),
        Err(failure) => refuse(&shared, &arrived, &failure),
    }
}

fn arrive(shared: &Shared, client: String, call: Call) -> Arrived {
    let address = call.address();
    let verb = call.verb(address.as_ref());
    let at = shared.options.clock.now();
    let mut state = shared.lock();
    let place = address.clone().unwrap_or_else(|| Address { plural: call.path.clone(), ..Address::default() });
    let request = RequestRecord {
        order: state.requests.len() as u64,
        at,
        client,
        verb: verb.unwrap_or(Verb::Discover),
        resource: place.plural,
        namespace: place.namespace,
        name: place.name,
        subresource: place.subresource,
        query: call.raw_query.clone(),
        user_agent: call.user_agent.clone(),
        body: serde_json::from_slice(&call.body).unwrap_or_default(),
        effect: None,
        code: None,
        written: None,
    };
    state.requests.push(Arc::new(request.clone()));
    let nth = state.count(&request);
    let fault = state.rules.befall(&request);
    Arrived { call, address, request, nth, fault, allowed: verb.is_some() }
}

/// What the test has in store for the request at this point: the rules first, then the hook.
async fn meet(shared: &Shared, arrived: &Arrived, phase: Phase) -> Result<Option<Failure>, BoxError> {
    if let Some(Fault::At(at, decision)) = &arrived.fault
        && *at == phase
        && let Some(failure) = obey(decision.clone()).await?
    {
        return Ok(Some(failure));
    }
    let hooks = shared.lock().hooks.clone();
    obey(hooks.ask(&Point { phase, request: arrived.request.clone(), nth: arrived.nth })).await
}

async fn obey(decision: Decision) -> Result<Option<Failure>, BoxError> {
    match decision {
        Decision::Proceed => Ok(None),
        Decision::Answer(failure) => Ok(Some(failure)),
        Decision::Sever => Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by the test").into()),
        Decision::Hang => pending().await,
        Decision::Delay(pause) => {
            sleep(pause).await;
            Ok(None)
        }
    }
}

fn take_effect(shared: &Shared, arrived: &mut Arrived) -> Result<Outcome, Failure> {
    let author = Author {
        client: arrived.request.client.clone(),
        manager: arrived.call.manager(&arrived.request.client),
        request: Some(arrived.request.order),
        at: shared.options.clock.now(),
    };
    let fault = match &arrived.fault {
        Some(Fault::Watch(fault)) => Some(*fault),
        Some(Fault::At(..)) | None => None,
    };
    let mut state = shared.lock();
    let before = state.store.revision;
    let work = Work {
        call: &arrived.call,
        address: arrived.address.as_ref(),
        request: &arrived.request,
        author: &author,
        fault,
        allowed: arrived.allowed,
    };
    let outcome = effect::perform(&mut state, &work);
    let after = state.store.revision;
    let code = outcome.as_ref().map_or_else(|failure| failure.code, Outcome::code);
    arrived.request.effect = Some(code.as_u16());
    arrived.request.written = (after > before).then_some(after);
    note(&mut state.requests, &arrived.request);
    drop(state);
    if after > before {
        shared.tick();
    }
    outcome
}

fn note(requests: &mut [Arc<RequestRecord>], request: &RequestRecord) {
    let place = usize::try_from(request.order).ok();
    if let Some(record) = place.and_then(|place| requests.get_mut(place)) {
        *record = Arc::new(request.clone());
    }
}

fn answered(shared: &Shared, arrived: &Arrived, code: StatusCode) {
    let request = RequestRecord { code: Some(code.as_u16()), ..arrived.request.clone() };
    note(&mut shared.lock().requests, &request);
}

fn refuse(shared: &Shared, arrived: &Arrived, failure: &Failure) -> Result<Response<Answer>, BoxError> {
    answered(shared, arrived, failure.code);
    let mut response = json(failure.code, &failure.body())?;
    if let Some(pause) = failure.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, pause.as_secs().into());
    }
    Ok(response)
}

fn answer(shared: &Arc<Shared>, arrived: &Arrived, outcome: Outcome) -> Result<Response<Answer>, BoxError> {
    answered(shared, arrived, outcome.code());
    match outcome {
        Outcome::Object(code, body) => json(code, &body),
        Outcome::Text(code, text) => Ok(Response::builder().status(code).body(Answer::from(text))?),
        Outcome::Watch(opening) => {
            let stream = watch::follow(shared.clone(), *opening);
            let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
            Ok(response.body(Answer::from_stream(stream))?)
        }
    }
}

fn json(code: StatusCode, body: &Value) -> Result<Response<Answer>, BoxError> {
    let response = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    Ok(response.body(Answer::from(body.to_string()))?)
}
