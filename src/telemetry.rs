//! The log: one line for each transition, as text or JSON, to standard error.

use crate::cli::LogFormat;
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Starts logging; only the first call in a process counts.
///
/// # Errors
/// When `directives` is no log level.
pub fn start(format: LogFormat, directives: &str) -> Result<(), ParseError> {
    // What the HTTP stack says of requests at its finest levels may show headers: it is not listened to below info.
    let quiet = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tower", "kube_client"];
    let mut filter = EnvFilter::builder().parse(directives)?;
    for target in quiet {
        if let Ok(directive) = format!("{target}=info").parse() {
            filter = filter.add_directive(directive);
        }
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    Ok(())
}
