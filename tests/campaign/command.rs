//! The command line, and what it prints.

use crate::{
    Group,
    harness::alone::{caught, panic_quietly},
    mutants,
    plan::{Data, Plan},
    run::{self, Next, Outcome, Stop},
    soak, undisturbed,
};
use clap::Parser;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{IsTerminal, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// What is said where an id or a filter fits no plan.
pub const NO_SUCH_PLAN: &str = "there is no such plan";

/// So many plans strike at least: fewer, and a recording has lost its points.
const LEAST: usize = 11_500;
/// The same, of all.
const LEAST_OF_ALL: usize = 18_000;

/// Runs planned disturbances of the operator in simulated time.
#[derive(Parser)]
#[command(name = "campaign", bin_name = "cargo test --test campaign --")]
struct Arguments {
    /// Run this plan only, and say what happened in its world, in order, if it fails
    #[arg(long, value_name = "ID")]
    plan: Option<String>,
    /// Run the plans whose id contains this; may be repeated, then all must be in it
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// List the plans instead of running them
    #[arg(long)]
    list: bool,
    /// Run all: where nothing else is given, of two plans that differ in nothing but the dialect of the Atlas API only one
    /// is run, and of the reads of a story only some meet a fault
    #[arg(long)]
    all: bool,
    /// Of so many plans, or mutants, run one only, spread over all kinds
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    every: usize,
    /// Where those that are run begin: the first of them is that many after the very first. Each offset has mutants of its
    /// own, so that several can be made at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    offset: usize,
    /// Run each plan twice, and fail where the second run ends otherwise than the first
    #[arg(long)]
    twice: bool,
    /// Run this many random lives instead, each named by its seed, and a crowd of a thousand objects for every thousand lives
    #[arg(long, value_name = "RUNS")]
    soak: Option<u64>,
    /// The first seed of those
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Stop at the first plan that fails
    #[arg(long)]
    first: bool,
    /// Make every mutant of the product, or those whose name contains this, and see that a plan fails under it; about
    /// half a minute each
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    mutants: Option<String>,
    /// Plans at a time; the cores of the machine when absent
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
    /// What `cargo test NAME` hands to every test program: another name than `campaign` means none of these
    #[arg(hide = true)]
    names: Vec<String>,
    /// As above
    #[arg(long, hide = true)]
    nocapture: bool,
}

impl Arguments {
    fn wants(&self, id: &str) -> bool {
        self.plan.as_ref().is_none_or(|plan| plan == id) && self.only.iter().all(|part| id.contains(part))
    }

    fn wants_everything(&self) -> bool {
        self.plan.is_none()
            && self.only.is_empty()
            && !self.soaks()
            && self.every <= 1
            && self.offset == 0
            && !self.first
    }

    fn takes_turns(&self) -> bool {
        !self.all && !self.list && self.wants_everything()
    }

    fn soaks(&self) -> bool {
        self.soak.is_some() || self.asks_for("soak/")
    }

    /// Whether it is one plan of these that is asked for.
    fn asks_for(&self, campaign: &str) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.starts_with(campaign))
    }

    /// As many as are asked for, or the one whose id is.
    fn random_lives(&self) -> Vec<Plan> {
        let asked = self.soak.map_or(Vec::new(), |runs| soak::plans(self.seed, runs));
        self.plan.as_deref().and_then(soak::named).map_or(asked, |plan| vec![plan])
    }

    fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
    }
}

pub fn run(groups: Vec<Group>) -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.names.iter().any(|name| !"campaign".contains(name.as_str())) {
        return verdict(&[], 0);
    }
    if let Some(only) = &arguments.mutants {
        let survivors = mutants::run(only, arguments.offset, arguments.every);
        return if survivors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // A mutant of the product has not what it changes; it is asked for some plans only.
    let stale = if arguments.only.is_empty() { mutants::stale() } else { Vec::new() };
    if !stale.is_empty() {
        println!("the table of mutants is out of date:\n{}", stale.join("\n"));
        return ExitCode::FAILURE;
    }
    panic_quietly();
    let start = Instant::now();
    // What needs no undisturbed life to be compared with can be run where there is no good one.
    let groups = if arguments.soaks() {
        Vec::new()
    } else if arguments.asks_for("undisturbed/") {
        vec![undisturbed::plans as Group]
    } else {
        groups
    };
    let mut plans = match made(groups, &arguments) {
        Ok(plans) => plans,
        Err(why) => {
            println!("the plans cannot be made: {why}");
            let outcomes = run::all(undisturbed::plans(), arguments.threads(), Stop::AtTheFirstFailure, |_| {});
            let failed = failures(&outcomes);
            if !failed.is_empty() {
                verdict(&failed, outcomes.len());
            }
            return ExitCode::FAILURE;
        }
    };
    plans.extend(arguments.random_lives());
    plans.retain(|plan| arguments.wants(&plan.id()));
    if arguments.takes_turns() {
        plans = in_turn(plans.into_iter().filter(|plan| !plan.one_of_many).collect());
    }
    plans = plans.into_iter().skip(arguments.offset).step_by(arguments.every.max(1)).collect();
    if arguments.list {
        let mut out = std::io::stdout().lock();
        // Whoever closes the pipe has seen enough.
        let _ = plans.iter().try_for_each(|plan| writeln!(out, "{}", plan.id()));
        return ExitCode::SUCCESS;
    }
    let everything = arguments.wants_everything();
    if plans.is_empty() {
        println!("{NO_SUCH_PLAN}; --list shows all");
        return ExitCode::FAILURE;
    }
    let data: Vec<Data> = plans.iter().map(|plan| plan.data.clone()).collect();
    let mut progress = Progress::of(plans.len() * if arguments.twice { 2 } else { 1 });
    let stop = if arguments.first { Stop::AtTheFirstFailure } else { Stop::AtTheEnd };
    let outcomes = run::all(plans.clone(), arguments.threads(), stop, |outcome| progress.tell(outcome));
    let again = if arguments.twice {
        run::all(plans, arguments.threads(), stop, |outcome| progress.tell(outcome))
    } else {
        Vec::new()
    };
    let mut failed = failures(&outcomes);
    failed.extend(differences(&outcomes, &again));
    report(&data, &outcomes, start.elapsed());
    if arguments.plan.is_some() {
        outcomes.iter().flat_map(|outcome| &outcome.chronicle).for_each(|line| println!("{line}"));
    }
    let struck = outcomes.iter().filter(|outcome| !outcome.spared).count();
    let least = if arguments.all { LEAST_OF_ALL } else { LEAST };
    if everything && struck < least {
        println!("only {struck} plans struck, and {least} were to at least");
        return ExitCode::FAILURE;
    }
    verdict(&failed, outcomes.len())
}

/// Makes the plans, each group on one thread, in an order that is always the same.
fn made(groups: Vec<Group>, arguments: &Arguments) -> Result<Vec<Plan>, String> {
    let numbered: Vec<(usize, Group)> = groups.into_iter().enumerate().collect();
    let make = |(number, group): (usize, Group)| (number, caught(group));
    let mut made = run::each(numbered, arguments.threads(), make, |_| Next::GoOn);
    made.sort_by_key(|(number, _)| *number);
    let groups: Vec<Vec<Plan>> = made.into_iter().map(|(_, plans)| plans).collect::<Result<_, _>>()?;
    // A recording without points would have its plans vanish without a word.
    if let Some(number) = groups.iter().position(Vec::is_empty) {
        return Err(format!("group {number} has none"));
    }
    let plans: Vec<Plan> = groups.into_iter().flatten().collect();
    let mut ids = BTreeSet::new();
    match plans.iter().find(|plan| !ids.insert(plan.id())) {
        Some(twice) => Err(format!("two plans have the id {}", twice.id())),
        None => Ok(plans),
    }
}

/// Of plans that differ in nothing but the dialect one, each dialect in its turn. Which it is does not depend on what other
/// plans there are.
fn in_turn(plans: Vec<Plan>) -> Vec<Plan> {
    let in_any = |plan: &Plan| Data { dialect: "any", ..plan.data.clone() };
    let mut dialects: BTreeMap<Data, BTreeSet<&str>> = BTreeMap::new();
    for plan in &plans {
        dialects.entry(in_any(plan)).or_default().insert(plan.data.dialect);
    }
    let has_its_turn = |plan: &Plan| {
        let data = in_any(plan);
        let turn: usize = data.to_string().bytes().map(usize::from).sum();
        dialects.get(&data).and_then(|all| all.iter().nth(turn % all.len())) == Some(&plan.data.dialect)
    };
    plans.into_iter().filter(has_its_turn).collect()
}

/// A line that says how far it is: on a terminal every second, elsewhere four times a minute.
struct Progress {
    all: usize,
    done: usize,
    failed: usize,
    start: Instant,
    told: Instant,
}

impl Progress {
    fn of(all: usize) -> Self {
        Self { all, done: 0, failed: 0, start: Instant::now(), told: Instant::now() }
    }

    fn tell(&mut self, outcome: &Outcome) {
        self.done += 1;
        self.failed += usize::from(outcome.verdict.is_err());
        let terminal = std::io::stderr().is_terminal();
        let pause = Duration::from_secs(if terminal { 1 } else { 15 });
        if self.told.elapsed() < pause && self.done < self.all {
            return;
        }
        self.told = Instant::now();
        let Self { all, done, failed, start, .. } = self;
        let line = format!("{done} of {all} plans, {failed} failed, {} s", start.elapsed().as_secs());
        match (terminal, done == all) {
            (true, false) => eprint!("\r{line}"),
            (true, true) => eprintln!("\r{line}"),
            (false, _) => eprintln!("{line}"),
        }
    }
}

/// The ids of plans that failed, and why.
fn failures(outcomes: &[Outcome]) -> Vec<(String, String)> {
    outcomes.iter().filter_map(|outcome| Some((outcome.plan.id(), outcome.verdict.clone().err()?))).collect()
}

/// The same of those whose second run ended otherwise than the first.
fn differences(first: &[Outcome], second: &[Outcome]) -> Vec<(String, String)> {
    let second: BTreeMap<String, &Outcome> = second.iter().map(|outcome| (outcome.plan.id(), outcome)).collect();
    let differs = |outcome: &Outcome| {
        let other = second.get(&outcome.plan.id())?;
        match (&outcome.verdict, &other.verdict) {
            (Ok(one), Ok(other)) if one == other => None,
            (Ok(one), Ok(other)) => Some(format!("ended in two ways:\n{one:#?}\n{other:#?}")),
            (Ok(_), Err(why)) => Some(format!("only the second time: {why}")),
            // It is told already.
            (Err(_), _) => None,
        }
    };
    first.iter().filter_map(|outcome| Some((outcome.plan.id(), differs(outcome)?))).collect()
}

/// How many plans there were, of which kind, and where they struck.
fn report(data: &[Data], outcomes: &[Outcome], took: Duration) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    data.iter().for_each(|data| *kinds.entry(format!("{:?}", data.campaign)).or_default() += 1);
    let points: BTreeSet<_> = data.iter().map(Data::place).collect();
    let spared = outcomes.iter().filter(|outcome| outcome.spared).count();
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("{} plans at {} points in {:.1} s ({})", data.len(), points.len(), took.as_secs_f64(), kinds.join(", "));
    println!("  {spared} of them found nothing to strike");
    let mut slowest: Vec<&Outcome> = outcomes.iter().collect();
    slowest.sort_by_key(|outcome| std::cmp::Reverse(outcome.took));
    for outcome in slowest.iter().take(3) {
        println!("  {:.2} s {}", outcome.took.as_secs_f64(), outcome.plan.id());
    }
}

fn verdict(failed: &[(String, String)], all: usize) -> ExitCode {
    for (index, (id, why)) in failed.iter().enumerate() {
        // A picture of the whole world is for the first few, and for whoever asks for one.
        let shown = if index < 3 { why.clone() } else { why.lines().take(2).collect::<Vec<_>>().join(" ") };
        println!("\nfailed: {id}\n{shown}\nagain: cargo test --test campaign -- --plan '{id}'");
    }
    println!("\n{} passed, {} failed", all.saturating_sub(failed.len()), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
