//! A real Prometheus that scrapes one operator.

use super::is_installed;
use crate::cluster::plane::{SOON, until};
use atlas_privatelink_operator::testbed::control_plane::{Guarded, Launch, tail};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A running Prometheus, killed when it is dropped.
pub struct Prometheus {
    process: Guarded,
    address: String,
    directory: TempDir,
}

impl Prometheus {
    /// Starts one with these rules; nothing, if there is no Prometheus on the PATH.
    pub async fn scraping(target: &str, rules: &Path) -> Option<Self> {
        if !is_installed("prometheus") {
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [
                {"job_name": "operator", "honor_labels": true, "static_configs": [{"targets": [target]}]},
            ],
        });
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("written");
        // It cannot be asked which port it took, so it gets one that was free a moment ago.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("an address");
        let address = port.to_string();
        let flags = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", directory.path().join("data").display()),
            format!("--web.listen-address={address}"),
        ];
        let process = Launch::new("prometheus").args(flags).log_to(&directory.path().join("log")).expect("started");
        let mut prometheus = Self { process, address, directory };
        prometheus.until_ready().await;
        Some(prometheus)
    }

    async fn until_ready(&mut self) {
        let url = format!("http://{}/-/ready", self.address);
        until(SOON, "Prometheus is ready", async || {
            let ended = self.process.ended().expect("known");
            assert!(ended.is_none(), "{}", tail(&self.directory.path().join("log"), 20));
            client().get(&url).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// The result of an instant query.
    pub async fn query(&self, query: &str) -> Vec<Value> {
        let body = self.get("query", &[("query", query)]).await;
        assert_eq!(body["status"], "success", "{query}: {body}");
        body["data"]["result"].as_array().expect("a vector").clone()
    }

    /// What it says of its targets.
    pub async fn targets(&self) -> Value {
        self.get("targets", &[]).await["data"]["activeTargets"].clone()
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = reqwest::Url::parse_with_params(&format!("http://{}/api/v1/{path}", self.address), query);
        let answer = client().get(url.expect("a URL")).send().await.expect("an answer");
        serde_json::from_str(&answer.text().await.expect("text")).expect("JSON")
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}
