//! The seam between the Atlas client and the network.
//!
//! Everything above it (authentication, budgets, decoding) also runs in process under tokio's paused time, where
//! sockets do not work; the simulator's router is then the transport.

use bytes::Bytes;
use futures::future::BoxFuture;

/// Carries one HTTP request to Atlas and brings its answer back. No retries, no redirects, no authentication.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, whose URI is absolute, and reads the whole (capped) body of the answer.
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Bytes>, TransportError>>;
}

/// Why there is no (usable) answer. Messages name no header, no query and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The connection never came about (DNS, refused, TLS): Atlas has not seen the request.
    #[error("cannot connect to Atlas: {0}")]
    NotConnected(String),
    /// The request may have reached Atlas, but no whole answer came back.
    #[error("no answer from Atlas: {0}")]
    NoAnswer(String),
    /// The request did not leave this process.
    #[error("{0}")]
    Withheld(String),
    /// The answer is larger than what is ever read.
    #[error("the answer from Atlas is larger than {0} bytes")]
    TooLarge(usize),
}
