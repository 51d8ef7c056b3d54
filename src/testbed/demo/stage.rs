//! The course of the demo: define, start the operator, apply, watch until Ready, and clean up again.

use super::{
    DemoArgs, Error, Samples, Setup, SimulatedAtlas,
    rows::{Row, Trails},
    screen::Screen,
    table::{Phase, Scene, age},
    watch::Watch,
};
use crate::testbed::control_plane::{ControlPlane, Guarded, Launch, tail};
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

const FRAME: Duration = Duration::from_millis(100);
/// How long the operator has to shut down in order.
const GRACE: Duration = Duration::from_secs(5);
/// How long the API server may take to serve a definition, on a machine that has much else to do.
const DEFINE_DEADLINE: Duration = Duration::from_secs(120);
/// How long an endpoint is seen to wait for its id before the demo writes it, and how long at most.
const ID_PAUSE: Duration = Duration::from_secs(3);
const ID_DEADLINE: Duration = Duration::from_secs(120);
/// How long all that is Ready stays on a terminal before it is deleted again.
const SIGHT: Duration = Duration::from_secs(2);
const LOG_LINES: usize = 20;

/// Where the operator of the demo writes its log.
pub fn operator_log(control_plane: &ControlPlane) -> PathBuf {
    control_plane.directory().join("operator.log")
}

/// All that the course of the demo looks at again and again.
pub struct Stage<'a> {
    args: &'a DemoArgs,
    samples: &'a Samples,
    screen: &'a mut Screen,
    client: Client,
    operator: Guarded,
    log: PathBuf,
    watch: Watch,
    trails: Trails,
    frames: Interval,
    start: Instant,
}

impl<'a> Stage<'a> {
    /// From the ready API server to the end.
    pub async fn play<A: SimulatedAtlas>(
        args: &'a DemoArgs,
        setup: &Setup<A>,
        samples: &'a Samples,
        control_plane: &ControlPlane,
        screen: &'a mut Screen,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let client = control_plane.client();
        define(&client, &setup.crds).await?;
        let log = operator_log(control_plane);
        let operator = start_operator(args, setup, control_plane)?;
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch::start(&client).await.map_err(Error::Watch)?;
        let mut stage =
            Stage { args, samples, screen, client, operator, log, watch, trails: Trails::default(), frames, start };
        let result = stage.acts(&setup.atlas).await;
        stage.screen.keep();
        stage.operator.stop().await;
        result
    }

    async fn acts<A: SimulatedAtlas>(&mut self, atlas: &A) -> Result<(), Error> {
        self.samples.apply_first(&self.client).await?;
        self.until_ready().await?;
        if !self.args.exit_when_ready {
            return Ok(());
        }
        let took = age(self.start.elapsed());
        self.linger().await?;
        self.screen
            .say(&format!("All {} resources are Ready after {took}. Deleting them again…\n", self.samples.resources()));
        self.samples.delete_resources(&self.client).await?;
        self.until_deleted().await?;
        self.samples.delete_rest(&self.client).await?;
        let left = atlas.contents().await;
        if !left.is_empty() {
            return Err(Error::NotEmpty(left.join("\n")));
        }
        self.screen.say("All resources are gone, and Atlas is empty again.");
        Ok(())
    }

    /// Comes back when all is Ready; on a terminal, where nobody asked for an end, never.
    async fn until_ready(&mut self) -> Result<(), Error> {
        let expected = self.samples.resources();
        let mut id = IdWriter::new(self.start);
        loop {
            let rows = self.frame(Phase::Applied).await?;
            if id.is_due(&rows, Instant::now()) {
                self.samples.apply_later(&self.client).await?;
            }
            if self.args.exit_when_ready || !self.screen.is_terminal() {
                if rows.len() == expected && rows.iter().all(|row| row.ready) {
                    return Ok(());
                }
                if self.start.elapsed() > self.args.timeout().get() {
                    let (timeout, complaints, tail) = self.failure(&rows, |row| !row.ready);
                    return Err(Error::NotReady { timeout, complaints, tail });
                }
            }
        }
    }

    /// Lets a person enjoy the sight.
    async fn linger(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        while self.screen.is_terminal() && start.elapsed() < SIGHT {
            self.frame(Phase::Applied).await?;
        }
        Ok(())
    }

    async fn until_deleted(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let rows = self.frame(Phase::Deleted).await?;
            if rows.is_empty() {
                // What was still told of in this moment is seen to be gone in the next.
                self.frame(Phase::Deleted).await?;
                return Ok(());
            }
            if start.elapsed() > self.args.timeout().get() {
                let (timeout, complaints, tail) = self.failure(&rows, |_| true);
                return Err(Error::NotDeleted { timeout, complaints, tail });
            }
        }
    }

    /// Waits for the next picture, shows it, and tells what it shows.
    async fn frame(&mut self, phase: Phase) -> Result<Vec<Row>, Error> {
        self.frames.tick().await;
        self.check_operator()?;
        // In this order: what passes in between is told now, and is in the rows of the next moment.
        let (rows, passed, instant) = (self.watch.rows(), self.watch.passed(), Instant::now());
        self.trails.update(&rows, instant);
        self.screen.show(&Scene {
            phase,
            rows: &rows,
            passed: &passed,
            trails: &self.trails,
            expected: self.samples.resources(),
            elapsed: self.start.elapsed(),
            instant,
            now: Timestamp::now(),
            color: self.screen.color(),
        });
        Ok(rows)
    }

    fn check_operator(&mut self) -> Result<(), Error> {
        let ended = self.operator.ended().map_err(|source| Error::Io { action: "watch the operator", source })?;
        match ended {
            Some(status) => Err(Error::OperatorEnded { status, tail: tail(&self.log, LOG_LINES) }),
            None => Ok(()),
        }
    }

    /// The timeout, what is wrong with the rows it went by for, and the end of the operator's log.
    fn failure(&self, rows: &[Row], wrong: impl Fn(&&Row) -> bool) -> (String, String, String) {
        let complaints: Vec<String> = rows.iter().filter(wrong).map(|row| format!("  {}", row.complaint())).collect();
        (self.args.timeout().to_string(), complaints.join("\n"), tail(&self.log, LOG_LINES))
    }
}

/// Knows when to play the other tool that writes an endpoint's id into a ConfigMap.
struct IdWriter {
    deadline: Instant,
    waiting_since: Option<Instant>,
    written: bool,
}

impl IdWriter {
    fn new(start: Instant) -> Self {
        Self { deadline: start + ID_DEADLINE, waiting_since: None, written: false }
    }

    /// True once: a little after an endpoint began to wait.
    fn is_due(&mut self, rows: &[Row], now: Instant) -> bool {
        if rows.iter().any(|row| row.reason.as_deref() == Some("WaitingForEndpointId")) {
            self.waiting_since.get_or_insert(now);
        }
        let due = self.waiting_since.map_or(self.deadline, |since| self.deadline.min(since + ID_PAUSE));
        let is_due = !self.written && now >= due;
        self.written |= is_due;
        is_due
    }
}

/// Applies the definitions and waits until the API server has taken them up.
async fn define(client: &Client, crds: &[CustomResourceDefinition]) -> Result<(), Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in crds {
        let name = crd.name_any();
        let parameters = PatchParams::apply("atlas-privatelink-demo").force();
        api.patch(&name, &parameters, &Patch::Apply(crd)).await.map_err(|error| Error::Define(error.into()))?;
        let established = await_condition(api.clone(), &name, is_crd_established());
        timeout(DEFINE_DEADLINE, established)
            .await
            .map_err(|error| Error::Define(error.into()))?
            .map_err(|error| Error::Define(error.into()))?;
    }
    Ok(())
}

fn start_operator<A: SimulatedAtlas>(
    args: &DemoArgs,
    setup: &Setup<A>,
    control_plane: &ControlPlane,
) -> Result<Guarded, Error> {
    Launch::new(&setup.operator)
        .args(["run", "--atlas-base-url", &setup.atlas.base_url()])
        .args(["--atlas-api-version", &args.atlas_api_version.to_string()])
        .args(["--poll-interval", &args.poll_interval().to_string()])
        .args(["--http-listen", "127.0.0.1:0", "--log-format", "text"])
        .env("KUBECONFIG", control_plane.kubeconfig_path())
        .env("NO_PROXY", "127.0.0.1,localhost")
        .grace(GRACE)
        .remove_when_orphaned(control_plane.directory())
        .log_to(&operator_log(control_plane))
        .map_err(|source| Error::Io { action: "start the operator", source })
}

#[cfg(test)]
mod tests {
    use super::{super::rows::tests::endpoint, *};

    #[test]
    fn the_id_is_written_once_a_little_after_somebody_waits_for_it() {
        let start = Instant::now();
        let waiting = [endpoint("vpc-b", "", "WaitingForEndpointId")];
        let mut writer = IdWriter::new(start);
        assert!(!writer.is_due(&[], start));
        assert!(!writer.is_due(&waiting, start));
        assert!(writer.is_due(&waiting, start + ID_PAUSE));
        assert!(!writer.is_due(&waiting, start + ID_DEADLINE));
        assert!(IdWriter::new(start).is_due(&[], start + ID_DEADLINE), "nobody is seen to wait");
    }
}
