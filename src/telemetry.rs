//! The log: one line for each transition, as text or JSON, to standard error.

use crate::cli::LogFormat;
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::{ParseError, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Starts logging; only the first call in a process counts.
///
/// # Errors
/// When `directives` is no log level.
pub fn start(format: LogFormat, directives: &str) -> Result<(), ParseError> {
    let filter = filter(directives)?;
    let layer = match format {
        LogFormat::Text => {
            let layer = fmt::layer().with_writer(std::io::stderr);
            layer.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed()
        }
        LogFormat::Json => json(std::io::stderr).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Ok(())
}

/// Lines of JSON: what a line says, and under `span` the object that it is about.
pub fn json<W>(writer: W) -> impl Layer<Registry> + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().with_writer(writer).json().flatten_event(true).with_current_span(true).with_span_list(false)
}

/// What is logged with these directives: a level, or levels by module.
///
/// # Errors
/// When `directives` is no log level.
pub fn filter(directives: &str) -> Result<Targets, ParseError> {
    // What the HTTP stack says of requests at its finest levels may show headers: it is not listened to below info.
    // The span that kube lays around every reconcile says what ours says better.
    let quiet = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tower"];
    // A word that is no level would be taken for the name of a module, and everything else be silent.
    let no_level = |word: &&str| !word.is_empty() && !word.contains('=') && word.parse::<LevelFilter>().is_err();
    if let Some(word) = directives.split(',').map(str::trim).find(no_level) {
        format!("{word}={word}").parse::<Targets>()?;
    }
    Ok(directives
        .parse::<Targets>()?
        .with_targets(quiet.map(|target| (target, LevelFilter::INFO)))
        .with_target("kube_runtime", LevelFilter::WARN)
        // It warns of an answer that it cannot decode by showing it, and that may be a Secret. What fails is told by ours.
        .with_target("kube_client", LevelFilter::OFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for taken in ["info", "WARN", "off", "info,atlas_privatelink_operator::atlas=debug", "debug,", ""] {
            assert!(filter(taken).is_ok(), "{taken}");
        }
        for refused in ["warning", "verbose", "info,inof", "info,a=loud", "atlas_privatelink_operator"] {
            assert!(filter(refused).is_err(), "{refused}");
        }
    }
}
