//! The one binary.

#![forbid(unsafe_code)]
// As in the library.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

use atlas_privatelink_operator::{
    api::crds,
    cli::{Cli, Command, CrdsArgs},
    operator, probe,
};
use clap::Parser;
use std::{error::Error, io::Write, process::ExitCode};

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let ended: Result<(), Box<dyn Error>> = match Cli::parse().command {
        Command::Run(args) => operator::run(*args).await.map_err(Into::into),
        Command::Crds(args) => write_crds(&args),
        Command::Probe(args) => probe::probe(args).await.map(|text| print!("{text}")).map_err(Into::into),
        #[cfg(feature = "testbed")]
        Command::Demo(args) => atlas_privatelink_operator::testbed::start::demo(args).await,
        #[cfg(feature = "testbed")]
        Command::Simulator(args) => atlas_privatelink_operator::testbed::start::simulator(*args).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("atlas-privatelink-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_crds(args: &CrdsArgs) -> Result<(), Box<dyn Error>> {
    match &args.output {
        Some(folder) => crds::write(folder).map_err(|error| format!("--output {}: {error}", folder.display()))?,
        None => {
            let text: String = crds::yaml()?.into_iter().map(|(_, text)| text).collect();
            match std::io::stdout().write_all(text.as_bytes()) {
                // Whoever reads has read enough (`crds | head`).
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
    }
    Ok(())
}
