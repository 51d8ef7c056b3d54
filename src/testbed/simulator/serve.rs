//! The simulator on sockets.

use super::{Settings, Simulator};
use crate::{
    clock::Clock,
    testbed::door::{Connection, Door},
};
use axum::Router;
use std::{io, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests that are under way may take when it is stopped.
const GRACE: Duration = Duration::from_secs(1);

/// Serves as the `simulator` subcommand, until Ctrl-C or SIGTERM; prints on one line where it listens.
///
/// # Errors
/// When the address can't be listened on.
pub async fn run(settings: Settings) -> io::Result<()> {
    let listener = TcpListener::bind(settings.listen).await?;
    println!("simulated Atlas listening on http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let signals = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        signals.cancel();
    });
    Simulator::new(settings, Clock::system()).serve(listener, stop).await
}

pub(super) async fn serve(router: Router, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let service = router.into_make_service_with_connect_info::<Connection>();
    let serving = axum::serve(Door(listener), service).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        result = serving => result,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}
