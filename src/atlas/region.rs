//! Cloud providers and regions. A region has two spellings, the cloud's (`us-east-1`) and Atlas' (`US_EAST_1`); both
//! parse to the same value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A cloud provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Provider {
    Aws,
    Azure,
    Gcp,
}

impl Provider {
    /// Atlas' word, as it stands in paths and bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "AZURE",
            Self::Gcp => "GCP",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A region of a provider, in Atlas' spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    provider: Provider,
    atlas_name: String,
}

/// Why a text is not a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{provider} has no region {text:?} that this version knows; use Atlas' spelling, such as {}", example(*provider))]
pub struct UnknownRegion {
    provider: Provider,
    text: String,
}

fn example(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "US_EAST_1",
        Provider::Azure => "US_EAST_2",
        Provider::Gcp => "CENTRAL_US",
    }
}

impl Region {
    /// Parses either spelling.
    ///
    /// # Errors
    /// When the text has neither form, or (Azure, GCP) is a cloud spelling that the table doesn't have.
    pub fn parse(provider: Provider, text: &str) -> Result<Self, UnknownRegion> {
        let atlas_name = match provider {
            Provider::Aws => is_aws(text, '-', char::is_ascii_lowercase)
                .then(|| text.to_ascii_uppercase().replace('-', "_"))
                .or_else(|| is_aws(text, '_', char::is_ascii_uppercase).then(|| text.to_owned())),
            Provider::Azure => from_table(AZURE, text),
            Provider::Gcp => from_table(GCP, text),
        };
        match atlas_name {
            Some(atlas_name) => Ok(Self { provider, atlas_name }),
            None => Err(UnknownRegion { provider, text: text.chars().take(64).collect() }),
        }
    }

    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// `US_EAST_1`.
    pub fn atlas_name(&self) -> &str {
        &self.atlas_name
    }

    /// `us-east-1`; `None` where the table doesn't have it (Azure, GCP).
    pub fn cloud_name(&self) -> Option<String> {
        let known = |table: Table| {
            table.iter().find(|(atlas, _)| *atlas == self.atlas_name).map(|(_, cloud)| (*cloud).to_owned())
        };
        match self.provider {
            Provider::Aws => Some(self.atlas_name.to_ascii_lowercase().replace('_', "-")),
            Provider::Azure => known(AZURE),
            Provider::Gcp => known(GCP),
        }
    }

    /// Whether the create operation of v1.0 takes this region: its page lists the ones it accepts.
    pub fn accepted_by_v1(&self) -> bool {
        self.provider == Provider::Aws && V1_REGIONS.contains(&self.atlas_name.as_str())
    }
}

/// `us-east-1`, `us-gov-west-1`: two letters, words, a number; all of one case, joined by `separator`.
fn is_aws(text: &str, separator: char, letter: fn(&char) -> bool) -> bool {
    let parts: Vec<&str> = text.split(separator).collect();
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| letter(&c));
    match parts.as_slice() {
        [area, words @ .., number] => {
            text.len() <= MAX_LENGTH
                && area.len() == 2
                && word(area)
                && !words.is_empty()
                && words.iter().all(|part| word(part))
                && (1..=2).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit())
        }
        [] | [_] => false,
    }
}

/// A cloud spelling must be in the table; any word of Atlas' form is believed, for Atlas gains regions faster than we do.
fn from_table(table: Table, text: &str) -> Option<String> {
    if let Some((atlas, _)) = table.iter().find(|(_, cloud)| *cloud == text) {
        return Some((*atlas).to_owned());
    }
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let atlas_form = text.len() <= MAX_LENGTH
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.contains('_')
        && text.split('_').all(part);
    atlas_form.then(|| text.to_owned())
}

/// No region's name comes near it.
const MAX_LENGTH: usize = 48;

/// Atlas' name and the cloud's.
type Table = &'static [(&'static str, &'static str)];

/// The regions that v1.0 accepts on create (page "Create One Private Endpoint Connection").
const V1_REGIONS: &[&str] = &[
    "US_EAST_1",
    "US_EAST_2",
    "US_WEST_1",
    "US_WEST_2",
    "CA_CENTRAL_1",
    "SA_EAST_1",
    "EU_NORTH_1",
    "EU_WEST_1",
    "EU_WEST_2",
    "EU_WEST_3",
    "EU_CENTRAL_1",
    "ME_SOUTH_1",
    "AP_NORTHEAST_1",
    "AP_NORTHEAST_2",
    "AP_SOUTH_1",
    "AP_SOUTHEAST_1",
    "AP_SOUTHEAST_2",
    "AP_EAST_1",
];

/// Azure's names turn words around and drop separators (eastus2, southeastasia), so they are listed.
const AZURE: Table = &[
    ("ASIA_EAST", "eastasia"),
    ("ASIA_SOUTH_EAST", "southeastasia"),
    ("AUSTRALIA_CENTRAL", "australiacentral"),
    ("AUSTRALIA_CENTRAL_2", "australiacentral2"),
    ("AUSTRALIA_EAST", "australiaeast"),
    ("AUSTRALIA_SOUTH_EAST", "australiasoutheast"),
    ("BRAZIL_SOUTH", "brazilsouth"),
    ("BRAZIL_SOUTHEAST", "brazilsoutheast"),
    ("CANADA_CENTRAL", "canadacentral"),
    ("CANADA_EAST", "canadaeast"),
    ("CHILE_CENTRAL", "chilecentral"),
    ("EUROPE_NORTH", "northeurope"),
    ("EUROPE_WEST", "westeurope"),
    ("FRANCE_CENTRAL", "francecentral"),
    ("FRANCE_SOUTH", "francesouth"),
    ("GERMANY_NORTH", "germanynorth"),
    ("GERMANY_WEST_CENTRAL", "germanywestcentral"),
    ("INDIA_CENTRAL", "centralindia"),
    ("INDIA_SOUTH", "southindia"),
    ("INDIA_WEST", "westindia"),
    ("INDONESIA_CENTRAL", "indonesiacentral"),
    ("ISRAEL_CENTRAL", "israelcentral"),
    ("ITALY_NORTH", "italynorth"),
    ("JAPAN_EAST", "japaneast"),
    ("JAPAN_WEST", "japanwest"),
    ("KOREA_CENTRAL", "koreacentral"),
    ("KOREA_SOUTH", "koreasouth"),
    ("MALAYSIA_WEST", "malaysiawest"),
    ("MEXICO_CENTRAL", "mexicocentral"),
    ("NEW_ZEALAND_NORTH", "newzealandnorth"),
    ("NORWAY_EAST", "norwayeast"),
    ("NORWAY_WEST", "norwaywest"),
    ("POLAND_CENTRAL", "polandcentral"),
    ("QATAR_CENTRAL", "qatarcentral"),
    ("SOUTH_AFRICA_NORTH", "southafricanorth"),
    ("SOUTH_AFRICA_WEST", "southafricawest"),
    ("SPAIN_CENTRAL", "spaincentral"),
    ("SWEDEN_CENTRAL", "swedencentral"),
    ("SWEDEN_SOUTH", "swedensouth"),
    ("SWITZERLAND_NORTH", "switzerlandnorth"),
    ("SWITZERLAND_WEST", "switzerlandwest"),
    ("UAE_CENTRAL", "uaecentral"),
    ("UAE_NORTH", "uaenorth"),
    ("UK_SOUTH", "uksouth"),
    ("UK_WEST", "ukwest"),
    ("US_CENTRAL", "centralus"),
    ("US_EAST", "eastus"),
    ("US_EAST_2", "eastus2"),
    ("US_NORTH_CENTRAL", "northcentralus"),
    ("US_SOUTH_CENTRAL", "southcentralus"),
    ("US_WEST", "westus"),
    ("US_WEST_2", "westus2"),
    ("US_WEST_3", "westus3"),
    ("US_WEST_CENTRAL", "westcentralus"),
];

/// GCP's oldest regions have names of their own in Atlas (CENTRAL_US), the later ones follow the cloud's.
const GCP: Table = &[
    ("AFRICA_SOUTH_1", "africa-south1"),
    ("ASIA_EAST_2", "asia-east2"),
    ("ASIA_NORTHEAST_2", "asia-northeast2"),
    ("ASIA_NORTHEAST_3", "asia-northeast3"),
    ("ASIA_SOUTHEAST_2", "asia-southeast2"),
    ("ASIA_SOUTH_1", "asia-south1"),
    ("ASIA_SOUTH_2", "asia-south2"),
    ("AUSTRALIA_SOUTHEAST_1", "australia-southeast1"),
    ("AUSTRALIA_SOUTHEAST_2", "australia-southeast2"),
    ("CENTRAL_US", "us-central1"),
    ("EASTERN_ASIA_PACIFIC", "asia-east1"),
    ("EASTERN_US", "us-east1"),
    ("EUROPE_CENTRAL_2", "europe-central2"),
    ("EUROPE_NORTH_1", "europe-north1"),
    ("EUROPE_SOUTHWEST_1", "europe-southwest1"),
    ("EUROPE_WEST_10", "europe-west10"),
    ("EUROPE_WEST_12", "europe-west12"),
    ("EUROPE_WEST_2", "europe-west2"),
    ("EUROPE_WEST_3", "europe-west3"),
    ("EUROPE_WEST_4", "europe-west4"),
    ("EUROPE_WEST_6", "europe-west6"),
    ("EUROPE_WEST_8", "europe-west8"),
    ("EUROPE_WEST_9", "europe-west9"),
    ("MIDDLE_EAST_CENTRAL_1", "me-central1"),
    ("MIDDLE_EAST_CENTRAL_2", "me-central2"),
    ("MIDDLE_EAST_WEST_1", "me-west1"),
    ("NORTHEASTERN_ASIA_PACIFIC", "asia-northeast1"),
    ("NORTH_AMERICA_NORTHEAST_1", "northamerica-northeast1"),
    ("NORTH_AMERICA_NORTHEAST_2", "northamerica-northeast2"),
    ("NORTH_AMERICA_SOUTH_1", "northamerica-south1"),
    ("SOUTHEASTERN_ASIA_PACIFIC", "asia-southeast1"),
    ("SOUTH_AMERICA_EAST_1", "southamerica-east1"),
    ("SOUTH_AMERICA_WEST_1", "southamerica-west1"),
    ("US_EAST_4", "us-east4"),
    ("US_EAST_5", "us-east5"),
    ("US_SOUTH_1", "us-south1"),
    ("US_WEST_2", "us-west2"),
    ("US_WEST_3", "us-west3"),
    ("US_WEST_4", "us-west4"),
    ("WESTERN_EUROPE", "europe-west1"),
    ("WESTERN_US", "us-west1"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_spellings_are_one_region() {
        for (provider, cloud, atlas) in [
            (Provider::Aws, "us-east-1", "US_EAST_1"),
            (Provider::Aws, "us-gov-west-1", "US_GOV_WEST_1"),
            (Provider::Azure, "eastus2", "US_EAST_2"),
            (Provider::Azure, "southeastasia", "ASIA_SOUTH_EAST"),
            (Provider::Gcp, "us-central1", "CENTRAL_US"),
            (Provider::Gcp, "us-east4", "US_EAST_4"),
        ] {
            let region = Region::parse(provider, cloud).unwrap();
            assert_eq!(region, Region::parse(provider, atlas).unwrap());
            assert_eq!((region.atlas_name(), region.cloud_name().as_deref()), (atlas, Some(cloud)));
        }
    }

    #[test]
    fn an_unknown_region_is_refused_with_one_that_there_is() {
        for (provider, example) in
            [(Provider::Aws, "US_EAST_1"), (Provider::Azure, "US_EAST_2"), (Provider::Gcp, "CENTRAL_US")]
        {
            let error = Region::parse(provider, "atlantis").unwrap_err().to_string();
            assert!(error.contains("atlantis") && error.ends_with(example), "{error}");
            assert!(Region::parse(provider, example).is_ok());
        }
    }

    #[test]
    fn tables_have_no_doubles_and_only_words_of_the_form() {
        for (provider, table) in [(Provider::Azure, AZURE), (Provider::Gcp, GCP)] {
            for (index, (atlas, cloud)) in table.iter().enumerate() {
                assert!(table.iter().skip(index + 1).all(|(a, c)| a != atlas && c != cloud), "{atlas} {cloud}");
                assert_eq!(Region::parse(provider, atlas).unwrap(), Region::parse(provider, cloud).unwrap());
            }
        }
    }

    #[test]
    fn an_unknown_atlas_word_is_accepted_and_an_unknown_cloud_word_refused() {
        let region = Region::parse(Provider::Azure, "ATLANTIS_NORTH_3").unwrap();
        assert_eq!((region.atlas_name(), region.cloud_name()), ("ATLANTIS_NORTH_3", None));
        for (provider, text) in [
            (Provider::Azure, "atlantisnorth3"),
            (Provider::Gcp, "atlantis-north3"),
            (Provider::Aws, "us-East-1"),
            (Provider::Aws, "US-EAST-1"),
            (Provider::Aws, "us_east_1"),
            (Provider::Aws, "us-east"),
            (Provider::Aws, "us-1"),
            (Provider::Aws, "eastus2"),
            (Provider::Aws, ""),
            (Provider::Gcp, "A__B"),
            (Provider::Gcp, "_"),
        ] {
            let error = Region::parse(provider, text).unwrap_err().to_string();
            assert!(error.contains(provider.as_str()), "{error}");
        }
    }

    #[test]
    fn v1_takes_the_eighteen_regions_of_its_page() {
        assert_eq!(V1_REGIONS.len(), 18);
        let accepts = |text| Region::parse(Provider::Aws, text).unwrap().accepted_by_v1();
        assert!(accepts("us-east-1") && accepts("AP_EAST_1"));
        assert!(!accepts("eu-south-1") && !accepts("af-south-1"));
    }

    proptest! {
        #[test]
        fn no_text_parses_to_a_region_that_could_change_a_path_or_a_body(text in "\\PC{0,40}") {
            for provider in [Provider::Aws, Provider::Azure, Provider::Gcp] {
                if let Ok(region) = Region::parse(provider, &text) {
                    let safe = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                    prop_assert!(region.atlas_name().bytes().all(safe));
                }
            }
        }

        #[test]
        fn every_spelling_of_aws_round_trips(text in "[a-z]{2}(-[a-z]{1,9}){1,2}-[0-9]") {
            let region = Region::parse(Provider::Aws, &text).unwrap();
            prop_assert_eq!(region.cloud_name(), Some(text));
        }
    }
}
