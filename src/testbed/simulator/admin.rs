//! The admin API over HTTP, for tests in other processes. It has no authentication: the simulator holds nothing.

use super::{Change, Rule, Simulator, store::Store};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    routing::{get, post},
};
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

/// Its routes; the table is in the module above.
pub(super) fn router() -> Router<Simulator> {
    Router::new()
        .route("/simulator/ledger", get(ledger))
        .route("/simulator/state", get(show))
        .route("/simulator/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/simulator/behind-the-back", post(behind_the_back))
}

async fn ledger(State(simulator): State<Simulator>) -> Response<Body> {
    answer(StatusCode::OK, &json!(simulator.ledger()))
}

async fn show(State(simulator): State<Simulator>) -> Response<Body> {
    answer(StatusCode::OK, &simulator.state())
}

async fn list_faults(State(simulator): State<Simulator>) -> Response<Body> {
    let rules: Vec<Value> =
        simulator.lock().faults.rules().iter().map(|(id, rule)| json!({"id": id, "rule": rule})).collect();
    answer(StatusCode::OK, &Value::Array(rules))
}

async fn add_fault(State(simulator): State<Simulator>, body: Bytes) -> Response<Body> {
    match serde_json::from_slice::<Rule>(&body) {
        Ok(rule) => answer(StatusCode::CREATED, &json!({"id": simulator.inject(rule)})),
        Err(error) => answer(StatusCode::BAD_REQUEST, &json!({"problem": error.to_string()})),
    }
}

async fn clear_faults(State(simulator): State<Simulator>, RawQuery(query): RawQuery) -> Response<Body> {
    let id = query.as_deref().map(|query| query.strip_prefix("id=").and_then(|id| id.parse().ok()));
    match id {
        None => simulator.clear_faults(),
        Some(Some(id)) => simulator.remove_fault(id),
        Some(None) => return answer(StatusCode::BAD_REQUEST, &json!({"problem": "expected ?id=NUMBER"})),
    }
    answer(StatusCode::OK, &json!({}))
}

/// A malformed change is not repeated in the answer: it may hold a secret.
async fn behind_the_back(State(simulator): State<Simulator>, body: Bytes) -> Response<Body> {
    match serde_json::from_slice::<Change>(&body).map(|change| simulator.change(change)) {
        Ok(Ok(id)) => answer(StatusCode::OK, &json!({"id": id})),
        Ok(Err(refused)) => answer(StatusCode::CONFLICT, &json!({"problem": refused.to_string()})),
        Err(_) => answer(StatusCode::BAD_REQUEST, &json!({"problem": "this is not a change"})),
    }
}

/// Services and endpoints with their states.
pub(super) fn state(store: &Store) -> Value {
    let services = store.services.iter().map(|service| {
        let endpoints = service.endpoints.iter().map(|endpoint| {
            json!({
                "id": endpoint.id,
                "state": endpoint.state,
                "error": endpoint.error,
                "deleteRequested": endpoint.delete_requested,
            })
        });
        json!({
            "project": service.project,
            "provider": service.provider,
            "region": service.region.atlas,
            "portMapped": service.port_mapped,
            "id": service.id,
            "state": service.state,
            "error": service.error,
            "endpoints": endpoints.collect::<Vec<_>>(),
        })
    });
    json!({"services": services.collect::<Vec<_>>()})
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
