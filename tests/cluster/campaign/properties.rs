//! Every property of `spec`, changed in every way and back, on Ready objects of a running operator. The API server
//! decides what is let in; the operator then comes to a verdict on it, and after the way back all is as it was.

use super::{
    life::until,
    runs::{Run, is_wanted},
    schema::{Answer, Change, Property, properties},
};
use crate::cluster::{
    audit::{Call, calls},
    world::*,
};
use atlas_privatelink_operator::{
    api::{Standing, Verdict},
    testbed::simulator::Operation,
};
use futures::FutureExt;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// What kind of object is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Link,
    /// An endpoint with its id in the manifest.
    Endpoint,
    /// An endpoint whose id stands in a ConfigMap.
    EndpointFrom,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Link, Self::Endpoint, Self::EndpointFrom];

    fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Endpoint => "endpoint",
            Self::EndpointFrom => "endpoint-from",
        }
    }

    fn properties(self) -> Vec<Property> {
        properties(match self {
            Self::Link => "AtlasPrivateLink",
            Self::Endpoint | Self::EndpointFrom => "AtlasInterfaceEndpoint",
        })
    }

    /// The manifest of the object of that number.
    fn manifest(self, number: usize) -> Value {
        let name = format!("orders-{number}");
        match self {
            Self::Link => {
                let all = json!({"adoptionPolicy": "AdoptOrCreate", "deletionPolicy": "Retain", "suspend": false});
                with(link_of(&name, &project(number)), &json!({"spec": all}))
            }
            Self::Endpoint => {
                let more = json!({"spec": {"deletionPolicy": "Delete", "suspend": false}});
                with(endpoint(&name, &name, &id(number)), &more)
            }
            Self::EndpointFrom => {
                let more = json!({"spec": {"deletionPolicy": "Delete", "suspend": false}});
                with(endpoint_from(&name, &name, &map(number), "id"), &more)
            }
        }
    }
}

/// Far enough from the next one for its last digit to be changed.
fn id(number: usize) -> String {
    vpce(16 * number)
}

/// The ConfigMap of an object; nobody has the one whose name differs in the last letter.
fn map(number: usize) -> String {
    format!("vpc-{number}-a")
}

/// An object of which one property is changed, in one way after the other.
pub struct Subject {
    kind: Kind,
    number: usize,
    property: Property,
    manifest: Value,
    sample: Value,
    /// What Atlas has of it while all is well, once that is known.
    turn: Mutex<Option<Value>>,
}

/// A subject for each property of each kind.
pub fn subjects() -> Vec<Subject> {
    let all = Kind::ALL.into_iter().flat_map(|kind| kind.properties().into_iter().map(move |one| (kind, one)));
    let subject = |(number, (kind, property)): (usize, (Kind, Property))| {
        let manifest = kind.manifest(number);
        // A property that this manifest has not, another has.
        let all = Kind::ALL.map(|kind| kind.manifest(number));
        let sample = property.get(&manifest).or_else(|| all.iter().find_map(|one| property.get(one)));
        let sample = sample.unwrap_or_else(|| panic!("no manifest here has {}: give it to one", property.path)).clone();
        Subject { kind, number, property, manifest, sample, turn: Mutex::default() }
    };
    all.enumerate().map(subject).collect()
}

impl Subject {
    fn changes(&self) -> Vec<Change> {
        self.property.changes(&self.manifest, &self.sample)
    }

    fn id(&self, change: &Change) -> String {
        format!("real/property/{}/{}/{}", self.kind.name(), self.property.path, change.name)
    }

    pub fn ids(&self) -> Vec<String> {
        self.changes().iter().map(|change| self.id(change)).collect()
    }

    /// The plans of it that are asked for.
    pub fn runs<'a>(&'a self, world: &'a World) -> Vec<Run<'a>> {
        let wanted = self.changes().into_iter().filter(|change| is_wanted(&self.id(change)));
        wanted.map(|change| Run { id: self.id(&change), run: self.changed(world, change).boxed_local() }).collect()
    }

    fn name(&self) -> &str {
        self.manifest["metadata"]["name"].as_str().expect("a name")
    }

    fn plural(&self) -> &'static str {
        plural_of(&self.manifest)
    }

    async fn object(&self, world: &World) -> Value {
        world.get(self.plural(), self.name()).await.expect("nobody deletes it")
    }

    /// Applies a manifest as a person does, by server-side apply.
    async fn apply(&self, world: &World, manifest: &Value) -> Result<Value, String> {
        let (namespace, plural, name) = (&world.namespace, self.plural(), self.name());
        let group = format!("/apis/atlas.privatelink.dev/v1alpha1/namespaces/{namespace}");
        let path = format!("{group}/{plural}/{name}?fieldManager={MANAGER}&force=true");
        world.send(Method::PATCH, &path, APPLY, manifest).await.map_err(|error| error.to_string())
    }

    /// What Atlas has of its project, without what moves.
    fn in_atlas(&self, world: &World) -> Value {
        let project = project(self.number);
        let own = world.services().into_iter().filter(|service| service["project"] == project.as_str());
        let ids = |service: &Value| {
            let all = service["endpoints"].as_array().into_iter().flatten();
            all.map(|endpoint| json!([endpoint["id"], endpoint["state"]])).collect::<Vec<_>>()
        };
        own.map(|service| json!([service["id"], service["region"], service["state"], ids(&service)])).collect()
    }

    fn writes(&self, world: &World) -> usize {
        let project = project(self.number);
        let is_one = |request: &&atlas_privatelink_operator::testbed::simulator::Request| {
            request.operation.is_some_and(Operation::is_write) && request.path.contains(&project)
        };
        world.atlas.with_ledger(|ledger| ledger.requests().filter(is_one).count())
    }

    /// Applies the manifest as it was, and waits until it is Ready and all is as it was.
    async fn back(&self, world: &World, atlas: Option<&Value>) {
        self.apply(world, &self.manifest).await.expect("it was good before");
        until(world, &format!("{} is Ready again", self.name()), async || is_ready(&self.object(world).await)).await;
        if let Some(atlas) = atlas {
            let what = format!("Atlas has what it had of {}: {atlas}", self.name());
            until(world, &what, async || self.in_atlas(world) == *atlas).await;
        }
    }

    /// Everything that it needs, and itself.
    async fn begin(&self, world: &World) -> Value {
        if self.kind != Kind::Link {
            let name = format!("orders-{}", self.number);
            world.apply(&link_of(&name, &project(self.number))).await;
            world.apply(&config_map(&map(self.number), "id", &id(self.number))).await;
        }
        self.back(world, None).await;
        self.in_atlas(world)
    }

    async fn changed(&self, world: &World, change: Change) {
        let mut turn = self.turn.lock().await;
        if turn.is_none() {
            *turn = Some(self.begin(world).await);
        }
        let atlas = turn.as_ref().expect("it was seen just now");
        self.back(world, Some(atlas)).await;
        let (before, writes) = (self.object(world).await, self.writes(world));
        let manifest = self.property.changed(&self.manifest, &change, &self.sample);
        let answer = self.apply(world, &manifest).await;
        self.judge(&change, &answer);
        match answer {
            Err(_) => {
                let after = self.object(world).await;
                assert_eq!(fields_of(&after), fields_of(&before), "it was refused, and is another now");
            }
            Ok(_) => self.settles(world).await,
        }
        self.back(world, Some(atlas)).await;
        let writes = self.writes(world) - writes;
        assert!(writes <= MOST_ATLAS_WRITES, "{writes} writes to Atlas for one change and the way back");
    }

    fn judge(&self, change: &Change, answer: &Result<Value, String>) {
        let immutable = matches!(answer, Err(said) if said.contains("cannot be changed"));
        let as_expected = match change.answer {
            // For what it is, and not only for being another than before: then there is a list of causes.
            Answer::Refused => matches!(answer, Err(said) if !immutable || said.contains(" is invalid: [")),
            Answer::CannotBeChanged => immutable,
            Answer::Taken => answer.is_ok(),
            Answer::Either => true,
        };
        let said: String = format!("{answer:?}").chars().take(500).collect();
        assert!(as_expected, "{:?} was expected, and it was {said}", change.answer);
    }

    /// The operator has come to a verdict on the newest generation that lasts until somebody does something.
    async fn settles(&self, world: &World) {
        let what = format!("there is a verdict on {}", self.name());
        until(world, &what, async || has_settled(&self.object(world).await)).await;
    }
}

/// The new endpoint is attached, the old one detached; and the same back.
const MOST_ATLAS_WRITES: usize = 4;

/// What people see of it, apart from its status.
fn fields_of(object: &Value) -> Value {
    json!([object["spec"], object["metadata"]["generation"], object["metadata"]["uid"]])
}

fn has_settled(object: &Value) -> bool {
    let conditions: Vec<_> = serde_json::from_value(object["status"]["conditions"].clone()).unwrap_or_default();
    let generation = object["metadata"]["generation"].as_i64();
    let told = conditions.iter().all(|condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        condition.observed_generation == generation
    });
    let lasts = match Verdict::of(&conditions) {
        Some((Standing::Ready | Standing::Stalled, _)) => true,
        Some((_, reason)) => ["WaitingForCredentials", "WaitingForEndpointId", "Suspended"].contains(&reason),
        None => false,
    };
    told && lasts && object["status"]["observedGeneration"].as_i64() == generation
}

/// A world with an operator for all subjects.
pub async fn world() -> (World, Operator) {
    let world = World::new(Nature::default()).await;
    world.credentials().await;
    let operator = world.start();
    (world, operator)
}

/// What must hold of all of them together: nothing was made twice, and nobody wrote for ever.
pub async fn in_the_end(world: &World, operator: &mut Operator) {
    assert!(!operator.has_ended(), "the operator ended");
    let twice: Vec<_> = world.ledger().creates().into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "made twice: {twice:?}");
    world.always().await;
    let mut writes = BTreeMap::<_, usize>::new();
    for call in calls(&world.nature.plane.audit, &world.namespace).into_iter().filter(Call::is_operator) {
        if ["patch", "update"].contains(&call.verb.as_str()) {
            *writes.entry((call.plural().to_owned(), call.name)).or_default() += 1;
        }
    }
    for object in world.list(LINKS).await.iter().chain(&world.list(ENDPOINTS).await) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let writes = writes.get(&(plural_of(object).to_owned(), name.to_owned())).copied().unwrap_or_default();
        let edits = object["metadata"]["generation"].as_u64().and_then(|generation| usize::try_from(generation).ok());
        let most = WRITES_AT_FIRST + WRITES_OF_AN_EDIT * (edits.expect("a generation") - 1);
        assert!((1..=most).contains(&writes), "{writes} writes, and not {most} at most: {object:#}");
    }
}

/// Until it is Ready for the first time, and for what it shows of the endpoints of others.
const WRITES_AT_FIRST: usize = 12;
/// Most have another endpoint attached, and the old one detached.
const WRITES_OF_AN_EDIT: usize = 8;
