//! A way to Atlas that writes down where each request would have gone.

use atlas_privatelink_operator::{
    atlas::{
        Atlas, AtlasConfig, Basis, Caller, Sent, WriteKey,
        credential::Credential,
        dialect::Dialect,
        ids::{EndpointId, ProjectId, ServiceId},
        region::{Provider, Region},
        transport::{Transport, TransportError},
        url::BaseUrl,
    },
    clock::Clock,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::time::Instant;

pub const ORIGIN: &str = "https://cloud.mongodb.com";
pub const PROJECT: &str = "5df264b8f10fab7d2cad2f0d";
pub const SERVICE: &str = "6a793f68c0eb9e7a17715835";
pub const ENDPOINT: &str = "vpce-0b9c5701325cb15dd";
pub const SECRET: &str = "hunter2";

/// What matters of a request: everything but the values that may differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outline {
    method: String,
    origin: String,
    /// Ids of the exact form and providers by their kind, everything else literally.
    segments: Vec<String>,
    query: Option<String>,
    headers: Vec<String>,
    media_types: Vec<String>,
}

impl Outline {
    pub fn of(request: &Request<Bytes>) -> Self {
        let uri = request.uri();
        let text = uri.to_string();
        // What the HTTP client makes of it, dots and percent signs resolved, is what is written down.
        let parsed = reqwest::Url::parse(&text).expect("a URL");
        assert_eq!((parsed.path(), parsed.query()), (uri.path(), uri.query()), "the client changes {text}");
        assert!(parsed.username().is_empty() && parsed.password().is_none() && parsed.fragment().is_none(), "{text}");
        let mut headers: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
        headers.sort();
        assert_eq!(headers.len(), request.headers().len(), "a header stands twice");
        let media = ["accept", "content-type"].iter().filter_map(|name| request.headers().get(*name));
        Self {
            method: request.method().to_string(),
            origin: parsed.origin().ascii_serialization(),
            segments: parsed.path_segments().expect("a path").map(kind_of).collect(),
            query: parsed.query().map(str::to_owned),
            headers,
            media_types: media.map(|value| value.to_str().expect("text").to_owned()).collect(),
        }
    }
}

impl Outline {
    /// The same without a signature.
    pub fn unsigned(mut self) -> Self {
        self.headers.retain(|name| name != "authorization");
        self
    }
}

fn kind_of(segment: &str) -> String {
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let kind = match segment {
        "AWS" | "AZURE" | "GCP" => "{provider}",
        id if id.len() == 24 && is_hex(id) => "{id}",
        id if id.strip_prefix("vpce-").is_some_and(|rest| (8..=17).contains(&rest.len()) && is_hex(rest)) => {
            "{endpoint}"
        }
        other => other,
    };
    kind.to_owned()
}

type Script = Box<dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync>;

/// Answers by a script, and remembers what it was asked.
pub struct Recorder {
    script: Script,
    seen: Mutex<Vec<Request<Bytes>>>,
}

impl Recorder {
    pub fn new(script: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), seen: Mutex::default() })
    }

    pub fn seen(&self) -> Vec<Request<Bytes>> {
        self.seen.lock().expect("not poisoned").clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().expect("not poisoned").len()
    }
}

impl Transport for Recorder {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let answer = (self.script)(&request);
        self.seen.lock().expect("not poisoned").push(request);
        Box::pin(std::future::ready(Ok(answer)))
    }
}

pub fn answer(status: u16, body: impl AsRef<[u8]>) -> Response<Bytes> {
    let body = Bytes::copy_from_slice(body.as_ref());
    Response::builder().status(status).body(body).expect("a status")
}

/// The answer with one header more, if a header can have this value.
pub fn with(mut answer: Response<Bytes>, name: &'static str, value: &[u8]) -> Response<Bytes> {
    if let Ok(value) = http::HeaderValue::from_bytes(value) {
        answer.headers_mut().append(name, value);
    }
    answer
}

pub fn is_signed(request: &Request<Bytes>) -> bool {
    request.headers().contains_key("authorization")
}

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub fn is_token_request(request: &Request<Bytes>) -> bool {
    request.method() == Method::POST && request.uri().path() == "/api/oauth/token"
}

pub fn credential(pairs: [(&str, &[u8]); 2]) -> Option<Arc<Credential>> {
    let data: BTreeMap<_, _> = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
    Credential::from_secret_data(&data).ok()
}

pub fn key() -> Caller {
    let credential = credential([("publicKey", b"abcdefgh"), ("privateKey", SECRET.as_bytes())]);
    Caller { credential: credential.expect("a key"), project: project() }
}

pub fn account() -> Caller {
    let credential = credential([("clientId", b"mdb_sa_id_1"), ("clientSecret", SECRET.as_bytes())]);
    Caller { credential: credential.expect("an account"), project: project() }
}

pub fn project() -> ProjectId {
    PROJECT.parse().expect("an id")
}

pub fn service() -> ServiceId {
    SERVICE.parse().expect("an id")
}

pub fn endpoint() -> EndpointId {
    ENDPOINT.parse().expect("an id")
}

pub fn client(dialect: Dialect, transport: Arc<dyn Transport>) -> Atlas {
    at(BaseUrl::parse(ORIGIN, false).expect("an origin"), dialect, transport)
}

pub fn at(base: BaseUrl, dialect: Dialect, transport: Arc<dyn Transport>) -> Atlas {
    let clock = Clock::starting_at("2026-11-21T08:00:00Z".parse().expect("a time"));
    Atlas::new(AtlasConfig { jitter_seed: 7, clock, ..AtlasConfig::new(base, dialect) }, transport)
}

pub fn region(provider: Provider) -> Region {
    let text = match provider {
        Provider::Aws => "us-east-1",
        Provider::Azure => "eastus2",
        Provider::Gcp => "us-east4",
    };
    Region::parse(provider, text).expect("a region")
}

/// What a write rests on, read just now.
pub fn basis(atlas: &Atlas, key: WriteKey) -> Basis {
    Basis { key, read: Sent { sequence: atlas.sequence(), at: Instant::now() } }
}

/// Runs it in a paused time of its own.
pub fn played<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(run)
}
