//! Against a real API server.

mod control_plane;
mod demo;
