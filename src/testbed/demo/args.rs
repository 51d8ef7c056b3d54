//! The arguments of `demo`.

use crate::duration::HumanDuration;
use clap::{Args, ValueEnum};
use std::{fmt, time::Duration};

const TIME_SCALE: f64 = 20.0;
/// Enough for the samples at the default time scale, on a machine that has much else to do.
const TIMEOUT: Duration = Duration::from_secs(300);
/// More than Atlas itself takes for a sample, one step after the other.
const ATLAS_TIME: Duration = Duration::from_secs(600);

/// Watch the operator at work: a simulated Atlas, a real API server, and the samples.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// End when all is Ready: 0 after cleaning up again, not 0 with the reasons when that takes too long
    #[arg(long)]
    pub exit_when_ready: bool,
    /// How long the samples may take to be Ready, once the API server is
    #[arg(
        long,
        value_name = "DURATION",
        help = "How long the samples may take to be Ready, once the API server is, and then to be gone again \
                [default: 5m, and more with a --time-scale below 20: 14m30s with 1]"
    )]
    timeout: Option<HumanDuration>,
    /// The dialect in which the operator speaks to Atlas
    #[arg(long, value_name = "VERSION", default_value = "v2")]
    pub atlas_api_version: AtlasApi,
    /// How many times faster than the real one the simulated Atlas is
    #[arg(long, value_name = "FACTOR", default_value_t = TIME_SCALE, value_parser = positive)]
    pub time_scale: f64,
}

/// The two dialects of the Atlas API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AtlasApi {
    /// The API of 2020, AWS only.
    #[value(name = "v1.0")]
    V1,
    /// The Administration API: AWS, AZURE and GCP.
    #[value(name = "v2")]
    V2,
}

impl fmt::Display for AtlasApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1.0",
            Self::V2 => "v2",
        })
    }
}

impl DemoArgs {
    /// How long the samples may take. An Atlas that is slower than by default is given its time as well.
    pub fn timeout(&self) -> HumanDuration {
        let slower = (1.0 / self.time_scale - 1.0 / TIME_SCALE).max(0.0);
        let more = Duration::try_from_secs_f64(ATLAS_TIME.as_secs_f64() * slower).unwrap_or(Duration::MAX);
        self.timeout.unwrap_or_else(|| TIMEOUT.saturating_add(more).into())
    }

    /// How often the operator looks at what moves: its ten seconds, as much faster as everything else, but not so
    /// often that it would only be busy.
    pub fn poll_interval(&self) -> HumanDuration {
        let scaled = Duration::try_from_secs_f64(10.0 / self.time_scale).unwrap_or(Duration::MAX);
        scaled.clamp(Duration::from_millis(200), Duration::from_secs(10)).into()
    }
}

fn positive(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("expected a number above 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        demo: DemoArgs,
    }

    fn parse(line: &str) -> Result<DemoArgs, clap::Error> {
        Command::try_parse_from(line.split(' ')).map(|command| command.demo)
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let args = parse("demo").unwrap();
        assert!(!args.exit_when_ready);
        assert_eq!(args.timeout().to_string(), "5m");
        assert_eq!(args.atlas_api_version, AtlasApi::V2);
        assert_eq!(args.poll_interval().to_string(), "500ms");
    }

    #[test]
    fn a_slower_atlas_is_given_more_time() {
        for (scale, expected) in [("100", "5m"), ("20", "5m"), ("10", "5m30s"), ("1", "14m30s"), ("0.5", "24m30s")] {
            let args = parse(&format!("demo --exit-when-ready --time-scale {scale}")).unwrap();
            assert_eq!(args.timeout().to_string(), expected, "{scale}");
        }
        assert!(parse("demo --time-scale 1e-300").unwrap().timeout().get() > Duration::from_secs(1 << 40));
        assert_eq!(
            parse("demo --time-scale 1 --timeout 5m").unwrap().timeout().to_string(),
            "5m",
            "as it was asked for"
        );
        // The default timeout is told where the flag is.
        let help = <Command as clap::CommandFactory>::command().render_help().to_string();
        assert!(help.contains("5m") && help.contains("14m30s with 1"), "{help}");
    }

    #[test]
    fn every_argument_is_understood_or_refused() {
        let args = parse("demo --exit-when-ready --timeout 1m30s --atlas-api-version v1.0 --time-scale 0.5").unwrap();
        assert!(args.exit_when_ready);
        assert_eq!(args.timeout().get(), Duration::from_secs(90));
        assert_eq!(args.atlas_api_version.to_string(), "v1.0");
        assert_eq!(args.poll_interval().to_string(), "10s");
        for line in ["demo --time-scale 0", "demo --time-scale inf", "demo --timeout 5", "demo --atlas-api-version v3"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
