pub mod api;
pub mod atlas;
pub mod clock;
pub mod duration;
#[cfg(feature = "testbed")]
pub mod testbed;
