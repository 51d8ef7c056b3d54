//! What people install: the chart by the real Helm, the manifests, what Argo CD and Flux read.
//!
//! Files that are made from others are compared by tests; with the variable [`REGENERATE`] set, the same tests write
//! them: `REGENERATE=1 cargo test --test integration -- packaging::files packaging::argocd`.

mod argocd;
mod cases;
mod contract;
mod dependencies;
mod deployed;
mod features;
mod files;
mod flux;
mod helm;
mod image;
mod install;
mod readme;
mod refused;
mod release;
mod requests;
mod restricted;
mod rights;
mod root;
mod sample;
mod values;
mod watcher;
mod workflows;

/// Set to write the files that a test otherwise compares.
const REGENERATE: &str = "REGENERATE";
