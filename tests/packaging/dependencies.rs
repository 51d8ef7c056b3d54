//! What the operator is made of, besides what `cargo deny` checks.

use std::{collections::BTreeSet, process::Command};

/// Crates in the image at most, the operator itself included.
const BUDGET: usize = 250;

/// What stays with the tests and the demo.
const TESTBED: [&str; 3] = ["proptest", "rcgen", "tempfile"];

/// Name and version of all crates that the program in the image is compiled from, those of build scripts apart.
fn crates() -> BTreeSet<String> {
    let listed = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--no-default-features"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let lines = String::from_utf8(listed.stdout).expect("text");
    let crates = lines.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    crates.collect()
}

/// Each crate is someone to trust, and something to keep up to date.
#[test]
fn few_crates_are_in_the_image_and_none_of_the_tests() {
    let crates = crates();
    assert!(crates.contains(concat!("atlas-privatelink-operator v", env!("CARGO_PKG_VERSION"))), "{crates:?}");
    assert!(crates.len() <= BUDGET, "{} crates: {crates:?}", crates.len());
    let strayed = crates.iter().filter(|one| TESTBED.contains(&one.split(' ').next().unwrap_or_default()));
    assert_eq!(strayed.count(), 0, "{crates:?}");
}
