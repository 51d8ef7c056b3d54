//! Forgets sessions and tokens when their time is over, whether or not anybody asks again.

use super::context::Context;
use std::{sync::Arc, time::Duration};

/// How often it is looked after.
const EVERY: Duration = Duration::from_secs(10);

/// Goes on until it is dropped.
pub async fn run(ctx: Arc<Context>) {
    loop {
        tokio::time::sleep(EVERY).await;
        ctx.inventory.forget_expired_secrets();
    }
}
