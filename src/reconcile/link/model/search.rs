//! Looks at every world that can be reached, nearest first.

use super::{
    decide::Mind,
    moves::{Event, Move, Rules, moves},
    oracle,
    world::World,
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt::{self, Write},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::{Duration, Instant},
};

/// What a search found.
pub struct Found {
    pub worlds: usize,
    pub moves: usize,
    pub depth: u32,
    pub decisions: usize,
    /// How many worlds are an end: nothing happens in them by itself.
    pub ends: usize,
    pub events: BTreeMap<Event, usize>,
    pub took: Duration,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, moves, depth, decisions, ends, events, took } = self;
        let seconds = took.as_secs_f64();
        write!(
            f,
            "{worlds} states, {moves} moves, depth {depth}, {ends} ends, {decisions} decisions, {seconds:.1} s, {events:?}"
        )
    }
}

/// How a world was first reached.
struct Reached {
    from: u32,
    by: Move,
    depth: u32,
}

/// The worlds that are known, by number; each is known by its hash alone, and made again from its way when it is to be shown.
struct Search {
    start: World,
    rules: Rules,
    mind: Mind,
    numbers: HashMap<u64, u32, BuildHasherDefault<DefaultHasher>>,
    reached: Vec<Reached>,
    queue: VecDeque<(u32, World)>,
    /// Fair moves, backwards.
    fair: Vec<(u32, u32)>,
    ends: Vec<u32>,
    moves: usize,
    events: BTreeMap<Event, usize>,
}

/// Explores all that can come of `start`.
///
/// # Errors
/// What is wrong, and the way there.
pub fn search(start: World, rules: Rules, mind: Mind) -> Result<Found, String> {
    let began = Instant::now();
    let mut search = Search {
        start,
        rules,
        mind,
        numbers: HashMap::default(),
        reached: Vec::new(),
        queue: VecDeque::new(),
        fair: Vec::new(),
        ends: Vec::new(),
        moves: 0,
        events: BTreeMap::new(),
    };
    search.visit(start.normal(), 0, Move::Tick);
    while let Some((number, world)) = search.queue.pop_front() {
        search.expand(number, &world)?;
    }
    search.all_come_to_an_end()?;
    Ok(Found {
        worlds: search.reached.len(),
        moves: search.moves,
        depth: search.reached.last().map_or(0, |last| last.depth),
        decisions: search.mind.decisions(),
        ends: search.ends.len(),
        events: search.events,
        took: began.elapsed(),
    })
}

impl Search {
    fn visit(&mut self, world: World, from: u32, by: Move) -> u32 {
        let hash = self.numbers.hasher().hash_one(world);
        let new = self.reached.len() as u32;
        let number = *self.numbers.entry(hash).or_insert(new);
        if number == new {
            let depth = self.reached.get(from as usize).map_or(0, |from| from.depth + 1);
            self.reached.push(Reached { from, by, depth });
            self.queue.push_back((new, world));
        }
        number
    }

    fn expand(&mut self, number: u32, world: &World) -> Result<(), String> {
        if let Some(wrong) = oracle::broken(world) {
            return Err(self.tell(wrong, number, None));
        }
        let mut goes_on = false;
        for next in moves(world, &mut self.mind, self.rules) {
            self.moves += 1;
            if let Some(event) = next.event {
                *self.events.entry(event).or_default() += 1;
            }
            if let Some(wrong) = oracle::forbidden(world, &next) {
                return Err(self.tell(wrong, number, Some(next.name)));
            }
            let to = self.visit(next.world, number, next.name);
            if next.name.is_fair() {
                goes_on = true;
                self.fair.push((to, number));
            }
        }
        if !goes_on {
            self.ends.push(number);
            if let Some(wrong) = oracle::unfinished(world) {
                return Err(self.tell(wrong, number, None));
            }
        }
        Ok(())
    }

    /// From every world an end can be reached by fair moves alone: so every path on which each move that is possible
    /// again and again is made at last does reach one.
    fn all_come_to_an_end(&mut self) -> Result<(), String> {
        self.fair.sort_unstable();
        let mut ending = vec![false; self.reached.len()];
        let mut todo = self.ends.clone();
        while let Some(number) = todo.pop() {
            if std::mem::replace(&mut ending[number as usize], true) {
                continue;
            }
            let first = self.fair.partition_point(|(to, _)| *to < number);
            todo.extend(self.fair[first..].iter().take_while(|(to, _)| *to == number).map(|(_, from)| *from));
        }
        match ending.iter().position(|ends| !ends) {
            Some(number) => Err(self.tell("I4: it goes on for ever", number as u32, None)),
            None => Ok(()),
        }
    }

    /// The way to a world, and the world.
    fn tell(&mut self, wrong: &str, number: u32, last: Option<Move>) -> String {
        let mut way: Vec<Move> = last.into_iter().collect();
        let mut at = number;
        while at != 0 {
            way.push(self.reached[at as usize].by);
            at = self.reached[at as usize].from;
        }
        let mut world = self.start.normal();
        let mut text = format!("{wrong}, after {} moves:\n", way.len());
        for name in way.into_iter().rev() {
            let _ = writeln!(text, "  {name:?}");
            let next = moves(&world, &mut self.mind, self.rules).into_iter().find(|next| next.name == name);
            world = next.map_or(world, |next| next.world);
        }
        let _ = write!(text, "{world:#?}");
        text
    }
}
