//! Reads of the Kubernetes API that several objects wait for.

use std::time::Duration;
use tokio::time::timeout;

/// How long such a read is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What it gives, if it does so in time.
///
/// # Errors
/// When it fails, or is not answered within half a minute.
pub async fn in_time<T>(read: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    timeout(PATIENCE, read).await.unwrap_or_else(|elapsed| Err(kube::Error::Service(elapsed.into())))
}
