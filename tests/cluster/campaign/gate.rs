//! The way of one operator to the API server and to Atlas, over sockets of its own. It sees every write, and holds one
//! of them where a plan says so: before the effect, or between the effect and the answer.

use super::points::{Side, Write};
use crate::cluster::{shown::Shown, world::World};
use atlas_privatelink_operator::{
    api::ATTEMPT_ANNOTATION,
    testbed::door::{Connection, Door},
};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request},
    response::Response,
    routing::any,
};
use http::{Method, header};
use kube::Client;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tokio::{
    net::TcpListener,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

/// Where in the life of a write it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    BeforeEffect,
    AfterEffect,
}

/// What becomes of a request that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its connection is cut; what had no effect has none.
    Cut,
    /// It goes on as if nothing had been, whether its sender still listens or not.
    GoesOn,
}

/// A request that is held.
pub struct Held(oneshot::Sender<Fate>);

impl Held {
    pub fn meets(self, fate: Fate) {
        // Whoever waited for it may have ended with the test.
        let _ = self.0.send(fate);
    }
}

/// The two sockets of one operator.
pub struct Gate {
    eye: Arc<Eye>,
    reached: UnboundedReceiver<Held>,
    kubeconfig: PathBuf,
    atlas: String,
    _serving: DropGuard,
}

impl Gate {
    /// Opens the way of the operator of that name; the write is held once, the first time that it comes.
    pub async fn open(world: &World, name: &str, victim: Option<(Write, Place)>) -> Self {
        let (sender, reached) = unbounded_channel();
        let (writes, victim) = (Mutex::default(), Mutex::new(victim));
        let eye = Arc::new(Eye { writes, victim, reached: sender, shown: world.shown.clone() });
        let stop = CancellationToken::new();
        let mut config = world.nature.plane.config.clone();
        config.default_retry = false;
        let client = Client::try_from(config).expect("a client");
        let api_server = serve(eye.clone(), Way::Kubernetes(client), stop.clone()).await;
        let atlas = serve(eye.clone(), Way::Atlas(world.atlas.router()), stop.clone()).await;
        let kubeconfig = world.directory().join(format!("kubeconfig-{name}"));
        std::fs::write(&kubeconfig, kubeconfig_of(&api_server).to_string()).expect("a file");
        Self { eye, reached, kubeconfig, atlas, _serving: stop.drop_guard() }
    }

    /// The environment and the arguments of an operator that goes this way.
    pub fn leads(&self, mut arguments: Vec<String>) -> (Vec<String>, [(&'static str, String); 1]) {
        let place = arguments.iter().position(|argument| argument == "--atlas-base-url").expect("the flag") + 1;
        arguments[place].clone_from(&self.atlas);
        (arguments, [("KUBECONFIG", self.kubeconfig.display().to_string())])
    }

    /// Waits until the write is held.
    pub async fn reached(&mut self) -> Held {
        self.reached.recv().await.expect("the eye lives as long as this")
    }

    /// All writes so far, in order.
    pub fn writes(&self) -> Vec<Write> {
        self.eye.writes.lock().unwrap().clone()
    }
}

fn kubeconfig_of(server: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "gate",
        "clusters": [{"name": "gate", "cluster": {"server": server}}],
        "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
        "users": [{"name": "gate", "user": {}}],
    })
}

struct Eye {
    writes: Mutex<Vec<Write>>,
    victim: Mutex<Option<(Write, Place)>>,
    reached: UnboundedSender<Held>,
    shown: Shown,
}

impl Eye {
    /// Holds the write if it is the one; `None` if it is to be cut.
    async fn look(&self, write: Option<&Write>, place: Place) -> Option<()> {
        let is_the_one = |victim: &mut (Write, Place)| write == Some(&victim.0) && place == victim.1;
        if self.victim.lock().unwrap().take_if(is_the_one).is_none() {
            return Some(());
        }
        let (sender, fate) = oneshot::channel();
        let _ = self.reached.send(Held(sender));
        // Without a word the test has ended.
        (fate.await.unwrap_or(Fate::Cut) == Fate::GoesOn).then_some(())
    }
}

/// Where a socket leads.
#[derive(Clone)]
enum Way {
    Kubernetes(Client),
    Atlas(Router),
}

async fn serve(eye: Arc<Eye>, way: Way, stop: CancellationToken) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let pass = move |ConnectInfo(connection): ConnectInfo<Connection>, request: Request| async move {
        // On a task of its own: a request goes on when its sender is dead.
        let carried = tokio::spawn(carry(eye, way, request));
        carried.await.ok().flatten().unwrap_or_else(|| {
            connection.cut();
            Response::default()
        })
    };
    let router = Router::new().fallback(any(pass)).into_make_service_with_connect_info::<Connection>();
    tokio::spawn(async move {
        tokio::select! {
            served = axum::serve(Door(listener), router) => served.expect("served"),
            () = stop.cancelled() => {}
        }
    });
    url
}

/// The answer; `None`: the connection is to be cut.
async fn carry(eye: Arc<Eye>, way: Way, request: Request) -> Option<Response> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.ok()?;
    eye.shown.read(&head, &body);
    let write = way.names(&head, &body);
    eye.writes.lock().unwrap().extend(write.clone());
    eye.look(write.as_ref(), Place::BeforeEffect).await?;
    let answer = way.forward(head, body).await?;
    eye.look(write.as_ref(), Place::AfterEffect).await?;
    Some(answer)
}

impl Way {
    /// What is written, if anything is.
    fn names(&self, head: &http::request::Parts, body: &Bytes) -> Option<Write> {
        let path: Vec<&str> = head.uri.path().split('/').collect();
        match self {
            Self::Atlas(_) => {
                // What asks for a challenge has no effect.
                let is_write = head.method != Method::GET && head.headers.contains_key(header::AUTHORIZATION);
                let of_endpoint = path.iter().any(|part| ["endpoint", "interfaceEndpoints"].contains(part));
                let what = match (head.method == Method::POST, of_endpoint) {
                    (true, false) => "create-service",
                    (true, true) => "add-endpoint",
                    (false, true) => "remove-endpoint",
                    (false, false) => "delete-service",
                };
                (is_write && path.contains(&"groups")).then(|| Write::new(Side::Atlas, what))
            }
            Self::Kubernetes(_) => {
                let kind = path.iter().find_map(|part| match *part {
                    "atlasprivatelinks" => Some("link"),
                    "atlasinterfaceendpoints" => Some("endpoint"),
                    _ => None,
                })?;
                let deed = deed(&head.method, &serde_json::from_slice(body).ok()?)?;
                Some(Write::new(Side::Kubernetes, &format!("{kind}-{deed}")))
            }
        }
    }

    async fn forward(self, mut head: http::request::Parts, body: Bytes) -> Option<Response> {
        match self {
            Self::Atlas(router) => router.oneshot(Request::from_parts(head, Body::from(body))).await.ok(),
            Self::Kubernetes(client) => {
                for own in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH] {
                    head.headers.remove(own);
                }
                let answer = client.send(Request::from_parts(head, body.into())).await.ok()?;
                let (mut head, body) = answer.into_parts();
                for own in [header::CONNECTION, header::TRANSFER_ENCODING] {
                    head.headers.remove(own);
                }
                Some(Response::from_parts(head, Body::new(body)))
            }
        }
    }
}

/// What a write to an object is for, by what stands in it.
fn deed(method: &Method, body: &Value) -> Option<String> {
    if *method == Method::PUT {
        let conditions = body["status"]["conditions"].as_array()?;
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
        return Some(format!("status-{}", ready["reason"].as_str()?));
    }
    let metadata = &body["metadata"];
    if let Some(record) = metadata["annotations"][ATTEMPT_ANNOTATION].as_str() {
        let record: Value = serde_json::from_str(record).ok()?;
        let refused = if record["refusal"].is_null() { "" } else { "-refused" };
        return Some(format!("record-{}{refused}", record["write"].as_str()?));
    }
    let finalizers = metadata["finalizers"].as_array()?;
    Some(if finalizers.is_empty() { "release" } else { "protect" }.to_owned())
}
