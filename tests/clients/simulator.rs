//! The simulator as a process of its own, as another project would start it to develop against.

use atlas_privatelink_operator::testbed::control_plane::{Guarded, Launch, tail};
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PROJECT: &str = super::PROJECT;
const BINARY: &str = env!("CARGO_BIN_EXE_atlas-privatelink-operator");
const LONG: Duration = Duration::from_secs(300);

/// Such a process; it ends with the test.
struct Running {
    process: Guarded,
    address: String,
    directory: TempDir,
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(Instant::now() < deadline, "never: {what}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Running {
    fn start(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        // The shell tells its id and becomes the simulator, so that a test can send it a signal.
        let script = format!("echo $$ > '{}/pid'; exec \"$@\"", directory.path().display());
        let process = Launch::new("/bin/sh")
            .args(["-c", &script, "simulator", BINARY, "simulator", "--listen", "127.0.0.1:0"])
            .args(flags)
            .log_to(&log)
            .unwrap();
        let address = wait_for("it says where it listens", || {
            let said = tail(&log, 1);
            said.strip_prefix("simulated Atlas listening on ").map(str::to_owned)
        });
        assert!(address.starts_with("http://127.0.0.1:") && !address.ends_with(":0"), "{address}");
        Self { process, address, directory }
    }

    /// Status and body of what curl gets with these options.
    fn curl(&self, options: &[&str], path: &str) -> (u16, String) {
        let output = Command::new("curl")
            .args(["--disable", "--silent", "--noproxy", "*", "--max-time", "300", "--write-out", "\n%{http_code}"])
            .args(options)
            .arg(format!("{}{path}", self.address))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    fn list(&self, user: &str) -> (u16, String) {
        self.curl(
            &["--digest", "--user", user],
            &format!("/api/atlas/v2/groups/{PROJECT}/privateEndpoint/AWS/endpointService"),
        )
    }

    /// Makes a service and waits until it is ready; its name.
    fn service_name(&self, user: &str) -> String {
        let body = r#"{"providerName": "AWS", "region": "us-east-1"}"#;
        let options = ["--digest", "--user", user, "--header", "Content-Type: application/json", "--data", body];
        let path = format!("/api/atlas/v2/groups/{PROJECT}/privateEndpoint/endpointService");
        assert_eq!(self.curl(&options, &path).0, 201);
        wait_for("the service has a name", || {
            let services: Value = serde_json::from_str(&self.list(user).1).unwrap();
            services[0]["endpointServiceName"].as_str().map(str::to_owned)
        })
    }
}

#[test]
fn it_knows_the_credentials_that_it_is_told_of() {
    let simulator = Running::start(&["--api-key", "one:1", "--api-key", "two:2", "--service-account", "account:3"]);
    for (user, status) in [("one:1", 200), ("two:2", 200), ("one:2", 401), ("public:private", 401)] {
        assert_eq!(simulator.list(user).0, status, "{user}");
    }
    let grant = ["--user", "account:3", "--data", "grant_type=client_credentials"];
    let (status, token) = simulator.curl(&grant, "/api/oauth/token");
    assert_eq!(status, 200);
    let token: Value = serde_json::from_str(&token).unwrap();
    let bearer = format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap());
    let path = format!("/api/atlas/v2/groups/{PROJECT}/privateEndpoint/AWS/endpointService");
    assert_eq!(simulator.curl(&["--header", &bearer], &path), (200, "[]".to_owned()));
    let wrong = ["--user", "account:4", "--data", "grant_type=client_credentials"];
    assert_eq!(simulator.curl(&wrong, "/api/oauth/token").0, 401);
    let ledger: Vec<Value> = serde_json::from_str(&simulator.curl(&[], "/simulator/ledger").1).unwrap();
    assert!(ledger.iter().any(|entry| entry["caller"] == "two"), "{ledger:?}");
}

#[test]
fn without_any_credential_there_is_one_to_begin_with() {
    assert_eq!(Running::start(&[]).list("public:private").0, 200);
}

/// What is drawn is drawn from the seed; and a thousandfold time makes minutes pass while a test waits.
#[test]
fn the_same_seed_draws_the_same_names() {
    let name = |seed: &str| Running::start(&["--time-scale", "1000", "--seed", seed]).service_name("public:private");
    let (one, same, other) = (name("7"), name("7"), name("8"));
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn sigterm_ends_it_well() {
    let mut simulator = Running::start(&[]);
    let pid = std::fs::read_to_string(simulator.directory.path().join("pid")).unwrap();
    assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().unwrap().success());
    let status = wait_for("it ends", || simulator.process.ended().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn what_it_cannot_use_is_refused() {
    for (flags, word) in [
        (["--time-scale", "0"], "expected a number above 0"),
        (["--api-key", "one"], "expected NAME:SECRET"),
        (["--listen", "here"], "--listen"),
        (["--seed", "many"], "--seed"),
    ] {
        let output = Command::new(BINARY).arg("simulator").args(flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(word), "{flags:?}: {said}");
    }
}
