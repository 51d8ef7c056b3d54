//! The operator's own client over a real socket that never says anything, under paused time.

use atlas_privatelink_operator::atlas::{
    https::{Https, HttpsOptions},
    transport::{Transport, TransportError},
};
use bytes::Bytes;
use std::time::Duration;
use tokio::{net::TcpListener, time::Instant};

/// Whoever takes a connection and does not answer TLS is given up after five seconds: nothing was sent by then.
#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_come_about_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}/api/atlas/v2", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = listener.accept().await {
            held.push(connection);
        }
    });
    let mut request = http::Request::new(Bytes::new());
    *request.uri_mut() = address.parse().unwrap();
    let https = Https::new(&HttpsOptions::default()).unwrap();
    let start = Instant::now();
    let error = https.send(request).await.unwrap_err();
    assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
    // The clock stands still except for deadlines that are waited for: this is the deadline, not how quick anything was.
    assert_eq!(start.elapsed().as_secs(), Duration::from_secs(5).as_secs());
}
