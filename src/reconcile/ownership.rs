//! Who owns what several resources name: one owner for a key (design.md, safety rule 7).

use super::Subject;
use crate::api::{AdoptionPolicy, Origin};
use jiff::Timestamp;
use std::{cmp::Reverse, fmt};

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    pub namespace: String,
    pub name: String,
}

impl ObjectName {
    /// How an object of `namespace` may speak of this one: by its name at home, elsewhere only by its namespace.
    pub fn seen_from(&self, namespace: &str) -> String {
        if self.namespace == namespace {
            format!("{:?}", self.name)
        } else {
            format!("a resource in namespace {:?}", self.namespace)
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Who inherits: one object, and not whichever bears its name when it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heir {
    pub object: ObjectName,
    pub uid: String,
}

/// What this process has heard from Atlas, or found missing in the cluster, on behalf of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// Its own credentials have listed the project: it counts.
    Listed,
    /// It was refused, or lacks its Secret, its ConfigMap or its link: it does not count.
    Lacking,
}

/// What the one that claims it still has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stake {
    /// It has it, or asks for it.
    Keeps,
    /// It records that it has replaced it.
    Replaced {
        /// It would be cut off: the successor has not connected, or it wants this one back.
        needs: bool,
        /// It wants it back, or its own request to take it away may still arrive: whoever would bring it back waits.
        cares: bool,
    },
}

impl Stake {
    /// Whether it mends it, or brings back what is gone, or must be waited for before another one does.
    pub fn cares(self) -> bool {
        match self {
            Self::Keeps => true,
            Self::Replaced { cares, .. } => cares,
        }
    }

    /// Whether it has replaced it, and would be cut off all the same.
    fn needs_still(self) -> bool {
        match self {
            Self::Keeps => false,
            Self::Replaced { needs, .. } => needs,
        }
    }
}

/// One object's claim to a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    pub object: ObjectName,
    pub uid: String,
    pub created: Timestamp,
    /// Without deletionTimestamp.
    pub live: bool,
    /// It asks nothing of Atlas, and records nothing by itself, until a person resumes it.
    pub suspended: bool,
    pub heard: Heard,
    pub adoption: AdoptionPolicy,
    /// The origin that its status records for what is at stake; `None` while it records nothing, or something else.
    pub origin: Option<Origin>,
    /// Suspended, with nothing recorded: it will not record what it shares, so it is given all of it when it inherits.
    pub blank: bool,
    pub stake: Stake,
}

impl Claim {
    /// The claim of the object that `subject` is.
    pub fn of(subject: &Subject, heard: Heard, adoption: AdoptionPolicy, origin: Option<Origin>) -> Self {
        Self {
            object: subject.object.clone(),
            uid: subject.uid.clone(),
            created: subject.created,
            live: !subject.deleting,
            suspended: subject.suspended,
            heard,
            adoption,
            origin,
            blank: false,
            stake: Stake::Keeps,
        }
    }

    /// How an object of `namespace` may speak of the one that claims, where something is waited for or left to it.
    pub fn seen_from(&self, namespace: &str) -> String {
        let name = self.object.seen_from(namespace);
        if self.suspended { format!("{name} (suspended)") } else { name }
    }

    /// The one that claims, as the heir of something.
    pub fn heir(&self) -> Heir {
        Heir { object: self.object.clone(), uid: self.uid.clone() }
    }

    /// Whether, as the heir of something of this origin, it is to be given the record of it: whoever records what was
    /// adopted has all that it needs.
    pub fn needs_telling(&self, origin: Origin) -> bool {
        origin == Origin::Created || self.blank
    }

    /// Whether it has created what it has replaced since.
    pub fn has_made_and_replaced_it(&self) -> bool {
        self.counts() && self.origin == Some(Origin::Created) && self.stake != Stake::Keeps
    }

    fn counts(&self) -> bool {
        self.live && self.heard == Heard::Listed
    }

    fn may_own(&self) -> bool {
        match self.adoption {
            AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::CreateOnly => true,
            AdoptionPolicy::AdoptOnly => false,
        }
    }

    fn may_inherit(&self) -> bool {
        match self.adoption {
            AdoptionPolicy::AdoptOrCreate => true,
            // CreateOnly asks never to use what is there already.
            AdoptionPolicy::CreateOnly | AdoptionPolicy::AdoptOnly => false,
        }
    }

    /// The greatest claim owns: one recorded as Created, then the older, then the smaller uid.
    fn rank(&self) -> (bool, Reverse<(Timestamp, &str)>) {
        (self.origin == Some(Origin::Created), Reverse((self.created, self.uid.as_str())))
    }
}

/// Who owns the key, as far as a live object that has listed the project is concerned: `None` means that it is itself.
pub fn owner<'a>(own: &Claim, others: &'a [Claim]) -> Option<&'a Claim> {
    let cares = |other: &&Claim| other.counts() && other.may_own() && other.stake.cares();
    let best = others.iter().filter(cares).max_by_key(|other| other.rank())?;
    (!own.may_own() || best.rank() > own.rank()).then_some(best)
}

/// What the other objects of a key mean for the deletion of one of them.
#[derive(Debug, PartialEq, Eq)]
pub enum Succession<'a> {
    /// Nobody else has a say.
    Free,
    /// It is this one's already.
    Owned(&'a Claim),
    /// These have not had their answer, or not recorded the id, yet.
    WaitFor(Vec<&'a Claim>),
    /// This one takes over.
    HandOver(&'a Claim),
    /// These use it and never inherit.
    HeldBy(Vec<&'a Claim>),
    /// These are getting something else, and would be cut off.
    NeededBy(Vec<&'a Claim>),
}

/// Who is to be heard, to inherit or to be respected before what `others` share is deleted.
///
/// It is left only to one that keeps it. Whoever gives it up has that recorded (by deletionTimestamp, or as retiring)
/// before it lists the others: of two that do so at a time, in one process or in two, at least one sees the other, and
/// leaves it to nobody.
pub fn succession(others: &[Claim]) -> Succession<'_> {
    let keeps = |other: &&Claim| other.counts() && other.stake == Stake::Keeps;
    let owns = |other: &&Claim| keeps(other) && other.may_own() && other.origin == Some(Origin::Created);
    if let Some(owner) = others.iter().find(owns) {
        return Succession::Owned(owner);
    }
    let waiting: Vec<_> = others
        .iter()
        .filter(|other| other.live)
        .filter(|other| match other.heard {
            Heard::Nothing => true,
            Heard::Listed => other.may_inherit() && other.origin.is_none() && !other.blank,
            Heard::Lacking => false,
        })
        .collect();
    if !waiting.is_empty() {
        return Succession::WaitFor(waiting);
    }
    let heir = others.iter().filter(|other| keeps(other) && other.may_inherit()).max_by_key(|other| other.rank());
    if let Some(heir) = heir {
        return Succession::HandOver(heir);
    }
    let needing: Vec<_> = others.iter().filter(|other| other.counts() && other.stake.needs_still()).collect();
    if !needing.is_empty() {
        return Succession::NeededBy(needing);
    }
    let holders: Vec<_> =
        others.iter().filter(|other| other.counts() && !other.may_own() && other.origin.is_some()).collect();
    if holders.is_empty() { Succession::Free } else { Succession::HeldBy(holders) }
}

/// The names of `claims`, as an object of `namespace` may show them.
pub fn names<'a>(claims: impl IntoIterator<Item = &'a Claim>, namespace: &str) -> String {
    let mut names: Vec<_> = claims.into_iter().map(|claim| claim.seen_from(namespace)).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::STAKES;
    use AdoptionPolicy::{AdoptOnly, AdoptOrCreate, CreateOnly};
    use proptest::{prelude::*, sample::select};

    fn claim(name: &str, second: i64, adoption: AdoptionPolicy, origin: Option<Origin>) -> Claim {
        Claim {
            object: ObjectName { namespace: "ns".into(), name: name.into() },
            uid: name.to_owned(),
            created: Timestamp::from_second(second).unwrap(),
            live: true,
            suspended: false,
            heard: Heard::Listed,
            adoption,
            origin,
            blank: false,
            stake: Stake::Keeps,
        }
    }

    fn owner_name<'a>(own: &Claim, others: &'a [Claim]) -> Option<&'a str> {
        owner(own, others).map(|claim| claim.uid.as_str())
    }

    #[test]
    fn created_beats_age_and_age_beats_uid() {
        let old = claim("old", 1, AdoptOrCreate, None);
        let young = claim("young", 2, AdoptOrCreate, Some(Origin::Created));
        assert_eq!(owner_name(&old, std::slice::from_ref(&young)), Some("young"));
        assert_eq!(owner_name(&young, std::slice::from_ref(&old)), None);
        let twin = claim("twin", 1, AdoptOrCreate, None);
        assert_eq!(owner_name(&twin, std::slice::from_ref(&old)), Some("old"));
        assert_eq!(owner_name(&old, &[twin]), None);
    }

    #[test]
    fn only_what_has_listed_the_project_counts() {
        let own = claim("own", 2, AdoptOrCreate, None);
        for heard in [Heard::Nothing, Heard::Lacking] {
            let other = Claim { heard, ..claim("other", 1, AdoptOrCreate, Some(Origin::Created)) };
            assert_eq!(owner_name(&own, &[other]), None);
        }
        let deleted = Claim { live: false, ..claim("other", 1, AdoptOrCreate, Some(Origin::Created)) };
        assert_eq!(owner_name(&own, &[deleted]), None);
    }

    #[test]
    fn adopt_only_never_owns_and_never_inherits_but_holds() {
        let sharer = claim("sharer", 1, AdoptOnly, Some(Origin::Adopted));
        let own = claim("own", 2, AdoptOrCreate, None);
        assert_eq!(owner_name(&own, std::slice::from_ref(&sharer)), None);
        assert_eq!(owner_name(&sharer, std::slice::from_ref(&own)), Some("own"));
        assert_eq!(succession(std::slice::from_ref(&sharer)), Succession::HeldBy(vec![&sharer]));
    }

    #[test]
    fn a_deletion_waits_for_answers_and_for_the_heir_to_record() {
        let unheard = Claim { heard: Heard::Nothing, ..claim("a", 1, CreateOnly, None) };
        assert_eq!(succession(std::slice::from_ref(&unheard)), Succession::WaitFor(vec![&unheard]));
        let unrecorded = claim("b", 1, AdoptOrCreate, None);
        assert_eq!(succession(std::slice::from_ref(&unrecorded)), Succession::WaitFor(vec![&unrecorded]));
        let heir = claim("c", 1, AdoptOrCreate, Some(Origin::Adopted));
        assert_eq!(succession(std::slice::from_ref(&heir)), Succession::HandOver(&heir));
        let lacking = Claim { heard: Heard::Lacking, ..claim("d", 1, AdoptOrCreate, None) };
        assert_eq!(succession(std::slice::from_ref(&lacking)), Succession::Free);
        for (needs, cares) in [(true, true), (true, false), (false, true), (false, false)] {
            for origin in [Origin::Created, Origin::Adopted] {
                let stake = Stake::Replaced { needs, cares };
                let older = Claim { stake, ..claim("has replaced it", 0, AdoptOrCreate, Some(origin)) };
                assert_eq!(succession(&[older.clone(), heir.clone()]), Succession::HandOver(&heir));
                let alone = if needs { Succession::NeededBy(vec![&older]) } else { Succession::Free };
                assert_eq!(succession(std::slice::from_ref(&older)), alone, "never left to who gives it up");
            }
        }
        let blank = Claim { blank: true, ..unrecorded };
        assert_eq!(succession(std::slice::from_ref(&blank)), Succession::HandOver(&blank));
        let create_only = claim("e", 1, CreateOnly, None);
        assert_eq!(succession(std::slice::from_ref(&create_only)), Succession::Free);
    }

    #[test]
    fn a_foreign_namespace_is_all_that_is_told() {
        let object = ObjectName { namespace: "secret-team".into(), name: "orders".into() };
        assert_eq!(object.seen_from("payments"), "a resource in namespace \"secret-team\"");
        assert_eq!(object.seen_from("secret-team"), "\"orders\"");
        let suspended = Claim { suspended: true, object, ..claim("uid", 1, AdoptOrCreate, None) };
        assert_eq!(names([&suspended], "secret-team"), "\"orders\" (suspended)");
    }

    fn claims() -> impl Strategy<Value = Vec<Claim>> {
        let one = (
            select(vec![AdoptOrCreate, CreateOnly, AdoptOnly]),
            select(vec![None, Some(Origin::Created), Some(Origin::Adopted)]),
            select(vec![Heard::Nothing, Heard::Listed, Heard::Lacking]),
            (any::<bool>(), any::<bool>()),
            select(STAKES),
            0..3i64,
        );
        prop::collection::vec(one, 1..6).prop_map(|all| {
            let claims =
                all.into_iter().enumerate().map(|(n, (adoption, origin, heard, (live, suspended), stake, second))| {
                    Claim {
                        live,
                        stake: if origin.is_some() { stake } else { Stake::Keeps },
                        suspended,
                        heard,
                        blank: suspended && origin.is_none(),
                        ..claim(&format!("uid-{n}"), second, adoption, origin)
                    }
                });
            claims.collect()
        })
    }

    /// All but one.
    fn without(claims: &[Claim], own: &Claim) -> Vec<Claim> {
        claims.iter().filter(|claim| claim.uid != own.uid).cloned().collect()
    }

    proptest! {
        #[test]
        fn one_owner_for_a_key(claims in claims()) {
            // Who has replaced it asks nobody, and is asked by nobody.
            let counting: Vec<_> = claims.iter().filter(|claim| claim.counts() && claim.stake.cares()).collect();
            let owners: Vec<_> = counting
                .iter()
                .filter(|own| own.may_own() && owner(own, &without(&claims, own)).is_none())
                .collect();
            let some = counting.iter().any(|claim| claim.may_own());
            prop_assert_eq!(owners.len(), usize::from(some), "{:?}", owners);
            for own in &counting {
                if let Some(told) = owner(own, &without(&claims, own)) {
                    prop_assert_eq!(&told.uid, &owners[0].uid, "everybody names the same owner");
                }
            }
        }

        #[test]
        fn only_one_that_counts_and_uses_what_is_there_inherits(others in claims()) {
            match succession(&others) {
                Succession::HandOver(heir) => {
                    prop_assert!(heir.live && heir.heard == Heard::Listed && heir.adoption == AdoptOrCreate);
                    prop_assert!(heir.origin == Some(Origin::Adopted) || heir.blank);
                    prop_assert_eq!(heir.stake, Stake::Keeps);
                }
                Succession::Owned(owner) => {
                    prop_assert!(owner.live && owner.heard == Heard::Listed && owner.adoption != AdoptOnly);
                    prop_assert_eq!(owner.origin, Some(Origin::Created));
                    prop_assert_eq!(owner.stake, Stake::Keeps);
                }
                Succession::HeldBy(holders) => {
                    prop_assert!(holders.iter().all(|one| one.live && one.heard == Heard::Listed && one.adoption == AdoptOnly));
                }
                Succession::NeededBy(needing) => {
                    prop_assert!(needing.iter().all(|one| one.counts() && one.stake.needs_still()));
                }
                Succession::WaitFor(waiting) => prop_assert!(waiting.iter().all(|one| one.live && one.heard != Heard::Lacking)),
                Succession::Free => {
                    let gone = |one: &Claim| matches!(one.stake, Stake::Replaced { needs: false, .. });
                    let shares =
                        |one: &Claim| one.counts() && one.adoption != CreateOnly && one.origin.is_some() && !gone(one);
                    prop_assert!(!others.iter().any(shares));
                    prop_assert!(!others.iter().any(|one| one.live && one.heard == Heard::Nothing));
                }
            }
        }
    }
}
