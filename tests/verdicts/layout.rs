//! The tests that stand beside the scripts, in the layout of Argo CD's repository.

use super::program::{examine, scripts};
use std::{fs, path::Path};

/// Health checks and actions of both kinds: 17 verdicts, 4 offers and 6 actions.
#[test]
fn the_tests_beside_the_scripts_pass() {
    assert_eq!(examine(&scripts()), Ok(27));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// What runs those tests sees what is wrong with a script.
#[test]
fn a_wrong_script_fails_its_tests() {
    let changes = [
        ("health.lua", r#"health("Degraded", stalled)"#, r#"health("Healthy", stalled)"#, "stalled.yaml"),
        ("health.lua", "obj.metadata.generation", "obj.status.observedGeneration", "edited.yaml"),
        ("health.lua", r#"local ready = condition("Ready")"#, "local ready = os.time()", "key 'time'"),
        ("actions/discovery.lua", "disabled = not suspended", "disabled = suspended", "discovery for"),
        ("actions/resume/action.lua", "suspend = nil", "suspend = false", "resume of"),
    ];
    for (file, was, is, told) in changes {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&scripts(), folder.path());
        let file = folder.path().join("atlas.privatelink.dev/AtlasPrivateLink").join(file);
        let script = fs::read_to_string(&file).expect("a script");
        let changed = script.replace(was, is);
        assert_ne!(changed, script, "{was:?} does not stand in {}", file.display());
        fs::write(&file, changed).expect("written");
        let complaint = examine(folder.path()).expect_err(is);
        assert!(complaint.contains(told), "{is}: {complaint}");
    }
}
