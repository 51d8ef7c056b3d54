//! The in-process API server by itself.
