//! What the simulated AWS knows of VPC endpoints. Atlas asks it whether an endpoint that is added exists and belongs to
//! the service; if not, the endpoint is REJECTED (atlas-api.md §5, TF commit 491b4adbe).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is declared of a VPC endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// AWS has no such endpoint.
    Unknown,
    /// It was made for the service of this name (`com.amazonaws.vpce.…`).
    KnownFor(String),
    /// It is rejected so many times and fine after that.
    RejectedTimes(u32),
    /// As if nothing had been declared: it is for the service that it is next added to.
    Undeclared,
}

/// The simulated AWS.
#[derive(Default)]
pub(super) struct Aws {
    declared: BTreeMap<String, Standing>,
}

impl Aws {
    pub(super) fn declare(&mut self, endpoint: &str, standing: Standing) {
        self.declared.insert(endpoint.to_owned(), standing);
    }

    /// Adds `endpoint` to the service named `service`; `false`: it is rejected. One of which nothing is known is taken
    /// to be made for the service it is first added to, and stays with that name, as real VPC endpoints do.
    pub(super) fn connect(&mut self, endpoint: &str, service: &str) -> bool {
        let standing = self.declared.entry(endpoint.to_owned()).or_insert(Standing::Undeclared);
        match standing {
            Standing::Unknown => false,
            Standing::KnownFor(name) => name == service,
            Standing::RejectedTimes(left @ 1..) => {
                *left -= 1;
                false
            }
            Standing::RejectedTimes(0) | Standing::Undeclared => {
                *standing = Standing::KnownFor(service.to_owned());
                true
            }
        }
    }
}
