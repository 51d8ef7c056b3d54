//! The whole demo as a person plays it: the operator's own binary, the simulated Atlas that it brings along, and digest.

use super::watch;
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_atlas-privatelink-operator");

#[test]
fn both_kinds_get_ready_and_atlas_is_empty_again() {
    let mut command = Command::new(BINARY);
    command.args(["demo", "--exit-when-ready", "--time-scale", "200"]);
    let (success, text) = watch(command);
    assert!(success);
    for ready in [
        "AtlasPrivateLink orders-us-east-1: AVAILABLE, ready (Available)",
        "AtlasPrivateLink orders-northeurope: AVAILABLE, ready (Available)",
        "AtlasInterfaceEndpoint orders-vpc-a: AVAILABLE, ready (Available)",
        "AtlasInterfaceEndpoint orders-vpc-b: AVAILABLE, ready (Available)",
        "AtlasPrivateLink orders-us-east-1: gone",
        "AtlasInterfaceEndpoint orders-vpc-a: gone",
        "All resources are gone, and Atlas is empty again.",
    ] {
        assert!(text.contains(ready), "{ready:?} is missing");
    }
}
