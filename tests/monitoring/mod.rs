//! Metrics, alerts and the dashboard, as Prometheus and the people who read them see them.

mod alerts;
mod dashboard;
pub mod documented;
pub mod openmetrics;
mod prometheus;

use crate::left_out::left_out;
use std::process::Command;

/// Whether a tool of Debian's package `prometheus` is there; `.ci/run` installs it.
fn is_installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        left_out(&format!("what needs {tool}, which is not on the PATH (Debian's package `prometheus` has it)"));
    }
    found
}
