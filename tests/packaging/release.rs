//! The release workflow's jobs that need no registry, step by step in a shell; `gh` is a program that only writes down
//! what it is told.

use super::helm::repository;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

const IMAGE_DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const CHART_DIGEST: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

fn workflow() -> Value {
    let text = fs::read_to_string(repository(".github/workflows/release.yaml")).expect("release.yaml");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// What GitHub puts in for an expression.
fn evaluated(value: &str) -> &str {
    match value {
        "${{ needs.publish.outputs.image }}" => IMAGE_DIGEST,
        "${{ needs.publish.outputs.chart }}" => CHART_DIGEST,
        "${{ github.token }}" => "no token",
        plain => plain,
    }
}

fn set(command: &mut Command, variables: &Value) {
    for (name, value) in variables.as_object().into_iter().flatten() {
        command.env(name, evaluated(value.as_str().expect("text")));
    }
}

/// Runs the scripts of a job for a tag, with `directory` for its files and its own programs; gives what the last one
/// said, or the first that failed.
fn run(job: &str, tag: &str, directory: &Path) -> Output {
    let workflow = workflow();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").expect("a PATH"));
    let steps = workflow["jobs"][job]["steps"].as_array().expect("steps").iter();
    let mut last = None;
    for step in steps.filter(|step| step["run"].is_string()) {
        let mut shell = Command::new("bash");
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().expect("a script")]);
        shell.current_dir(repository(".")).env("PATH", &path).env("RUNNER_TEMP", directory);
        shell.env("GITHUB_REF_NAME", tag).env("GITHUB_SERVER_URL", "https://github.com");
        shell.env("GITHUB_WORKFLOW_REF", format!("owner/name/.github/workflows/release.yaml@refs/tags/{tag}"));
        set(&mut shell, &workflow["env"]);
        set(&mut shell, &step["env"]);
        let output = shell.output().expect("bash");
        let failed = !output.status.success();
        last = Some(output);
        if failed {
            break;
        }
    }
    last.expect("a script")
}

#[test]
fn only_the_version_that_is_in_the_tree_is_released() {
    let directory = tempfile::tempdir().expect("a directory");
    let version = env!("CARGO_PKG_VERSION");
    let said = run("version", &format!("v{version}"), directory.path());
    assert!(said.status.success(), "{said:?}");
    for other in [format!("v{version}0"), format!("v1{version}"), "v.".to_owned()] {
        assert!(!run("version", &other, directory.path()).status.success(), "{other}");
    }
}

#[test]
fn the_release_has_the_manifests_with_the_digest_of_the_image() {
    let directory = tempfile::tempdir().expect("a directory");
    let (gh, told) = (directory.path().join("gh"), directory.path().join("told"));
    fs::write(&gh, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\n", told.display())).expect("written");
    fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).expect("executable");
    let said = run("release", "v0.1.0", directory.path());
    assert!(said.status.success(), "{said:?}");

    let files = directory.path().join("files");
    let read = |name: &str| fs::read_to_string(files.join(name)).expect("a file of the release");
    let stored = |name: &str| fs::read_to_string(repository(name)).expect("a file of the repository");
    let image = workflow()["env"]["IMAGE"].as_str().expect("an image").to_owned();
    let (by_tag, by_digest) = (format!("{image}:{}\n", env!("CARGO_PKG_VERSION")), format!("{image}@{IMAGE_DIGEST}\n"));
    assert_eq!(read("install.yaml"), stored("deploy/install.yaml").replace(&by_tag, &by_digest));
    for definition in fs::read_dir(repository("crds")).expect("crds/") {
        let name = definition.expect("an entry").file_name().into_string().expect("text");
        assert_eq!(read(&name), stored(&format!("crds/{name}")));
    }
    let checked = Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&files).output().expect("ran");
    let all = fs::read_dir(&files).expect("files").count();
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(String::from_utf8_lossy(&checked.stdout).lines().count(), all - 1, "all but itself: {checked:?}");

    let told = fs::read_to_string(told).expect("gh was called");
    assert!(told.starts_with("release\ncreate\nv0.1.0\n--verify-tag\n"), "{told}");
    assert_eq!(told.lines().filter(|word| word.starts_with(files.to_str().expect("text"))).count(), all, "{told}");
    let notes = fs::read_to_string(directory.path().join("notes.md")).expect("notes");
    for part in [IMAGE_DIGEST, CHART_DIGEST, "owner/name/.github/workflows/release.yaml@refs/tags/v0.1.0"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
}
