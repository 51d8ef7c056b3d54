//! The table of the demo, from rows to lines of text. Pure: what it shows of time it is told.

use super::{
    rows::{Row, Trails},
    samples::Kind,
};
use jiff::Timestamp;
use std::{
    fmt::Write,
    time::{Duration, Instant},
};

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// Wide enough for the longest change of state, so that the columns stand still.
const STATE_WIDTH: usize = "INITIATING → WAITING_FOR_USER".len() - 2;
const BAR_WIDTH: usize = 20;

/// What is to become of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Applied,
    Deleted,
}

/// One moment of the demo.
pub struct Scene<'a> {
    pub phase: Phase,
    pub rows: &'a [Row],
    /// Every version of a row since the last moment, in their order.
    pub passed: &'a [Row],
    pub trails: &'a Trails,
    /// Of how many resources.
    pub expected: usize,
    /// Since the API server is ready.
    pub elapsed: Duration,
    pub instant: Instant,
    pub now: Timestamp,
    pub color: bool,
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Cyan => "36",
        }
    }
}

/// A text of known width in one or more styles.
#[derive(Default)]
struct Cell(Vec<(Style, String)>);

impl Cell {
    fn new(style: Style, text: impl Into<String>) -> Self {
        Self(vec![(style, text.into())])
    }

    fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    fn paint(&self, color: bool) -> String {
        let mut painted = String::new();
        for (style, text) in &self.0 {
            match style {
                Style::Plain => painted.push_str(text),
                style if color => painted.extend(["\x1b[", style.code(), "m", text, "\x1b[0m"]),
                _ => painted.push_str(text),
            }
        }
        painted
    }
}

impl Scene<'_> {
    /// The lines of the whole picture.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.head(), String::new()];
        lines.extend(self.table());
        lines.push(String::new());
        lines.push(
            Cell::new(Style::Cyan, format!("  {}", explain(self.phase, self.rows, self.expected))).paint(self.color),
        );
        lines
    }

    fn head(&self) -> String {
        let (done, word) = match self.phase {
            Phase::Applied => (self.rows.iter().filter(|row| row.ready).count(), "ready"),
            Phase::Deleted => (self.expected.saturating_sub(self.rows.len()), "gone"),
        };
        let filled = (BAR_WIDTH * done).checked_div(self.expected).unwrap_or(0).min(BAR_WIDTH);
        Cell::new(Style::Bold, "  atlas-privatelink-operator")
            .with(Style::Dim, format!("  {:>6}  ", age(self.elapsed)))
            .with(Style::Green, "━".repeat(filled))
            .with(Style::Dim, "─".repeat(BAR_WIDTH - filled))
            .with(Style::Plain, format!("  {done} of {} {word}", self.expected))
            .paint(self.color)
    }

    fn table(&self) -> Vec<String> {
        let heads = ["KIND", "NAME", "STATE", "READY", "REASON", "AGE"];
        let mut table: Vec<[Cell; 6]> = vec![heads.map(|head| Cell::new(Style::Dim, head))];
        table.extend(self.rows.iter().map(|row| self.cells(row)));
        let [kind, reason] = ["AtlasInterfaceEndpoint", "WaitingForEndpointId"].map(str::len);
        let mut widths = [kind, 0, STATE_WIDTH, 0, reason, 0];
        for cells in &table {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        table.iter().map(|cells| self.line(cells, &widths)).collect()
    }

    fn line(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut line = String::from("  ");
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(line, "{}{}", cell.paint(self.color), " ".repeat(width - cell.width() + 3));
        }
        line.truncate(line.trim_end().len());
        line
    }

    fn cells(&self, row: &Row) -> [Cell; 6] {
        let style = style_of(row);
        [
            Cell::new(Style::Plain, row.kind.name()),
            Cell::new(Style::Bold, &*row.name),
            self.state(row, style),
            self.ready(row, style),
            Cell::new(style, row.reason.as_deref().unwrap_or("…")),
            Cell::new(Style::Dim, age(age_of(row, self.now))),
        ]
    }

    fn state(&self, row: &Row, style: Style) -> Cell {
        let state = row.state.as_deref().unwrap_or("…");
        match self.trails.before(row, self.instant) {
            Some(before) => {
                Cell::new(Style::Dim, before).with(Style::Dim, format!(" {} ", self.arrow())).with(style, state)
            }
            None => Cell::new(style, state),
        }
    }

    fn ready(&self, row: &Row, style: Style) -> Cell {
        match row {
            Row { deleting: false, ready: true, .. } => Cell::new(style, "✔"),
            Row { deleting: false, stalled: true, .. } => Cell::new(style, "✘"),
            _ => Cell::new(style, SPINNER[self.turn(100, SPINNER.len())].to_string()),
        }
    }

    /// An arrow that seems to fly.
    fn arrow(&self) -> char {
        ['→', '⇢', '→', '➝'][self.turn(250, 4)]
    }

    /// Which of `count` pictures is shown when each stays for `milliseconds`.
    fn turn(&self, milliseconds: u128, count: usize) -> usize {
        usize::try_from(self.elapsed.as_millis() / milliseconds).unwrap_or(0) % count
    }
}

fn style_of(row: &Row) -> Style {
    match row {
        Row { deleting: true, .. } => Style::Dim,
        Row { ready: true, .. } => Style::Green,
        Row { stalled: true, .. } => Style::Red,
        _ => Style::Yellow,
    }
}

/// One resource in one plain line, for logs.
pub fn plain(row: &Row) -> String {
    let state = row.state.as_deref().unwrap_or("-");
    let reason = row.reason.as_deref().unwrap_or("-");
    let doing = match row {
        Row { deleting: true, .. } => "being deleted",
        Row { ready: true, .. } => "ready",
        _ => "not ready",
    };
    format!("{} {}: {state}, {doing} ({reason})", row.kind.name(), row.name)
}

/// Tells a person what is going on: of all that moves, what stands in the way of the rest.
fn explain(phase: Phase, rows: &[Row], expected: usize) -> String {
    if phase == Phase::Deleted {
        return match rows.last() {
            Some(row) => format!("{} is let go: endpoints are detached first, then their service goes.", row.name),
            None => "Nothing is left in the cluster.".to_owned(),
        };
    }
    let first = |wanted: &dyn Fn(&&Row) -> bool| rows.iter().find(wanted);
    if let Some(row) = first(&|row| row.stalled) {
        return format!("{} needs a person: {}", row.name, row.message.as_deref().unwrap_or("no message"));
    }
    if rows.len() == expected && rows.iter().all(|row| row.ready) {
        return "All is Ready: traffic could flow through every endpoint.".to_owned();
    }
    if let Some(row) = first(&|row| row.reason.as_deref() == Some("WaitingForEndpointId")) {
        return format!("{} waits for its id: another tool will write it into a ConfigMap.", row.name);
    }
    if let Some(row) = first(&|row| row.kind == Kind::AtlasInterfaceEndpoint && !row.ready && row.state.is_some()) {
        return format!("{} is attached; Atlas is accepting the connection.", row.name);
    }
    if let Some(row) = first(&|row| row.state.as_deref() == Some("INITIATING")) {
        let takes = match row.provider.as_deref() {
            Some("AZURE") => "about a minute",
            Some("GCP") => "about five minutes",
            _ => "almost three minutes",
        };
        return format!(
            "Atlas is making the service of {}; the real one takes {takes}, and so it is waited for.",
            row.name
        );
    }
    match rows.iter().find(|row| !row.ready) {
        Some(Row { name, message: Some(message), .. }) => format!("{name}: {message}"),
        _ => "The operator is looking at what was applied.".to_owned(),
    }
}

fn age_of(row: &Row, now: Timestamp) -> Duration {
    let age = row.created.map(|created| now.duration_since(created));
    age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}

/// `7s`, `1m05s`, `2h03m`.
pub fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rows::tests::{endpoint, link},
        *,
    };

    fn scene<'a>(rows: &'a [Row], trails: &'a Trails, instant: Instant, color: bool) -> Scene<'a> {
        Scene {
            phase: Phase::Applied,
            rows,
            passed: rows,
            trails,
            expected: 2,
            elapsed: Duration::from_secs(65),
            instant,
            now: "2026-11-21T20:00:07Z".parse().unwrap(),
            color,
        }
    }

    #[test]
    fn the_picture() {
        let (mut trails, start) = (Trails::default(), Instant::now());
        trails.update(&[link("orders", "INITIATING", "Creating")], start);
        let rows = [link("orders", "WAITING_FOR_USER", "Available"), endpoint("vpc-a", "PENDING", "PendingAcceptance")];
        trails.update(&rows, start);
        let lines = scene(&rows, &trails, start, false).lines();
        let expected = [
            "  atlas-privatelink-operator   1m05s  ━━━━━━━━━━──────────  1 of 2 ready",
            "",
            "  KIND                     NAME     STATE                           READY   REASON                 AGE",
            "  AtlasPrivateLink         orders   INITIATING → WAITING_FOR_USER   ✔       Available              7s",
            "  AtlasInterfaceEndpoint   vpc-a    PENDING                         ⠋       PendingAcceptance      7s",
            "",
            "  vpc-a is attached; Atlas is accepting the connection.",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_gone_is_counted_while_the_samples_are_deleted() {
        let (rows, trails) = ([link("orders", "DELETING", "Deleting")], Trails::default());
        let scene = Scene { phase: Phase::Deleted, ..scene(&rows, &trails, Instant::now(), false) };
        assert!(scene.lines()[0].ends_with("1 of 2 gone"), "{}", scene.lines()[0]);
    }

    #[test]
    fn colours_change_no_width() {
        let rows = [link("orders", "INITIATING", "Creating")];
        let (trails, start) = (Trails::default(), Instant::now());
        let plain = scene(&rows, &trails, start, false).lines();
        let coloured = scene(&rows, &trails, start, true).lines();
        assert_ne!(plain, coloured);
        let stripped: Vec<String> = coloured.iter().map(|line| without_colours(line)).collect();
        let trimmed: Vec<&str> = stripped.iter().map(|line| line.trim_end()).collect();
        assert_eq!(trimmed, plain);
    }

    fn without_colours(line: &str) -> String {
        let parts = line.split("\x1b[").enumerate();
        parts.map(|(n, part)| if n == 0 { part } else { part.split_once('m').unwrap().1 }).collect()
    }

    #[test]
    fn the_explanation_names_what_stands_in_the_way() {
        let initiating = link("orders", "INITIATING", "Creating");
        let usable = link("orders", "AVAILABLE", "Available");
        let available = endpoint("vpc-a", "AVAILABLE", "Available");
        let waiting = endpoint("vpc-b", "", "WaitingForEndpointId");
        let stalled = Row { stalled: true, ..link("bad", "FAILED", "Failed") };
        for (rows, expected) in [
            (vec![], "The operator is looking"),
            (vec![initiating.clone(), available.clone()], "Atlas is making the service of orders"),
            (vec![usable.clone(), waiting], "vpc-b waits for its id"),
            (vec![usable.clone(), available.clone()], "All is Ready"),
            (vec![usable.clone()], "The operator is looking"),
            (vec![initiating, stalled], "bad needs a person: Failed it is"),
            (vec![usable.clone(), endpoint("vpc-c", "", "Throttled")], "vpc-c: Throttled it is"),
        ] {
            let explanation = explain(Phase::Applied, &rows, 2);
            assert!(explanation.starts_with(expected), "{expected}: {explanation}");
        }
        assert!(explain(Phase::Deleted, &[usable], 2).starts_with("orders is let go"));
        assert!(explain(Phase::Deleted, &[], 2).starts_with("Nothing is left"));
    }

    #[test]
    fn ages_are_short() {
        for (seconds, expected) in [(0, "0s"), (59, "59s"), (65, "1m05s"), (7_380, "2h03m")] {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_plain_line_says_all() {
        let line = plain(&link("orders", "INITIATING", "Creating"));
        assert_eq!(line, "AtlasPrivateLink orders: INITIATING, not ready (Creating)");
    }
}
