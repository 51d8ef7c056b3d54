//! Each [`Story`] without a disturbance. The lives that others are compared with have to be good ones: where that of a story
//! is not, no plan can be made of it, and it is these that tell so by an id.

use crate::{
    harness::{moving::HandOver, oracle, world::*},
    plan::{Campaign, Data, Plan},
    story::Story,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect::{self, V1, V2},
    testbed::simulator::Provider,
};

async fn run((story, dialect): (Story, Dialect)) -> World {
    let mut world = story.begin(dialect).await;
    let operator = world.start();
    story.goes_on(&world).await;
    oracle::silence(&world).await;
    story.ends(&world);
    oracle::no_storm(&world, 40);
    assert!(!operator.has_ended(), "the operator has died");
    world
}

fn plan((story, dialect): (Story, Dialect)) -> Plan {
    let data = Data::new(Campaign::Undisturbed, &story.name(), dialect).of(story.provider());
    Plan::new(data, move || run((story, dialect)))
}

pub fn plans() -> Vec<Plan> {
    let in_both = [
        Story::Plain(Provider::Aws),
        Story::ServiceFails,
        Story::EndpointIsRejected,
        Story::IdChanges,
        Story::SharedAndReplaced,
        Story::Adopts,
        Story::AdoptsAndDeletes,
        Story::AdoptsOnly,
        Story::Retains,
    ];
    // The v1.0 API knows neither service accounts nor other clouds than AWS.
    let in_v2 = [Story::ServiceAccount, Story::Plain(Provider::Azure), Story::Plain(Provider::Gcp)];
    let in_both = in_both.into_iter().chain(HandOver::all().into_iter().map(Story::HandsOver));
    in_both.flat_map(|story| [(story, V1), (story, V2)]).chain(in_v2.map(|story| (story, V2))).map(plan).collect()
}
