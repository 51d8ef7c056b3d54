//! A scripted Atlas: a transport that answers from a closure and remembers what it was asked.

use crate::atlas::{
    Atlas, AtlasConfig, Basis, Caller, Sent, WriteKey,
    credential::Credential,
    dialect::Dialect,
    ids::{EndpointId, ProjectId, ServiceId},
    region::{Provider, Region},
    transport::{Transport, TransportError},
    url::BaseUrl,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

pub const PROJECT: &str = "5df264b8f10fab7d2cad2f00";
pub const SERVICE: &str = "5df264b8f10fab7d2cad2f0d";
pub const ENDPOINT: &str = "vpce-08fb7e9319909ec7b";
pub const REALM: &str = "MMS Public API";

pub enum Reply {
    Now(Response<Bytes>),
    After(Duration, Response<Bytes>),
    Never,
    Lost(TransportError),
}

impl From<Response<Bytes>> for Reply {
    fn from(answer: Response<Bytes>) -> Self {
        Self::Now(answer)
    }
}

#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub origin: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

type Script = Box<dyn Fn(&Request<Bytes>) -> Reply + Send + Sync>;

pub struct Fake {
    script: Script,
    seen: Mutex<Vec<Seen>>,
}

impl Fake {
    pub fn new<R: Into<Reply>>(script: impl Fn(&Request<Bytes>) -> R + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Box::new(move |request| script(request).into()), seen: Mutex::default() })
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Transport for Fake {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        self.seen.lock().unwrap().push(Seen {
            method: request.method().clone(),
            origin: format!("{}://{}", request.uri().scheme_str().unwrap(), request.uri().authority().unwrap()),
            target: request.uri().path_and_query().unwrap().to_string(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            at: Instant::now(),
        });
        let reply = (self.script)(&request);
        Box::pin(async move {
            match reply {
                Reply::Now(answer) => Ok(answer),
                Reply::After(pause, answer) => {
                    tokio::time::sleep(pause).await;
                    Ok(answer)
                }
                Reply::Never => std::future::pending().await,
                Reply::Lost(error) => Err(error),
            }
        })
    }
}

pub fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

pub fn with(mut answer: Response<Bytes>, name: &'static str, value: &str) -> Response<Bytes> {
    answer.headers_mut().append(name, value.parse().unwrap());
    answer
}

pub fn refusal(status: u16, code: &str) -> Response<Bytes> {
    answer(status, &serde_json::json!({"detail": "told", "error": status, "errorCode": code}).to_string())
}

/// The recorded challenge body since August 2026 (atlas-api.md §3).
pub const CHALLENGE_BODY: &str = r#"{"error" : 401, "reason" : "Unauthorized", "errorCode" : "UNEXPECTED_ERROR",
    "detail" : "You are not authorized for this resource."}"#;

pub fn challenge(nonce: &str, stale: bool) -> Response<Bytes> {
    let value =
        format!(r#"Digest realm="{REALM}", domain="", nonce="{nonce}", algorithm=MD5, qop="auth", stale={stale}"#);
    with(answer(401, CHALLENGE_BODY), "www-authenticate", &value)
}

/// What a strict digest server keeps (RFC 7616): nonces live so long and for so many uses, each count once.
pub struct DigestServer {
    lifetime: Duration,
    uses: usize,
    nonces: Mutex<HashMap<String, (Instant, HashSet<u32>)>>,
}

impl DigestServer {
    pub fn new(lifetime: Duration, uses: usize) -> Self {
        Self { lifetime, uses, nonces: Mutex::default() }
    }

    pub fn forever() -> Self {
        Self::new(Duration::MAX, usize::MAX)
    }

    /// `None`: let it pass. Else the challenge.
    pub fn check(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        match self.verify(request) {
            Ok(()) => None,
            Err(stale) => {
                let mut nonces = self.nonces.lock().unwrap();
                let nonce = format!("{:030}+/", nonces.len());
                nonces.insert(nonce.clone(), (Instant::now(), HashSet::new()));
                Some(challenge(&nonce, stale))
            }
        }
    }

    fn verify(&self, request: &Request<Bytes>) -> Result<(), bool> {
        let header = request.headers().get("authorization").ok_or(false)?;
        assert!(header.is_sensitive(), "the Authorization header must be marked sensitive");
        let mut told = digest_auth::AuthorizationHeader::parse(header.to_str().unwrap()).map_err(|_| false)?;
        let target = request.uri().path_and_query().unwrap().as_str();
        assert_eq!(told.uri, target, "the signed target is the one asked for, byte for byte");
        let claimed = told.response.clone();
        let body = (!request.body().is_empty()).then(|| request.body().as_ref());
        let method = digest_auth::HttpMethod::from(request.method().as_str());
        told.digest(&digest_auth::AuthContext::new_with_method("pub", "hunter2", target, body, method));
        if told.response != claimed || told.realm != REALM || told.username != "pub" {
            return Err(false);
        }
        let mut nonces = self.nonces.lock().unwrap();
        let (born, used) = nonces.get_mut(&told.nonce).ok_or(true)?;
        if born.elapsed() >= self.lifetime || used.len() >= self.uses {
            return Err(true);
        }
        // Counts must start at one and come in order here, for no session is shared.
        assert_eq!(told.nc as usize, used.len() + 1, "nc");
        if used.insert(told.nc) { Ok(()) } else { Err(false) }
    }
}

/// An Atlas behind a strict digest server.
pub fn behind<R: Into<Reply>>(
    server: DigestServer,
    script: impl Fn(&Request<Bytes>) -> R + Send + Sync + 'static,
) -> Arc<Fake> {
    Fake::new(move |request| match server.check(request) {
        Some(challenge) => Reply::Now(challenge),
        None => script(request).into(),
    })
}

pub fn secret(pairs: [(&str, &str); 2]) -> Arc<Credential> {
    let data: BTreeMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
    Credential::from_secret_data(&data).unwrap()
}

pub fn key() -> Caller {
    Caller { credential: secret([("publicKey", "pub"), ("privateKey", "hunter2")]), project: PROJECT.parse().unwrap() }
}

pub fn account() -> Caller {
    let credential = secret([("clientId", "mdb_sa_id_1"), ("clientSecret", "hunter2")]);
    Caller { credential, project: PROJECT.parse().unwrap() }
}

pub fn other_project(caller: &Caller) -> Caller {
    Caller { project: "5df264b8f10fab7d2cad2f01".parse::<ProjectId>().unwrap(), ..caller.clone() }
}

pub fn config(dialect: Dialect) -> AtlasConfig {
    let base = BaseUrl::parse("https://cloud.mongodb.com", false).unwrap();
    AtlasConfig { jitter_seed: 7, ..AtlasConfig::new(base, dialect) }
}

pub fn atlas(dialect: Dialect, fake: &Arc<Fake>) -> Atlas {
    Atlas::new(config(dialect), fake.clone())
}

pub fn service() -> ServiceId {
    SERVICE.parse().unwrap()
}

pub fn endpoint() -> EndpointId {
    ENDPOINT.parse().unwrap()
}

pub fn region() -> Region {
    Region::parse(Provider::Aws, "us-east-1").unwrap()
}

/// A basis that was read just now.
pub fn basis(atlas: &Atlas) -> Basis {
    let read = Sent { sequence: atlas.sequence(), at: Instant::now() };
    Basis { key: WriteKey::Service(PROJECT.parse().unwrap(), region()), read }
}

pub fn endpoint_basis(atlas: &Atlas) -> Basis {
    Basis { key: WriteKey::Endpoint(service(), endpoint()), ..basis(atlas) }
}

pub const SERVICE_BODY: &str = r#"{"endpointServiceName":"com.amazonaws.vpce.us-east-1.vpce-svc-0aee615d3fe32c14e",
    "errorMessage":null,"id":"5df264b8f10fab7d2cad2f0d","interfaceEndpoints":["vpce-08fb7e9319909ec7b"],
    "status":"WAITING_FOR_USER"}"#;
