//! The simulator's own notion of providers and regions; requests may use either spelling, answers use Atlas'
//! (atlas-api.md §2 "Regions", REC).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A cloud provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Provider {
    Aws,
    Azure,
    Gcp,
}

impl Provider {
    /// Atlas' word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "AZURE",
            Self::Gcp => "GCP",
        }
    }

    /// Reads Atlas' word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Aws, Self::Azure, Self::Gcp].into_iter().find(|provider| provider.word() == word)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Atlas' name of a region, in either spelling; `None` for a word no table has.
pub fn atlas_name(provider: Provider, text: &str) -> Option<String> {
    Region::parse(provider, text).map(|region| region.atlas)
}

/// A region in both spellings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    /// `US_EAST_1`.
    pub(super) atlas: String,
    /// `us-east-1`.
    pub(super) cloud: String,
}

impl Region {
    /// Parses either spelling; `None` for a word no table has.
    pub(super) fn parse(provider: Provider, text: &str) -> Option<Self> {
        match provider {
            Provider::Aws => AWS.iter().map(|cloud| Self::aws(cloud)).find(|region| region.is(text)),
            Provider::Azure => Self::in_table(AZURE, text),
            Provider::Gcp => Self::in_table(GCP, text),
        }
    }

    /// Whether v1.0 accepts it: the eighteen regions of the page "Create One Private Endpoint Connection" (DOC 003).
    pub(super) fn is_known_to_v1(&self) -> bool {
        AWS.iter().take(V1_REGIONS).any(|cloud| *cloud == self.cloud)
    }

    /// AWS' spellings follow from one another (atlas-api.md §2 "Regions").
    fn aws(cloud: &str) -> Self {
        Self { atlas: cloud.to_uppercase().replace('-', "_"), cloud: cloud.to_owned() }
    }

    fn in_table(table: &[(&str, &str)], text: &str) -> Option<Self> {
        table
            .iter()
            .map(|(atlas, cloud)| Self { atlas: (*atlas).to_owned(), cloud: (*cloud).to_owned() })
            .find(|region| region.is(text))
    }

    fn is(&self, text: &str) -> bool {
        self.atlas == text || self.cloud == text
    }
}

/// How many of [`AWS`], from its start, are v1.0's.
const V1_REGIONS: usize = 18;

const AWS: &[&str] = &[
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "me-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-east-1",
    "af-south-1",
    "ap-northeast-3",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "mx-central-1",
    "us-gov-east-1",
    "us-gov-west-1",
];

const AZURE: &[(&str, &str)] = &[
    ("US_EAST", "eastus"),
    ("US_EAST_2", "eastus2"),
    ("US_CENTRAL", "centralus"),
    ("US_NORTH_CENTRAL", "northcentralus"),
    ("US_SOUTH_CENTRAL", "southcentralus"),
    ("US_WEST", "westus"),
    ("US_WEST_2", "westus2"),
    ("EUROPE_NORTH", "northeurope"),
    ("EUROPE_WEST", "westeurope"),
    ("UK_SOUTH", "uksouth"),
    ("FRANCE_CENTRAL", "francecentral"),
    ("ASIA_EAST", "eastasia"),
    ("ASIA_SOUTH_EAST", "southeastasia"),
    ("CANADA_CENTRAL", "canadacentral"),
];

const GCP: &[(&str, &str)] = &[
    ("CENTRAL_US", "us-central1"),
    ("EASTERN_US", "us-east1"),
    ("US_EAST_4", "us-east4"),
    ("WESTERN_US", "us-west1"),
    ("US_WEST_2", "us-west2"),
    ("WESTERN_EUROPE", "europe-west1"),
    ("EUROPE_WEST_2", "europe-west2"),
    ("EUROPE_WEST_3", "europe-west3"),
    ("EASTERN_ASIA_PACIFIC", "asia-east1"),
    ("NORTHEASTERN_ASIA_PACIFIC", "asia-northeast1"),
    ("SOUTHEASTERN_ASIA_PACIFIC", "asia-southeast1"),
];
