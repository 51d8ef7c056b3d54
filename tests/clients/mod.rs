//! The simulated Atlas, asked by clients that nobody here wrote (see README.md): `curl` in this file.

mod deadline;
mod digest;
mod simulator;

use atlas_privatelink_operator::{
    clock::Clock,
    testbed::simulator::{Fault, Operation, Rule, Secret, Settings, Simulator},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, process::Command};
use tokio_util::sync::{CancellationToken, DropGuard};

const PROJECT: &str = "5e2211c17a3e5a48f5497de3";
const VPCE: &str = "vpce-0b9c5701325cb15dd";

/// A simulator on a socket, which is stopped with the test.
struct Served {
    simulator: Simulator,
    address: SocketAddr,
    curl_home: tempfile::TempDir,
    _stop: DropGuard,
}

/// What curl got.
#[derive(Debug)]
struct Got {
    status: u16,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn settings() -> Settings {
    Settings {
        api_keys: vec![Secret::new("abcdefgh", "01234567-89ab-cdef-0123-456789abcdef")],
        service_accounts: vec![Secret::new("mdb_sa_id_1", "mdb_sa_sk_1")],
        time_scale: 1000.0,
        ..Settings::default()
    }
}

impl Served {
    async fn start() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: Settings) -> Self {
        let simulator = Simulator::new(settings, Clock::system());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (serving, token) = (simulator.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, token).await });
        // What the test needs to know goes through curl's configuration, so that the commands stay as printed.
        let curl_home = tempfile::tempdir().unwrap();
        let config = "silent\nmax-time = 300\nnoproxy = \"*\"\nwrite-out = \"\\n%{http_code}\\n\"\n";
        std::fs::write(curl_home.path().join(".curlrc"), config).unwrap();
        Self { simulator, address, curl_home, _stop: stop.drop_guard() }
    }

    /// Waits until the services that stand in Atlas are as they should be.
    async fn until(&self, what: &str, condition: impl Fn(&[Value]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let state = self.simulator.state();
            if condition(state["services"].as_array().unwrap()) {
                return;
            }
            assert!(Instant::now() < deadline, "never: {what}: {state}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_ready(&self, link: &str) {
        self.until("the service is ready", |services| {
            services.iter().any(|service| service["id"] == link && service["state"] == "READY")
        })
        .await;
    }

    /// Runs a command line; the exit status and what was printed.
    async fn shell(&self, line: &str) -> (i32, String) {
        let output = Command::new("sh")
            .args(["-c", line])
            .env("CURL_HOME", self.curl_home.path())
            .env("HOME", self.curl_home.path())
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), text)
    }

    /// Runs a printed command with its placeholders filled in.
    async fn run(&self, printed: &str, link: &str) -> Got {
        let base = format!("http://{}/api/atlas/v1.0/groups/", self.address);
        let line = printed
            .replace("\"{GROUP-ID}/", &format!("\"{base}{{GROUP-ID}}/"))
            .replace("https://cloud.mongodb.com", &format!("http://{}", self.address))
            .replace("{PUBLIC-KEY}", "abcdefgh")
            .replace("{PRIVATE-KEY}", "01234567-89ab-cdef-0123-456789abcdef")
            .replace("{GROUP-ID}", PROJECT)
            .replace("{privateLinkId}", link)
            .replace("{interfaceEndpointId}", VPCE);
        let (exit, text) = self.shell(&line).await;
        assert_eq!(exit, 0, "{line}");
        let (body, status) = text.trim_end().rsplit_once('\n').unwrap();
        Got { status: status.parse().unwrap(), body: body.to_owned() }
    }

    /// Runs curl with some options on a path below the project.
    async fn curl(&self, options: &str, tail: &str) -> Got {
        let url = format!("https://cloud.mongodb.com/api/atlas/v1.0/groups/{{GROUP-ID}}/{tail}");
        self.run(&format!("curl --user '{{PUBLIC-KEY}}:{{PRIVATE-KEY}}' {options} '{url}'"), "").await
    }
}

fn endpoints(service: &Value) -> &[Value] {
    service["endpoints"].as_array().map_or(&[], Vec::as_slice)
}

fn fields(value: &Value) -> Vec<&String> {
    value.as_object().map(|fields| fields.keys().collect()).unwrap_or_default()
}

/// The answer has the printed fields, no more and no less.
#[track_caller]
fn has_the_fields_of(got: &Value, printed: &str) {
    let printed: Value = serde_json::from_str(printed).unwrap();
    match (got, &printed) {
        (Value::Array(got), Value::Array(printed)) => {
            assert!(!got.is_empty() && got.iter().all(|one| fields(one) == fields(&printed[0])), "{got:?}");
        }
        (got, printed) => assert_eq!(fields(got), fields(printed), "{got}"),
    }
}

#[tokio::test]
async fn the_printed_commands_get_the_documented_answers() {
    let atlas = Served::start().await;
    let created = atlas.run(include_str!("003-create-connection.sh.txt"), "").await;
    assert_eq!(created.status, 201);
    has_the_fields_of(&created.json(), include_str!("003-create-connection.json"));
    assert_eq!(created.json()["status"], "INITIATING");
    assert_eq!(created.json()["endpointServiceName"], Value::Null, "null while it is being created");
    assert!(created.body.starts_with("{\n  \""), "pretty: {}", created.body);
    let link = created.json()["id"].as_str().unwrap().to_owned();
    atlas.until_ready(&link).await;

    let added = atlas.run(include_str!("004-add-interface-endpoint.sh.txt"), &link).await;
    assert_eq!(added.status, 201, "{added:?}");
    has_the_fields_of(&added.json(), include_str!("004-add-interface-endpoint.json"));
    assert_eq!(added.json()["interfaceEndpointId"], VPCE);

    let endpoint = atlas.run(include_str!("002-get-interface-endpoint.sh.txt"), &link).await;
    assert_eq!(endpoint.status, 200);
    has_the_fields_of(&endpoint.json(), include_str!("002-get-interface-endpoint.json"));
    let words = ["NONE", "PENDING_ACCEPTANCE", "PENDING", "AVAILABLE"];
    assert!(words.contains(&endpoint.json()["connectionStatus"].as_str().unwrap()));

    let misprinted = include_str!("000-get-connection.sh.txt");
    let as_printed = atlas.run(misprinted, &link).await;
    assert_eq!(as_printed.status, 200);
    has_the_fields_of(&as_printed.json(), include_str!("002-get-interface-endpoint.json"));
    let meant = atlas.run(&misprinted.replace("/interfaceEndpoints/{interfaceEndpointId}", ""), &link).await;
    assert_eq!(meant.status, 200);
    has_the_fields_of(&meant.json(), include_str!("000-get-connection.json"));
    assert_eq!(meant.json()["status"], "WAITING_FOR_USER");
    assert_eq!(meant.json()["interfaceEndpoints"], json!([VPCE]));

    let all = atlas.run(include_str!("001-get-all-connections.sh.txt"), "").await;
    assert_eq!(all.status, 200);
    has_the_fields_of(&all.json(), include_str!("001-get-all-connections.json"));
    assert_eq!(all.json(), json!([meant.json()]));
}

#[tokio::test]
async fn curl_deletes_in_the_documented_order() {
    let atlas = Served::start().await;
    let link = atlas.run(include_str!("003-create-connection.sh.txt"), "").await.json()["id"].clone();
    let link = link.as_str().unwrap();
    atlas.until_ready(link).await;
    atlas.run(include_str!("004-add-interface-endpoint.sh.txt"), link).await;
    let service = format!("privateEndpoint/{link}");
    let refused = atlas.curl("--digest --request DELETE", &service).await;
    assert_eq!(
        (refused.status, &refused.json()["errorCode"]),
        (409, &json!("CANNOT_DELETE_PRIVATELINK_WITH_ENDPOINTS"))
    );
    let endpoint = format!("{service}/interfaceEndpoints/{VPCE}");
    let removed = atlas.curl("--digest --request DELETE", &endpoint).await;
    assert_eq!((removed.status, removed.body.as_str()), (202, "{}"));
    atlas.until("the endpoint is gone", |services| endpoints(&services[0]).is_empty()).await;
    assert_eq!(atlas.curl("--digest", &endpoint).await.status, 404);
    assert_eq!(atlas.curl("--digest --request DELETE", &service).await.status, 202);
    atlas.until("the service is gone", <[Value]>::is_empty).await;
    let gone = atlas.curl("--digest", &service).await;
    assert_eq!((gone.status, &gone.json()["errorCode"]), (404, &json!("PRIVATELINK_NOT_FOUND")));
    assert_eq!(atlas.simulator.ledger().service_deletes(), [link]);
}

#[tokio::test]
async fn curl_authenticates_in_its_other_ways_too() {
    let atlas = Served::start().await;
    let list = "privateEndpoint?pretty=true&itemsPerPage=100";
    assert_eq!(atlas.curl("--anyauth", list).await.status, 200);
    assert_eq!(atlas.curl("--digest --http1.0", list).await.status, 200);
    assert_eq!(atlas.curl("--basic", list).await.status, 401);
    assert_eq!(atlas.curl("--digest --user 'abcdefgh:wrong'", list).await.status, 401);
    assert_eq!(atlas.curl("--digest --user 'nobody:wrong'", list).await.status, 401);
    let v2 = "--digest --header 'Accept: application/vnd.atlas.2023-01-01+json'";
    let line = format!(
        "curl --user 'abcdefgh:01234567-89ab-cdef-0123-456789abcdef' {v2} --head \
         'http://{0}/api/atlas/v2/groups/{PROJECT}/privateEndpoint/AWS/endpointService' --request GET",
        atlas.address
    );
    let (_, text) = atlas.shell(&line).await;
    assert!(text.contains("content-type: application/vnd.atlas.2023-01-01+json;charset=utf-8"), "{text}");
}

/// curl keeps a nonce for as long as it follows redirects, and counts up: an independent check of the counting.
#[tokio::test]
async fn curl_reuses_a_nonce() {
    let atlas = Served::start().await;
    let to = format!("http://{}/api/atlas/v1.0/groups/{PROJECT}/privateEndpoint?pretty=true", atlas.address);
    atlas.simulator.inject(Rule::once(Operation::ListServices, Fault::Redirect { to: to.clone() }).times(2));
    assert_eq!(atlas.curl("--digest --location", "privateEndpoint").await.status, 200);
    let ledger = atlas.simulator.ledger();
    let statuses: Vec<_> = ledger.iter().filter_map(|entry| entry.request()).map(|request| request.status).collect();
    assert_eq!(statuses, [Some(401), Some(302), Some(302), Some(200)], "one challenge for three requests");
}

#[tokio::test]
async fn curl_takes_a_token() {
    let atlas = Served::start().await;
    let token = format!(
        "curl --user mdb_sa_id_1:mdb_sa_sk_1 --data grant_type=client_credentials http://{}/api/oauth/token",
        atlas.address
    );
    let got = atlas.run(&token, "").await;
    assert_eq!(got.status, 200);
    let token = got.json()["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("curl --header 'Authorization: Bearer {token}' http://{}/api/atlas", atlas.address);
    let list = format!("groups/{PROJECT}/privateEndpoint");
    assert_eq!(atlas.run(&format!("{bearer}/v2/{list}/AWS/endpointService"), "").await.status, 200);
    assert_eq!(atlas.run(&format!("{bearer}/v1.0/{list}"), "").await.status, 401);
}

/// curl's exit statuses tell how a connection ended: 52 is "nothing was returned from the server".
#[tokio::test]
async fn curl_sees_an_answer_lost() {
    let atlas = Served::start().await;
    let rule = json!({"fault": {"name": "answer-lost"}, "when": {"operation": "create-service"}, "times": 1});
    let add = format!("curl --data '{rule}' http://{}/simulator/faults", atlas.address);
    assert_eq!(atlas.run(&add, "").await.status, 201);
    let printed = include_str!("003-create-connection.sh.txt");
    let line = printed
        .replace("https://cloud.mongodb.com", &format!("http://{}", atlas.address))
        .replace("{PUBLIC-KEY}:{PRIVATE-KEY}", "abcdefgh:01234567-89ab-cdef-0123-456789abcdef")
        .replace("{GROUP-ID}", PROJECT);
    // With HTTP/1.1, curl itself repeats a request whose connection it had used before.
    let (exit, _) = atlas.shell(&line.replace("--digest", "--digest --http1.0")).await;
    assert!([52, 56].contains(&exit), "{exit}");
    let again = atlas.run(printed, "").await;
    assert_eq!(again.status, 409, "the lost one took effect");
    atlas.simulator.inject(Rule::once(Operation::ListServices, Fault::BadGateway));
    assert_eq!(atlas.curl("--digest", "privateEndpoint").await.status, 502);
}
