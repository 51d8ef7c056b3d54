//! The client as a whole, against scripted Atlases in paused time.

mod calls;
mod decoding;
mod digest;
mod harness;
mod inventory;
mod oauth;
mod pace;
mod secrets;
mod traps;
