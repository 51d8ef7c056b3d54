//! `probe`: asks a URL until it answers well. The image has no shell and no curl, and `helm test` must ask somehow.

use crate::{atlas::https::install_crypto, duration::HumanDuration};
use clap::Args;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const PAUSE: Duration = Duration::from_millis(500);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// What to ask, such as http://127.0.0.1:8080/readyz
    #[arg(value_name = "URL")]
    pub url: String,

    /// How long to go on asking
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub timeout: HumanDuration,
}

/// Why the probe failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[source] reqwest::Error),
    #[error("{url} did not answer well within {within}: {last}")]
    Unready { url: String, within: HumanDuration, last: String },
}

/// Asks until the answer is a success, and gives its text.
///
/// # Errors
/// When none was in time.
pub async fn probe(args: ProbeArgs) -> Result<String, Error> {
    install_crypto();
    let client = reqwest::Client::builder().no_proxy().build().map_err(Error::Client)?;
    let deadline = Instant::now() + args.timeout.get();
    loop {
        let last = match timeout(PATIENCE, ask(&client, &args.url)).await {
            Ok(Ok(text)) => return Ok(text),
            Ok(Err(why)) => why,
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + PAUSE > deadline {
            return Err(Error::Unready { url: args.url, within: args.timeout, last });
        }
        sleep(PAUSE).await;
    }
}

async fn ask(client: &reqwest::Client, url: &str) -> Result<String, String> {
    let answer = client.get(url).send().await.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| error.without_url().to_string())?;
    if status.is_success() { Ok(text) } else { Err(format!("{status}, {}", text.trim())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, http::StatusCode, routing::get};
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    /// The URL of a server that fails this often before it answers well.
    async fn served(failures: usize) -> String {
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = move || {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            async move {
                if number < failures {
                    (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
                } else {
                    (StatusCode::OK, "ok\n")
                }
            }
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let router = Router::new().route("/readyz", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn it_asks_until_the_answer_is_good() {
        let args = ProbeArgs { url: served(2).await, timeout: Duration::from_secs(600).into() };
        assert_eq!(probe(args).await.unwrap(), "ok\n");
    }

    #[tokio::test]
    async fn it_tells_what_it_was_told_last() {
        let args = ProbeArgs { url: served(usize::MAX).await, timeout: Duration::ZERO.into() };
        let error = probe(args).await.unwrap_err().to_string();
        assert!(error.contains("503") && error.contains("starting"), "{error}");
    }
}
