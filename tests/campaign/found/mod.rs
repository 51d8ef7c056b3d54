//! What random lives, the model, the mutants and reviews have found, each told again as the shortest life in which it shows.

mod again;
mod endings;
mod others;
mod processes;
mod rivals;
mod secrets;
mod shared;

use crate::{
    Group,
    harness::{
        hands::NEW,
        life::{PATIENCE, RESYNC, begin, delete_all, end, get_ready},
        looks::says,
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::atlas::dialect::Dialect;
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// One that waits for a link which is being deleted shares nothing through it: nobody waits for it.
    WaitsForLeavingLink,
    /// The same, of one that wants the very endpoint that is to be detached.
    WantsItThroughLeavingLink,
    /// An endpoint that was made for a service which is gone is never attached to the next one: nobody waits for it.
    ServiceReplaced,
    /// A dead operator's request arrives when all that stood for it is deleted: what it makes is deleted, too.
    ArrivesAtTheEnd,
    /// Two links for one region, over an Atlas that would make a second service: one of them asks for one.
    RivalsWithoutRefusal,
    /// What two share is not deleted before the other one has heard from Atlas, however long that takes.
    HeardFirst,
    /// An operator that stood still before it asked for a service, while another one got it, over an Atlas that would make
    /// a second one: what it had seen is too old to rest a request on.
    ZombieWithoutRefusal,
    /// Trouble with the API server that is over does not make the next one last longer.
    TroubleIsForgotten,
    /// Two operators, one of which cannot reach Atlas any more, do not answer each other.
    TwoOpinions,
    /// What somebody makes hours after an operator died over its request is theirs.
    MadeLongAfter,
    /// What somebody makes in the place of a service that is gone is theirs, also when its link is deleted then.
    AnotherInItsPlace,
    /// What somebody has just asked for in the same region is waited for, after one refusal at most, until Atlas names it.
    AskedForByAnother,
    /// An endpoint whose link is gone inherits another's, and is deleted by an operator that never knew that link: another
    /// link of the same service is the way.
    InheritedWithoutLink,
    /// What was attached for a younger one, and is gone just when an older one is edited to want it, is attached again.
    WantedByAnElder,
    /// An endpoint that was adopted, and is to be deleted all the same, needs its link for that: the link waits for it.
    AdoptedToBeDeleted,
    /// A link that comes while another one of its region is deleted, over an Atlas that would make a second service: the
    /// service has no name yet, but the other one knows what it is.
    RecordedBeforeItIsNamed,
    /// The same, where the other one is not heard yet: it is waited for.
    UnheardBeforeItIsNamed,
    /// The same, where the other one doesn't know what came of its request either, and is being deleted.
    AskedForBeforeItIsNamed,
    /// The same, where the other one is neither heard nor being deleted.
    UnheardAndAskedForBeforeItIsNamed,
    /// A Secret that Atlas refuses for a while: what was seen before that is no ground to be Ready again.
    SecretTurnedBack,
    /// A Secret is rotated and turned back: what the first key has seen is older than what the second one has.
    RotatedAndTurnedBack,
    /// An endpoint that was adopted, was gone and was attached again, of which nothing was heard, is detached at its end.
    AdoptedAndAttachedAgain,
    /// The same, where its id is changed then.
    AdoptedAttachedAgainAndReplaced,
    /// A link that is suspended, and has a service that is gone, keeps nobody from deleting the next one.
    SuspendedWithAnother,
    /// An id that is changed again and again, while nothing connects, ends in a word and not in a status without room.
    ChangedTooOften,
    /// What the second of two requests was refused says nothing of the first, though Atlas' time has stood still between.
    TimeStandsStill,
    /// The same, where a link of that name comes again, for another project: it is no way there.
    LinkOfAnotherProject,
    /// An endpoint that Atlas has refused to attach, and that is to delete whatever it has, has nothing: it needs no link.
    RefusedAndToBeDeleted,
    /// A request that came to nothing, for an id that was edited meanwhile: what somebody attaches under it some day is
    /// theirs.
    AttachedByAnotherLongAfter,
    /// What was inherited from another namespace, by an endpoint whose own link was made anew for another project, is not
    /// let go before there is a way to it.
    LinkOfAnotherProjectElsewhere,
    /// A service that failed while endpoints are attached: who waits for it to be mended, and wants another endpoint, is not
    /// waited for when one of them is to be detached.
    WaitsForFailedService,
    /// Lists that Atlas answers from before a write that is under way tell nothing of what came of it.
    ListsOvertakeWrites,
    /// What its owner wants no more, and keeps until its successor connects, another one attaches again and mends.
    WantedNoMore,
    /// Two that have attached one endpoint do not let go of it at once, each because of the other.
    LeftToEachOther,
    /// The same, where two operators work.
    LeftToEachOtherByTwo,
    /// What two have replaced is detached once both have something else.
    NeededUntilReplaced,
    /// The same, of what both have adopted, and one of them was told to delete.
    DeletedAsToldAtLast,
    /// One that has replaced what it has by nothing yet, since its link leaves, keeps its say.
    ReplacedWhileItsLinkLeaves,
    /// What is said last is what is the case, though the answer of the write before it was lost.
    AnswerOfStatusLost,
    /// What was detached by one that is suspended since is attached by another one, once that request cannot arrive.
    DetachedBySuspended,
    /// One that wants what is being replaced, and that a watch does not show, keeps it.
    SharedBehindWatch,
    /// The same, of one that has not heard from Atlas yet, however long that takes.
    HeardBeforeItIsDetached,
    /// A Secret that is gone for some minutes costs nobody what it shares.
    WithoutSecretForMinutes,
    /// What a link that only adopts relies on is not deleted.
    HeldByReader,
    /// A Secret that is deleted is used no more: Atlas is not asked, and nothing stays Ready for ever.
    SecretDeleted,
    /// A Secret is rotated and turned back: what the first key has seen of a connection is older than what the second one has.
    TurnedBackToAnOldLook,
    /// What a dead operator may still detach is not attached before that.
    DetachedTwice,
    /// A deletion that Atlas does not take says why, and what to do.
    AskedInVain,
    /// The operator keeps what it was told to keep where manifests are silent.
    KeptByDefault,
    /// Who is made anew under the heir's name, while that is told, inherits nothing.
    HeirMadeAnew,
    /// What a backup says, once it is restored elsewhere, proves nothing.
    RestoredElsewhere,
    /// What came of a request without an answer was found, and is gone at once: what is made instead is the work of another
    /// attempt, and its own, though the operator dies before it knows.
    GoneAtOnce,
    /// A request for a service is repeated, what that has made is removed by somebody, and the first request arrives then:
    /// both are the work of one attempt.
    MadeByBothRequests,
    /// The same, where what the second has made fails, and is taken away to be made again, before the first arrives.
    FailedBetweenBothRequests,
    /// The same of an endpoint that is rejected, and deleted then.
    RejectedBetweenBothRequests,
    /// An endpoint that was gone is being attached again when its id is changed, and then all is deleted: what comes of that
    /// request is known before anybody goes.
    ChangedWhileItIsAttachedAgain,
    /// What nobody needs is detached while others live on what is detached beside it.
    DetachedBesideWhatIsNeeded,
    /// A deletion that is suspended waits with what it is to detach, and hands over what others keep.
    HandedOverWhileSuspended,
    /// What an old look shows of a service that has moved since is looked at anew before it is told.
    SeenOnItsWayOut,
}

impl Found {
    const ALL: [Self; 59] = [
        Self::WaitsForLeavingLink,
        Self::WantsItThroughLeavingLink,
        Self::ServiceReplaced,
        Self::ArrivesAtTheEnd,
        Self::RivalsWithoutRefusal,
        Self::HeardFirst,
        Self::ZombieWithoutRefusal,
        Self::TroubleIsForgotten,
        Self::TwoOpinions,
        Self::MadeLongAfter,
        Self::AnotherInItsPlace,
        Self::AskedForByAnother,
        Self::InheritedWithoutLink,
        Self::WantedByAnElder,
        Self::AdoptedToBeDeleted,
        Self::RecordedBeforeItIsNamed,
        Self::UnheardBeforeItIsNamed,
        Self::AskedForBeforeItIsNamed,
        Self::UnheardAndAskedForBeforeItIsNamed,
        Self::SecretTurnedBack,
        Self::RotatedAndTurnedBack,
        Self::AdoptedAndAttachedAgain,
        Self::AdoptedAttachedAgainAndReplaced,
        Self::SuspendedWithAnother,
        Self::ChangedTooOften,
        Self::TimeStandsStill,
        Self::LinkOfAnotherProject,
        Self::RefusedAndToBeDeleted,
        Self::AttachedByAnotherLongAfter,
        Self::LinkOfAnotherProjectElsewhere,
        Self::WaitsForFailedService,
        Self::ListsOvertakeWrites,
        Self::WantedNoMore,
        Self::LeftToEachOther,
        Self::LeftToEachOtherByTwo,
        Self::NeededUntilReplaced,
        Self::DeletedAsToldAtLast,
        Self::ReplacedWhileItsLinkLeaves,
        Self::AnswerOfStatusLost,
        Self::DetachedBySuspended,
        Self::SharedBehindWatch,
        Self::HeardBeforeItIsDetached,
        Self::WithoutSecretForMinutes,
        Self::HeldByReader,
        Self::SecretDeleted,
        Self::TurnedBackToAnOldLook,
        Self::DetachedTwice,
        Self::AskedInVain,
        Self::KeptByDefault,
        Self::HeirMadeAnew,
        Self::RestoredElsewhere,
        Self::GoneAtOnce,
        Self::MadeByBothRequests,
        Self::FailedBetweenBothRequests,
        Self::RejectedBetweenBothRequests,
        Self::ChangedWhileItIsAttachedAgain,
        Self::DetachedBesideWhatIsNeeded,
        Self::HandedOverWhileSuspended,
        Self::SeenOnItsWayOut,
    ];

    async fn is_lived(self, dialect: Dialect) -> World {
        match self {
            Self::WaitsForLeavingLink => endings::through_a_leaving_link(dialect, NEW).await,
            Self::WantsItThroughLeavingLink => endings::through_a_leaving_link(dialect, VPCE).await,
            Self::ServiceReplaced => endings::service_replaced(dialect).await,
            Self::ArrivesAtTheEnd => endings::arrives_at_the_end(dialect).await,
            Self::RivalsWithoutRefusal => rivals::rivals_without_refusal(dialect).await,
            Self::HeardFirst => rivals::heard_first(dialect).await,
            Self::ZombieWithoutRefusal => processes::zombie_without_refusal(dialect).await,
            Self::TroubleIsForgotten => processes::trouble_is_forgotten(dialect).await,
            Self::TwoOpinions => processes::two_opinions(dialect).await,
            Self::MadeLongAfter => others::made_long_after(dialect).await,
            Self::AnotherInItsPlace => others::another_in_its_place(dialect).await,
            Self::AskedForByAnother => others::asked_for_by_another(dialect).await,
            Self::InheritedWithoutLink => endings::inherited_without_link(dialect).await,
            Self::WantedByAnElder => rivals::wanted_by_an_elder(dialect).await,
            Self::AdoptedToBeDeleted => endings::adopted_to_be_deleted(dialect).await,
            Self::RecordedBeforeItIsNamed => rivals::recorded_before_it_is_named(dialect).await,
            Self::UnheardBeforeItIsNamed => rivals::unheard_before_it_is_named(dialect).await,
            Self::AskedForBeforeItIsNamed => rivals::asked_for_before_it_is_named(dialect).await,
            Self::UnheardAndAskedForBeforeItIsNamed => rivals::unheard_and_asked_for(dialect).await,
            Self::SecretTurnedBack => secrets::turned_back(dialect).await,
            Self::RotatedAndTurnedBack => secrets::rotated_and_turned_back(dialect).await,
            Self::AdoptedAndAttachedAgain => again::deleted(dialect).await,
            Self::AdoptedAttachedAgainAndReplaced => again::replaced(dialect).await,
            Self::SuspendedWithAnother => rivals::suspended_with_another(dialect).await,
            Self::ChangedTooOften => again::changed_too_often(dialect).await,
            Self::TimeStandsStill => processes::time_stands_still(dialect).await,
            Self::LinkOfAnotherProject => endings::link_of_another_project(dialect).await,
            Self::RefusedAndToBeDeleted => endings::refused_and_to_be_deleted(dialect).await,
            Self::AttachedByAnotherLongAfter => others::attached_long_after(dialect).await,
            Self::LinkOfAnotherProjectElsewhere => endings::link_of_another_project_elsewhere(dialect).await,
            Self::WaitsForFailedService => rivals::waits_for_failed_service(dialect).await,
            Self::ListsOvertakeWrites => processes::lists_overtake_writes(dialect).await,
            Self::WantedNoMore => shared::wanted_no_more(dialect).await,
            Self::LeftToEachOther => shared::left_to_each_other(dialect).await,
            Self::LeftToEachOtherByTwo => shared::left_to_each_other_by_two(dialect).await,
            Self::NeededUntilReplaced => shared::needed_until_it_is_replaced(dialect).await,
            Self::DeletedAsToldAtLast => shared::deleted_as_it_was_told(dialect).await,
            Self::ReplacedWhileItsLinkLeaves => shared::replaced_while_its_link_leaves(dialect).await,
            Self::AnswerOfStatusLost => processes::answer_of_a_status_lost(dialect).await,
            Self::DetachedBySuspended => shared::detached_by_a_suspended_one(dialect).await,
            Self::SharedBehindWatch => shared::shared_behind_a_watch(dialect).await,
            Self::HeardBeforeItIsDetached => rivals::heard_before_it_is_detached(dialect).await,
            Self::WithoutSecretForMinutes => rivals::without_secret_for_minutes(dialect).await,
            Self::HeldByReader => rivals::held_by_a_reader(dialect).await,
            Self::SecretDeleted => secrets::deleted(dialect).await,
            Self::TurnedBackToAnOldLook => secrets::turned_back_to_an_old_look(dialect).await,
            Self::DetachedTwice => processes::detached_twice(dialect).await,
            Self::AskedInVain => endings::asked_in_vain(dialect).await,
            Self::KeptByDefault => endings::kept_by_default(dialect).await,
            Self::HeirMadeAnew => shared::heir_made_anew(dialect).await,
            Self::RestoredElsewhere => others::restored_elsewhere(dialect).await,
            Self::GoneAtOnce => others::gone_at_once(dialect).await,
            Self::MadeByBothRequests => others::made_by_both_requests(dialect).await,
            Self::FailedBetweenBothRequests => others::failed_between_both_requests(dialect).await,
            Self::RejectedBetweenBothRequests => others::rejected_between_both_requests(dialect).await,
            Self::ChangedWhileItIsAttachedAgain => others::changed_while_it_is_attached_again(dialect).await,
            Self::DetachedBesideWhatIsNeeded => shared::detached_beside_what_is_needed(dialect).await,
            Self::HandedOverWhileSuspended => shared::handed_over_while_suspended(dialect).await,
            Self::SeenOnItsWayOut => others::seen_on_its_way_out(dialect).await,
        }
    }
}

fn is_gone(plural: &'static str, name: &'static str) -> impl Fn(&World) -> bool {
    move |world| world.kube.get(plural, NAMESPACE, name).is_none()
}

fn reason(world: &World, plural: &str, name: &str) -> String {
    says(world, plural, name).1
}

/// An ordinary pair, Ready, and its operator.
async fn ready(dialect: Dialect) -> (World, Running) {
    let mut world = begin(dialect);
    let operator = world.start();
    get_ready(&world).await;
    (world, operator)
}

/// An endpoint comes that does not know its id yet: its link looks at what it has, and nobody else looks at Atlas.
fn stir(world: &World, name: &str, link: &str) {
    let from = json!({"configMapKeyRef": {"name": "ids", "key": "id"}});
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    world.apply(with(endpoint(name, link, VPCE), spec));
}

/// All is deleted, and nothing left.
async fn leave(world: World, operator: Running) -> World {
    world.pass(RESYNC).await;
    oracle::quiet_resync(&world).await;
    delete_all(&world);
    end(&world).await;
    over(world, operator).await
}

async fn over(world: World, operator: Running) -> World {
    oracle::silence(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, 120);
    operator.stop().await;
    world
}

/// The same, where a manifest says that what others have made is to be deleted.
async fn over_as_told(world: World, operator: Running) -> World {
    oracle::silence(&world).await;
    oracle::told_to_delete(&world);
    operator.stop().await;
    world
}

fn found() -> Vec<Plan> {
    let plan = |found: Found, dialect| {
        let data = Data::new(Campaign::State, "found", dialect).meanwhile(format!("{found:?}"));
        Plan::new(data, move || found.is_lived(dialect))
    };
    let of = |dialect| Found::ALL.into_iter().map(move |found| plan(found, dialect));
    [Dialect::V2, Dialect::V1].into_iter().flat_map(of).collect()
}

pub const GROUPS: [Group; 1] = [found];
