//! What the demo and the tests run against.
