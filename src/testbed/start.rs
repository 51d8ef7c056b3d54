//! The two subcommands of the testbed, put together from its parts.

use super::{
    demo::{self, DemoArgs, Samples, Setup, SimulatedAtlas},
    simulator::{self, Secret, Settings, Simulator},
};
use crate::{api::crds, atlas::https::install_crypto, clock::Clock};
use std::error::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

struct Atlas {
    simulator: Simulator,
    base_url: String,
}

impl SimulatedAtlas for Atlas {
    fn base_url(&self) -> String {
        self.base_url.clone()
    }

    async fn contents(&self) -> Vec<String> {
        let state = self.simulator.state();
        state["services"].as_array().into_iter().flatten().map(ToString::to_string).collect()
    }
}

/// `atlas-privatelink-operator demo`.
///
/// # Errors
/// When something cannot be started, or the samples are not Ready (or not gone again) in time.
pub async fn demo(args: DemoArgs) -> Result<(), Box<dyn Error>> {
    install_crypto();
    let api_keys = Samples::api_key().map(|(public, private)| Secret::new(&public, &private)).into_iter().collect();
    let settings = Settings { time_scale: args.time_scale, api_keys, ..Settings::default() };
    let simulator = Simulator::new(settings, Clock::system());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let (simulator, stop) = (simulator.clone(), stop.clone());
        async move { simulator.serve(listener, stop).await }
    });
    let setup =
        Setup { crds: crds::all().to_vec(), operator: std::env::current_exe()?, atlas: Atlas { simulator, base_url } };
    let ended = demo::run(args, setup).await;
    stop.cancel();
    serving.await??;
    Ok(ended?)
}

/// `atlas-privatelink-operator simulator`.
///
/// # Errors
/// When it cannot listen.
pub async fn simulator(settings: Settings) -> Result<(), Box<dyn Error>> {
    Ok(simulator::run(settings).await?)
}
