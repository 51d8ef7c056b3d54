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
