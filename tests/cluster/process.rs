//! The operator's own binary as a process.

use super::plane::{SOON, until};
use atlas_privatelink_operator::testbed::control_plane::Guarded;
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::Duration,
};

/// A running operator, killed when it is dropped.
#[must_use]
pub struct Operator {
    pub(super) process: Guarded,
    pub(super) log: PathBuf,
    pub(super) pid: PathBuf,
    pub(super) address: OnceLock<String>,
}

impl Operator {
    /// As SIGKILL: whatever it was doing is not finished.
    pub async fn kill(self) {
        self.process.stop().await;
    }

    /// SIGTERM; gives the exit status.
    pub async fn terminate(self) -> ExitStatus {
        self.signal("-TERM");
        self.end().await
    }

    /// Waits until it ends by itself; gives the exit status.
    pub async fn end(mut self) -> ExitStatus {
        let mut status = None;
        until(SOON, "it ends", async || {
            status = self.process.ended().expect("known");
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }

    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended().expect("known")
    }

    /// Sends a signal, as `kill` names it.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id()]).status().expect("kill");
        assert!(sent.success());
    }

    /// The id of the process.
    pub fn id(&self) -> String {
        std::fs::read_to_string(&self.pid).expect("its id").trim().to_owned()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// GET of one of its own pages: status and body.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let answer = self.get(path).await;
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    /// GET of one of its own pages.
    pub async fn get(&self, path: &str) -> reqwest::Response {
        let address = self.address().await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        client.get(format!("http://{address}{path}")).send().await.expect("an answer")
    }

    /// Where its pages are.
    pub async fn address(&self) -> String {
        if self.address.get().is_none() {
            until(SOON, "it listens", async || self.listening().is_some()).await;
        }
        self.address.get_or_init(|| self.listening().expect("it listens")).clone()
    }

    fn listening(&self) -> Option<String> {
        address_in(&self.log())
    }
}

/// Where an operator's pages are, by its log.
fn address_in(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "starting").find_map(|line| line["http"].as_str().map(str::to_owned))
}

/// All pages of the operator that writes this log; `None` if it lives no more, or stands still.
pub async fn pages(log: &str) -> Option<String> {
    let address = address_in(log)?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().expect("a client");
    let mut all = String::new();
    for path in ["/metrics", "/healthz", "/readyz"] {
        all += &client.get(format!("http://{address}{path}")).send().await.ok()?.text().await.ok()?;
    }
    Some(all)
}
