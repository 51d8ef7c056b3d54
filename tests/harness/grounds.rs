//! On what grounds each process asks Atlas to make something: nothing is asked for that the process has not seen to be
//! absent, since its last request for the same (I1 of reliability.md).

use super::sparing::project_in;
use atlas_privatelink_operator::atlas::transport::{Transport, TransportError};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// What a request rests on is not older than this when it is sent: longer than a poll interval, and than a call may take.
const FRESH: Duration = Duration::from_secs(60);

/// The requests, of all operators, that rested on nothing. Clones are the same.
#[derive(Clone, Default)]
pub struct Grounds(Arc<Mutex<Vec<String>>>);

impl Grounds {
    /// One process's way to Atlas, watched.
    pub fn over(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Watched { inner, memory: Arc::default(), groundless: self.clone() })
    }

    /// Every request to make something whose absence the process had not seen.
    pub fn groundless(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// Project and provider.
    List(String, String),
    /// Service and id.
    Endpoint(String, String),
    MakeService {
        project: String,
        provider: String,
        region: String,
    },
    Attach {
        project: String,
        provider: String,
        service: String,
        endpoint: String,
    },
}

impl About {
    /// What is no read of a list or an endpoint and makes nothing is `None`, as is what asks for a challenge.
    fn of(request: &Request<Bytes>) -> Option<Self> {
        if !request.headers().contains_key(header::AUTHORIZATION) {
            return None;
        }
        let project = project_in(request.uri().path())?.to_owned();
        let tail = request.uri().path().split('/').skip_while(|part| *part != "privateEndpoint").skip(1);
        let nouns = ["endpointService", "endpoint", "interfaceEndpoints"];
        let (providers, ids): (Vec<&str>, Vec<&str>) = tail
            .filter(|part| !nouns.contains(part))
            .partition(|part| part.chars().all(|letter| letter.is_ascii_uppercase()));
        let provider = providers.first().map_or("AWS", |provider| provider).to_owned();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let text = |field: &str| body[field].as_str().map(str::to_owned);
        match (request.method(), ids.as_slice()) {
            (&Method::GET, []) => Some(Self::List(project, provider)),
            (&Method::GET, [service, endpoint]) => Some(Self::Endpoint((*service).to_owned(), (*endpoint).to_owned())),
            (&Method::POST, []) => {
                Some(Self::MakeService { project, provider: text("providerName")?, region: text("region")? })
            }
            (&Method::POST, [service]) => {
                let endpoint = text("id").or(text("interfaceEndpointId")).or(text("endpointGroupName"))?;
                Some(Self::Attach { project, provider, service: (*service).to_owned(), endpoint })
            }
            _ => None,
        }
    }
}

/// What was read when.
struct Observed {
    /// The place in the process's order of requests and answers at which it was asked for.
    place: u64,
    asked: Instant,
    seen: Value,
}

/// What one process knows.
#[derive(Default)]
struct Memory {
    last_place: u64,
    reads: BTreeMap<About, Observed>,
    /// Where the last request for this ended that may have had its effect.
    made: BTreeMap<About, u64>,
}

impl Memory {
    fn place(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }

    fn read(&self, about: &About, since: u64) -> Option<&Value> {
        let fresh = |read: &&Observed| read.place > since && read.asked.elapsed() <= FRESH;
        self.reads.get(about).filter(fresh).map(|read| &read.seen)
    }

    /// Whether the process has seen that it isn't there.
    fn has_seen_none(&self, about: &About) -> bool {
        let since = self.made.get(about).copied().unwrap_or_default();
        let list = |project: &String, provider: &String| {
            self.read(&About::List(project.clone(), provider.clone()), since)?.as_array()
        };
        match about {
            About::List(..) | About::Endpoint(..) => true,
            About::MakeService { project, provider, region } => {
                // Beside one without port mapping, which no link uses, GCP has another one.
                let usable = |service: &Value| provider != "GCP" || service["portMappingEnabled"] == true;
                let stands = |service: &Value| names(service, region) && usable(service);
                list(project, provider).is_some_and(|services| !services.iter().any(stands))
            }
            About::Attach { project, provider, service, endpoint } => {
                let alone = self.read(&About::Endpoint(service.clone(), endpoint.clone()), since);
                let has = |listed: &Value| {
                    listed["id"] == service.as_str() && listed.to_string().contains(&format!("{endpoint:?}"))
                };
                alone.is_some_and(Value::is_null) || list(project, provider).is_some_and(|all| !all.iter().any(has))
            }
        }
    }
}

/// Whether a service says that it is of this region. (v1.0 has the region in the service's name alone.)
fn names(service: &Value, region: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let name = service["endpointServiceName"].as_str().unwrap_or_default();
    service["regionName"].as_str().is_some_and(|of| plain(of) == plain(region))
        || name.contains(&format!(".{}.", plain(region)))
}

/// Whether each service of a list tells its id: no process takes anything from a list in which one doesn't.
fn is_readable(list: &Value) -> bool {
    list.as_array().is_some_and(|services| services.iter().all(|service| service["id"].is_string()))
}

struct Watched {
    inner: Arc<dyn Transport>,
    memory: Arc<Mutex<Memory>>,
    groundless: Grounds,
}

impl Transport for Watched {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let Some(about) = About::of(&request) else { return self.inner.send(request) };
        let makes = matches!(about, About::MakeService { .. } | About::Attach { .. });
        let sent = {
            let mut memory = self.memory.lock().unwrap();
            if !memory.has_seen_none(&about) {
                let asked = format!("{about:?} was asked for, and not seen to be absent");
                self.groundless.0.lock().unwrap().push(asked);
            }
            Sent { place: memory.place(), asked: Instant::now(), makes, about, memory: self.memory.clone() }
        };
        let answer = self.inner.send(request);
        Box::pin(async move {
            let answer = answer.await;
            sent.answered(answer.as_ref().ok());
            answer
        })
    }
}

/// A request on its way.
struct Sent {
    place: u64,
    asked: Instant,
    about: About,
    /// Whether it may have made something, for all that is known.
    makes: bool,
    memory: Arc<Mutex<Memory>>,
}

impl Sent {
    fn answered(mut self, answer: Option<&Response<Bytes>>) {
        let Some(answer) = answer else { return };
        // A refusal has made nothing.
        self.makes &= !answer.status().is_client_error();
        let Ok(body) = serde_json::from_slice::<Value>(answer.body()) else { return };
        let seen = match &self.about {
            About::List(..) => Some(body).filter(|body| answer.status() == StatusCode::OK && is_readable(body)),
            About::Endpoint(..) if answer.status() == StatusCode::NOT_FOUND && body["errorCode"].is_string() => {
                Some(Value::Null)
            }
            About::Endpoint(..) => Some(body).filter(|_| answer.status() == StatusCode::OK),
            About::MakeService { .. } | About::Attach { .. } => None,
        };
        let mut memory = self.memory.lock().unwrap();
        let newer = memory.reads.get(&self.about).is_none_or(|read| read.place < self.place);
        if let Some(seen) = seen.filter(|_| newer) {
            memory.reads.insert(self.about.clone(), Observed { place: self.place, asked: self.asked, seen });
        }
    }
}

/// However it ends.
impl Drop for Sent {
    fn drop(&mut self) {
        if self.makes {
            let mut memory = self.memory.lock().unwrap();
            let place = memory.place();
            memory.made.insert(self.about.clone(), place);
        }
    }
}
