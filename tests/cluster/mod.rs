//! Against a real API server, and with the operator's own binary.

mod apply;
mod audit;
mod bad_input;
mod campaign;
mod conformance;
mod control_plane;
mod copies;
mod crds;
mod deletion;
mod demo;
mod flags;
mod lease;
mod manifests;
mod notes;
mod operators;
pub(crate) mod plane;
mod policy;
mod process;
mod rbac;
mod rules;
mod running;
mod shown;
mod tls;
pub(crate) mod world;

use serde_json::{Map, Value};

pub use world::*;

/// Some fields of an object.
fn fields(object: &Value, names: &[&str]) -> Value {
    let some = names.iter().filter(|name| !object[**name].is_null());
    Value::Object(some.map(|name| ((*name).to_owned(), object[*name].clone())).collect::<Map<_, _>>())
}
