//! The simulated Atlas, asked over HTTP digest by two Go libraries: the one of Atlas' own SDK, which fetches a challenge
//! for every request, and one that uses a nonce until it is refused.

use super::{PROJECT, Served, VPCE, settings};
use atlas_privatelink_operator::testbed::{
    control_plane::{Program, build},
    simulator::Settings,
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = Program {
        name: "digest-client",
        package: ".",
        files: &[
            ("go.mod", include_str!("digest/go.mod")),
            ("go.sum", include_str!("digest/go.sum")),
            ("main.go", include_str!("digest/main.go")),
        ],
        ldflags: "-s -w".to_owned(),
        instead: "run the other tests only",
    };
    build(&program, &Path::new(env!("CARGO_MANIFEST_DIR")).join("target/digest-client")).expect("built")
});

const PRIVATE_KEY: &str = "01234567-89ab-cdef-0123-456789abcdef";
const V1: &str = "application/json";
const V2: &str = "application/vnd.atlas.2023-01-01+json";

/// A running client, with one transport for all that it is asked to ask.
struct Client {
    _process: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    base: String,
    accept: &'static str,
}

impl Client {
    async fn start(atlas: &Served, library: &str, private_key: &str, accept: &'static str) -> Self {
        let program = tokio::task::spawn_blocking(|| PROGRAM.clone()).await.unwrap();
        let mut process = Command::new(program)
            .args([library, "abcdefgh", private_key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (asks, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let dialect = if accept == V1 { "v1.0" } else { "v2" };
        let base = format!("http://{}/api/atlas/{dialect}/groups/{PROJECT}/privateEndpoint", atlas.address);
        Self { _process: process, asks, answers: BufReader::new(answers).lines(), base, accept }
    }

    /// Status and body; a null where there is none.
    async fn send(&mut self, method: &str, tail: &str, body: Option<Value>) -> (u64, Value) {
        let body = body.map(|body| body.to_string());
        let ask = json!({"method": method, "url": self.base.clone() + tail, "accept": self.accept, "body": body});
        self.asks.write_all(format!("{ask}\n").as_bytes()).await.unwrap();
        let line = self.answers.next_line().await.unwrap().expect("an answer");
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["error"], "", "{method} {tail}");
        let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default();
        (answer["status"].as_u64().unwrap(), body)
    }

    async fn get(&mut self, tail: &str) -> (u64, Value) {
        self.send("GET", tail, None).await
    }
}

/// Where things are below the project, which is all that differs between the dialects here.
struct Paths {
    accept: &'static str,
    create: &'static str,
    list: &'static str,
    endpoints: &'static str,
    /// The name of the endpoint's id in the request.
    id: &'static str,
}

const DIALECTS: [Paths; 2] = [
    Paths { accept: V1, create: "", list: "", endpoints: "interfaceEndpoints", id: "interfaceEndpointId" },
    Paths { accept: V2, create: "/endpointService", list: "/AWS/endpointService", endpoints: "endpoint", id: "id" },
];

/// The statuses that the simulator has answered with.
fn statuses(atlas: &Served) -> Vec<u16> {
    let ledger = atlas.simulator.ledger();
    ledger.iter().filter_map(|entry| entry.request()).filter_map(|request| request.status).collect()
}

fn challenges(atlas: &Served) -> usize {
    statuses(atlas).iter().filter(|status| **status == 401).count()
}

/// The whole life of a service, asked for by one client.
async fn whole_life(atlas: &Served, client: &mut Client, paths: &Paths) {
    assert_eq!(client.get(paths.list).await, (200, json!([])));
    let body = json!({"providerName": "AWS", "region": "us-east-1"});
    let (status, created) = client.send("POST", paths.create, Some(body.clone())).await;
    assert_eq!((status, &created["status"]), (201, &json!("INITIATING")));
    assert_eq!(client.send("POST", paths.create, Some(body)).await.0, 409, "the first one took effect, once");
    let id = created["id"].as_str().unwrap();
    atlas.until_ready(id).await;
    let service = format!("{}/{id}", paths.list);
    let endpoints = format!("{service}/{}", paths.endpoints);
    let (status, added) = client.send("POST", &endpoints, Some(json!({ (paths.id): VPCE }))).await;
    assert_eq!((status, &added["interfaceEndpointId"]), (201, &json!(VPCE)));
    let endpoint = format!("{endpoints}/{VPCE}");
    assert_eq!(client.get(&endpoint).await.1["interfaceEndpointId"], VPCE);
    assert_eq!(client.get(paths.list).await.1[0]["interfaceEndpoints"], json!([VPCE]));
    assert_eq!(client.send("DELETE", &endpoint, None).await.0, 202);
    atlas.until("the endpoint is gone", |services| super::endpoints(&services[0]).is_empty()).await;
    assert_eq!(client.send("DELETE", &service, None).await.0, 202);
    atlas.until("the service is gone", <[Value]>::is_empty).await;
    assert_eq!(client.get(&service).await.0, 404);
}

/// The requests of [`whole_life`].
const REQUESTS: usize = 9;

#[tokio::test]
async fn the_library_of_atlas_own_sdk_gets_along_in_both_dialects() {
    for paths in &DIALECTS {
        let atlas = Served::start().await;
        let mut client = Client::start(&atlas, "mongodb-forks", PRIVATE_KEY, paths.accept).await;
        whole_life(&atlas, &mut client, paths).await;
        assert_eq!((statuses(&atlas).len(), challenges(&atlas)), (2 * REQUESTS, REQUESTS), "a challenge each");
    }
}

#[tokio::test]
async fn a_library_that_keeps_its_nonce_is_challenged_once() {
    for paths in &DIALECTS {
        let atlas = Served::start().await;
        let mut client = Client::start(&atlas, "icholy", PRIVATE_KEY, paths.accept).await;
        whole_life(&atlas, &mut client, paths).await;
        assert_eq!((statuses(&atlas).len(), challenges(&atlas)), (REQUESTS + 1, 1), "{:?}", statuses(&atlas));
    }
}

/// A nonce that has been used up in the middle costs one request, and no effect happens twice.
#[tokio::test]
async fn a_library_that_keeps_its_nonce_is_told_when_it_expires() {
    for paths in &DIALECTS {
        let atlas = Served::with(Settings { nonce_uses: 3, ..settings() }).await;
        let mut client = Client::start(&atlas, "icholy", PRIVATE_KEY, paths.accept).await;
        whole_life(&atlas, &mut client, paths).await;
        assert!(challenges(&atlas) > 2, "{:?}", statuses(&atlas));
        assert_eq!(statuses(&atlas).len(), REQUESTS + challenges(&atlas), "one more request for each challenge");
        assert_eq!(atlas.simulator.ledger().creates().values().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(atlas.simulator.ledger().service_deletes().len(), 1);
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_whoever_computes_with_it() {
    for library in ["mongodb-forks", "icholy"] {
        let atlas = Served::start().await;
        let mut client = Client::start(&atlas, library, "not-the-one", V2).await;
        assert_eq!(client.get("/AWS/endpointService").await.0, 401);
        assert_eq!(statuses(&atlas), [401, 401]);
    }
}
