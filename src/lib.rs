pub mod api;
pub mod atlas;
pub mod clock;
#[cfg(feature = "testbed")]
pub mod testbed;
