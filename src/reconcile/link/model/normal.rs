//! One form for all worlds that differ in nothing that matters.

use super::world::{Call, Life, Link, Place, Process, Record, Shown, Slot, Stamp, Stand, Task, Tick, World};

/// A gap between two times that matter is cut to this: no rule looks further than five ticks (from two before the first
/// request to three after the last).
const FAR: Tick = 6;

impl World {
    /// The same world in the one form that all of its kind have.
    pub fn normal(mut self) -> Self {
        self.retire();
        self.forget_other_attempts();
        self.forget_ids();
        self.flights.sort_unstable_by_key(|flight| flight.map_or((true, None), |flight| (false, Some(flight))));
        self.number_holders();
        self.shorten_time();
        self
    }

    /// A zombie that has ended what it had begun ends itself, and whoever leads alone is the first.
    fn retire(&mut self) {
        for process in &mut self.processes {
            if process.life == Life::Lingers && process.jobs == [None; 2] {
                *process = Process::OFF;
            }
        }
        if self.processes[0].life == Life::Off && self.processes[1].life != Life::Off {
            self.processes.swap(0, 1);
            for flight in self.flights.iter_mut().flatten() {
                flight.caller = flight.caller.map(|caller| 1 - caller);
            }
        }
    }

    /// What is remembered of other attempts than the one on the object is of no use to anybody.
    fn forget_other_attempts(&mut self) {
        for process in &mut self.processes {
            for (memory, (place, job)) in process.memory.iter_mut().zip(self.links.iter().zip(&process.jobs)) {
                let record = match place {
                    Place::There(Link { record: Some(record), .. }) => record,
                    Place::There(_) | Place::Awaited | Place::Gone => continue,
                };
                if job.is_some() {
                    continue;
                }
                memory.sending = memory.sending.filter(|sending| sending.first == record.first);
                memory.foreign = memory.foreign.filter(|(who, last, _)| (*who, *last) == (record.holder, record.last));
            }
        }
    }

    /// Frees the places of services that are gone and recorded nowhere.
    fn forget_ids(&mut self) {
        let mut kept = 0;
        self.visit_slots(&mut |bits| kept |= bits);
        for (slot, place) in self.services.iter_mut().enumerate() {
            if place.is_some_and(|service| service.stand == Stand::Gone) && kept & (1 << slot) == 0 {
                *place = None;
            }
        }
        // What a record shows of free places must not mean the next service there.
        let free: u8 = (0..4).filter(|slot| self.services[*slot].is_none()).map(|slot| 1 << slot).sum();
        debug_assert_eq!(kept & free, 0);
    }

    fn visit_slots(&self, visit: &mut impl FnMut(u8)) {
        let bit = |slot: Slot| 1u8 << slot;
        let mut shown = |shown: &Shown| visit(shown.service.map_or(0, bit));
        for link in self.links.iter() {
            if let Place::There(link) = link {
                shown(&link.status);
            }
        }
        for job in self.processes.iter().flat_map(|process| process.jobs).flatten() {
            if let Task::Tell(told) = &job.task {
                shown(told);
            }
        }
        for link in 0..2 {
            visit(self.link(link).and_then(|link| link.record).map_or(0, |record| record.shown));
        }
        for job in self.processes.iter().flat_map(|process| process.jobs).flatten() {
            match job.task {
                Task::Create(record) | Task::Send(record) => visit(record.shown),
                Task::Delete(slot) | Task::HandOver(slot, _) => visit(bit(slot)),
                Task::Tell(_) | Task::Protect | Task::RecordRefusal | Task::Wait | Task::LetGo => {}
            }
        }
        for flight in self.flights.iter().flatten() {
            if let Call::Delete(slot) = flight.call {
                visit(bit(slot));
            }
        }
    }

    /// Holders are only compared: those of the past are numbered by first use.
    fn number_holders(&mut self) {
        let mut known: Vec<u8> = self.processes.iter().filter(|p| p.life != Life::Off).map(|p| p.holder).collect();
        self.visit_holders(&mut |holder| {
            if !known.contains(holder) {
                known.push(*holder);
            }
        });
        let place = |holder: u8| known.iter().position(|known| *known == holder).map_or(0, |place| place as u8 + 1);
        self.visit_holders(&mut |holder| *holder = place(*holder));
        for process in self.processes.iter_mut().filter(|process| process.life != Life::Off) {
            process.holder = place(process.holder);
        }
        self.next_holder = known.len() as u8 + 1;
    }

    fn visit_holders(&mut self, visit: &mut impl FnMut(&mut u8)) {
        self.visit_records(&mut |record| visit(&mut record.holder));
        for memory in self.processes.iter_mut().flat_map(|process| &mut process.memory) {
            if let Some((holder, ..)) = &mut memory.foreign {
                visit(holder);
            }
        }
    }

    fn visit_records(&mut self, visit: &mut impl FnMut(&mut Record)) {
        for place in &mut self.links {
            if let Place::There(Link { record: Some(record), .. }) = place {
                visit(record);
            }
        }
        for job in self.processes.iter_mut().flat_map(|process| &mut process.jobs).flatten() {
            if let Task::Create(record) | Task::Send(record) = &mut job.task {
                visit(record);
            }
        }
    }

    pub fn visit_stamps(&mut self, visit: &mut impl FnMut(&mut Stamp)) {
        self.visit_records(&mut |record| {
            visit(&mut record.first);
            visit(&mut record.last);
        });
        for memory in self.processes.iter_mut().flat_map(|process| &mut process.memory) {
            if let Some(sending) = &mut memory.sending {
                visit(&mut sending.first);
                visit(&mut sending.last);
            }
            if let Some((_, last, _)) = &mut memory.foreign {
                visit(last);
            }
        }
    }

    fn visit_ticks(&mut self, visit: &mut impl FnMut(&mut Tick)) {
        visit(&mut self.now);
        for service in self.services.iter_mut().flatten() {
            visit(&mut service.made);
        }
        for memory in self.processes.iter_mut().flat_map(|process| &mut process.memory) {
            let sending = memory.sending.iter_mut().map(|sending| &mut sending.at);
            let foreign = memory.foreign.iter_mut().map(|(_, _, since)| since);
            sending.chain(foreign).chain(&mut memory.failed).for_each(&mut *visit);
        }
        for flight in self.flights.iter_mut().flatten() {
            visit(&mut flight.sent);
        }
        self.visit_stamps(&mut |stamp| visit(&mut stamp.tick));
    }

    /// Times are only compared, and none across more than [`FAR`]: time begins with the first that matters, and longer
    /// gaps are cut. This is what makes the state space finite.
    fn shorten_time(&mut self) {
        let mut used = 0u64;
        self.visit_ticks(&mut |tick| used |= 1 << *tick);
        let (mut map, mut last, mut new) = ([0; 64], None::<Tick>, 0);
        while used != 0 {
            let tick = used.trailing_zeros() as Tick;
            used &= used - 1;
            new += last.map_or(0, |last| (tick - last).min(FAR));
            (map[usize::from(tick)], last) = (new, Some(tick));
        }
        self.visit_ticks(&mut |tick| *tick = map[usize::from(*tick)]);
        self.number_stamps();
    }

    /// Within a tick, too, only the order matters.
    fn number_stamps(&mut self) {
        let mut used = [0u8; 64];
        self.visit_stamps(&mut |stamp| used[usize::from(stamp.tick)] |= 1 << stamp.nth);
        self.visit_stamps(&mut |stamp| {
            let before = used[usize::from(stamp.tick)] & ((1 << stamp.nth) - 1);
            stamp.nth = before.count_ones() as u8;
        });
    }
}
