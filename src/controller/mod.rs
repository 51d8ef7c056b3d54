//! Kubernetes glue that knows no kind: it drives the phases, writes records and statuses, and remembers.

pub mod context;
pub mod driver;
pub mod events;
pub mod handover;
pub mod housekeeping;
pub mod kind;
mod measure;
pub mod memory;
pub mod objects;
pub mod patience;
pub mod send;
mod setback;
pub mod settings;
mod state;
mod substance;
pub mod way;
pub mod write;
