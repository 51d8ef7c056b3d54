//! Shows the demo: redrawn in place on a terminal, one line per change elsewhere.

use super::{
    rows::Key,
    table::{Scene, age, plain},
};
use std::{
    collections::BTreeMap,
    env,
    io::{self, IsTerminal, Write},
};

/// Where the demo is shown.
pub struct Screen {
    terminal: bool,
    color: bool,
    /// How many lines of the picture stand above the cursor.
    drawn: usize,
    /// What the last plain line said of each resource.
    told: BTreeMap<Key, String>,
}

impl Screen {
    /// Standard output, with colours where it is a terminal and nobody asked for none (<https://no-color.org>).
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal() && env::var("TERM").as_deref() != Ok("dumb");
        let color = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, color, drawn: 0, told: BTreeMap::new() }
    }

    /// Whether a person sees it.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub fn color(&self) -> bool {
        self.color
    }

    /// Says something that stays, below whatever was drawn.
    pub fn say(&mut self, text: &str) {
        self.keep();
        write(&format!("{text}\n"));
    }

    /// Leaves the picture as it is and goes on below.
    pub fn keep(&mut self) {
        if std::mem::take(&mut self.drawn) > 0 {
            write("\x1b[?25h\n");
        }
    }

    /// Shows a moment.
    pub fn show(&mut self, scene: &Scene<'_>) {
        if self.terminal {
            self.draw(&scene.lines());
        } else {
            self.tell(scene);
        }
    }

    fn draw(&mut self, lines: &[String]) {
        // No cursor, and no wrapping: a line that wraps could not be redrawn.
        let mut text = String::from("\x1b[?25l\x1b[?7l");
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}F", self.drawn));
        }
        for line in lines {
            text.extend(["\x1b[2K", line, "\n"]);
        }
        // What a longer picture left below goes too.
        text.push_str("\x1b[J\x1b[?7h");
        self.drawn = lines.len();
        write(&text);
    }

    fn tell(&mut self, scene: &Scene<'_>) {
        // Before the operator has looked at a resource there is nothing to tell of it.
        for row in scene.passed.iter().filter(|row| row.reason.is_some() || row.state.is_some()) {
            let line = plain(row);
            if self.told.get(&row.key()) != Some(&line) {
                write(&format!("{:>6}  {line}\n", age(scene.elapsed)));
                self.told.insert(row.key(), line);
            }
        }
        let is_there =
            |key: &Key| scene.rows.iter().chain(scene.passed).any(|row| row.kind == key.0 && row.name == key.1);
        for (kind, name) in self.told.keys().filter(|key| !is_there(key)) {
            write(&format!("{:>6}  {} {name}: gone\n", age(scene.elapsed), kind.name()));
        }
        self.told.retain(|key, _| is_there(key));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.keep();
    }
}

/// The demo goes on when nobody reads it any more (`demo | head`).
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
