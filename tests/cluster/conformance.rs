//! The script of calls that the in-process API server is judged by, made of a real one: what was recorded still holds.

use super::plane::ONE_MORE_CONTROL_PLANE;
use crate::simulated::conformance::{differences, script};
use atlas_privatelink_operator::testbed::control_plane::{ControlPlane, Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_answers_what_was_recorded() {
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let mut control_plane = ControlPlane::start(Options::default()).await.expect("started");
    let client = control_plane.client();
    // What was before its start it has not seen.
    let forget = async || control_plane.restart_api_server().await.expect("restarted");
    let differences = differences(&script(client, forget).await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    control_plane.stop().await.expect("stopped");
}
