//! What the sources and the definitions must not have.

use atlas_privatelink_operator::api::crds;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file of the product, the testbed apart, by its path.
pub fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true if path.ends_with("src/testbed") => {}
                true => folders.push(path),
                false => files.push((path.clone(), std::fs::read_to_string(path).expect("text"))),
            }
        }
    }
    assert!(files.len() > 80, "{} files", files.len());
    files
}

#[test]
fn nobody_turns_off_the_checking_of_certificates() {
    let ways = ["danger_", ".dangerous()", "ServerCertVerifier", "tls_sni(false)", "min_tls_version"];
    for (path, text) in sources() {
        let found: Vec<_> = ways.into_iter().filter(|way| text.contains(way)).collect();
        assert_eq!(found, [""; 0], "{}", path.display());
    }
}

const DENIED: [&str; 8] =
    ["expect_used", "indexing_slicing", "panic", "string_slice", "todo", "unimplemented", "unreachable", "unwrap_used"];

/// The lints are denied for the whole of both crates, and no place takes them back.
#[test]
fn nothing_that_can_panic_is_let_in() {
    for root_file in ["lib.rs", "main.rs"] {
        let text = std::fs::read_to_string(root().join("src").join(root_file)).expect("text");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{root_file}");
        let (_, denied) = text.split_once("    not(test),\n    deny(").expect("denied outside tests");
        let (denied, _) = denied.split_once(')').expect("the end");
        for lint in DENIED {
            assert!(denied.contains(&format!("clippy::{lint}")), "{root_file}: {lint}");
        }
    }
    for (path, text) in sources() {
        // Here the one exception stands, that of the testbed.
        let text = match path.ends_with("src/lib.rs") {
            true => text.split_once("#[cfg(feature = \"testbed\")]").expect("the testbed").0.to_owned(),
            false => text,
        };
        let attributes = text.split("#[").chain(text.split("#![")).filter_map(|rest| rest.split_once(']'));
        let takes_back = |attribute: &str| {
            let denied = DENIED.iter().any(|lint| attribute.contains(&format!("clippy::{lint}")));
            denied && (attribute.starts_with("allow") || attribute.starts_with("expect"))
        };
        let found: Vec<_> = attributes.map(|(attribute, _)| attribute).filter(|text| takes_back(text)).collect();
        assert_eq!(found, [""; 0], "{}", path.display());
    }
}

/// Every field of `spec`, with its path.
fn fields(path: &str, schema: &Value, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields(&path, property, found);
        found.push(path);
    }
}

/// Where Atlas is, and how it is reached, is the operator's business; and whatever a resource names is beside it.
#[test]
fn no_field_of_a_resource_says_where_atlas_is_or_names_another_namespace() {
    for crd in crds::all() {
        let crd = serde_json::to_value(&crd).expect("JSON");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut found = Vec::new();
        fields("", &schema["properties"]["spec"], &mut found);
        assert!(found.len() >= 6, "{found:?}");
        let words = ["url", "host", "address", "proxy", "namespace", "server", "certificate", "insecure"];
        let bad: Vec<_> =
            found.iter().filter(|field| words.iter().any(|word| field.to_lowercase().contains(word))).collect();
        assert!(bad.is_empty(), "{bad:?}");
        // One that a schema doesn't know is dropped by the API server before it is stored.
        assert!(!schema.to_string().contains("x-kubernetes-preserve-unknown-fields"));
    }
}
