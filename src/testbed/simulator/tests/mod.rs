//! One test for each class of recorded fact, through the router as a client would meet it.

mod auth;
mod dialects;
mod faults;
mod lifecycle;
mod limits;
mod reading;
mod sockets;

use super::*;
use crate::atlas::transport::TransportError;
use bytes::Bytes;
use digest_auth::{AuthContext, HttpMethod};
use http::{HeaderMap, Request as HttpRequest, Response, StatusCode};
use serde_json::{Value, json};
use std::borrow::Cow;

const PROJECT: &str = "5df264b8f10fab7d2cad2f0d";
const VPCE: &str = "vpce-0b9c5701325cb15dd";
const V2: &str = "/api/atlas/v2/groups/5df264b8f10fab7d2cad2f0d/privateEndpoint";
const V1: &str = "/api/atlas/v1.0/groups/5df264b8f10fab7d2cad2f0d/privateEndpoint";

/// An answer with its body read.
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> String {
        self.json()["errorCode"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{:?}", self.body);
        assert_eq!(self.header("x-error-code"), code);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.json()["error"], status);
    }
}

impl From<Response<Bytes>> for Got {
    fn from(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, body }
    }
}

/// A simulator with a project at a known instant.
fn atlas() -> Simulator {
    atlas_with(Settings::default())
}

fn atlas_with(settings: Settings) -> Simulator {
    let base = "2026-08-10T03:03:04Z".parse().unwrap();
    Simulator::new(Settings { latency: 0, ..settings }, Clock::starting_at(base))
}

/// Sends once, as it is.
async fn send(atlas: &Simulator, request: HttpRequest<Bytes>) -> Result<Got, TransportError> {
    atlas.transport().send(request).await.map(Got::from)
}

fn request(method: &str, path: &str, body: &str) -> HttpRequest<Bytes> {
    let builder = HttpRequest::builder().method(method).uri(format!("http://atlas.invalid{path}"));
    builder.header("content-type", "application/json").body(Bytes::from(body.to_owned())).unwrap()
}

/// Signs for `challenge` with a library that the simulator does not use.
fn signed(mut request: HttpRequest<Bytes>, challenge: &str, user: (&str, &str)) -> HttpRequest<Bytes> {
    let uri = request.uri().path_and_query().unwrap().as_str().to_owned();
    let method = HttpMethod(Cow::Owned(request.method().to_string()));
    let context = AuthContext::new_with_method(user.0, user.1, uri, None::<&[u8]>, method);
    let header = digest_auth::parse(challenge).unwrap().respond(&context).unwrap().to_string();
    request.headers_mut().insert("authorization", header.parse().unwrap());
    request
}

/// With a fresh nonce each time, as Atlas' own Go client does.
async fn attempt(
    atlas: &Simulator,
    user: (&str, &str),
    method: &str,
    path: &str,
    body: &str,
) -> Result<Got, TransportError> {
    let challenged = send(atlas, request(method, path, body)).await?;
    assert_eq!(challenged.status, 401);
    send(atlas, signed(request(method, path, body), challenged.header("www-authenticate"), user)).await
}

async fn call(atlas: &Simulator, method: &str, path: &str, body: &str) -> Got {
    attempt(atlas, (PUBLIC_KEY, PRIVATE_KEY), method, path, body).await.unwrap()
}

async fn get(atlas: &Simulator, path: &str) -> Got {
    call(atlas, "GET", path, "").await
}

async fn post(atlas: &Simulator, path: &str, body: Value) -> Got {
    call(atlas, "POST", path, &body.to_string()).await
}

async fn delete(atlas: &Simulator, path: &str) -> Got {
    call(atlas, "DELETE", path, "").await
}

/// An AWS service that is ready.
async fn service(atlas: &Simulator, region: &str) -> String {
    let got = post(atlas, &format!("{V2}/endpointService"), json!({"providerName": "AWS", "region": region})).await;
    assert_eq!(got.status, 201);
    pass(165).await;
    got.json()["id"].as_str().unwrap().to_owned()
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}
