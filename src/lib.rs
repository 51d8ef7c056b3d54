//! atlas-privatelink-operator: private connectivity for MongoDB Atlas projects, from Kubernetes manifests.
//!
//! # The map
//!
//! | module | what it is for |
//! |---|---|
//! | [`api`] | the custom resources `AtlasPrivateLink` and `AtlasInterfaceEndpoint`: types and schema, no I/O |
//! | [`atlas`] | the Atlas Administration API: ids, dialects, authentication, errors, rate budget, shared reads |
//! | [`reconcile`] | decisions: for each kind `resolve`, `plan` (and `delete`), `status`, and the steps in `kind` |
//! | [`controller`] | Kubernetes glue that knows no kind: driver, memory, writes, events |
//! | [`operator`] | wiring: what is built from what, started and stopped in which order |
//! | [`lease`] | leader election: of several operators one works |
//! | [`cli`], [`telemetry`], [`metrics`], [`server`], [`probe`] | arguments, log, metrics, probes and who asks them |
//! | [`credentials`], [`clock`], [`duration`] | Secrets, the one source of time, durations as people write them |
//! | `testbed` | what the demo and the tests run against: a simulated Atlas, two Kubernetes API servers (one real) |
//!
//! # The way of a change
//!
//! A manifest changes. The watch in [`operator`] puts the object into its store and wakes [`controller::driver`], which
//! takes it through four phases:
//!
//! 1. *resolve* reads: the Secret ([`credentials`]), the project ([`atlas::inventory`], one LIST for everybody who needs
//!    it), and who else names the same thing. What cannot be told ends in [`reconcile::blocked`].
//! 2. *plan* decides, without I/O, on at most one step: "create this service, with this record of the attempt".
//! 3. *apply* takes the step: the record goes on the object ([`controller::write`]), then the write goes to Atlas
//!    ([`controller::send`]), and how that ended is remembered.
//! 4. After as many rounds as there are steps, *status* is written once, if it differs, and the object is looked at
//!    again when it is next worth it.
//!
//! What makes this safe is in three places: [`reconcile::attempt`] (what stands in Atlas: is it ours?),
//! [`reconcile::ownership`] (several resources name the same thing: whose is it?), and the `delete` modules.

#![forbid(unsafe_code)]
// What comes from a manifest, a Secret or an answer must not be able to end a task; `clippy` looks at it as it is built,
// without the unit tests.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod api;
pub mod atlas;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod credentials;
pub mod duration;
pub mod lease;
pub mod metrics;
pub mod operator;
pub mod probe;
pub mod reconcile;
pub mod server;
pub mod telemetry;
#[cfg(feature = "testbed")]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "no part of the image; where the demo or a test goes wrong, a panic says so best"
)]
pub mod testbed;
