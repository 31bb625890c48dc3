//! Places of OpenStreetMap, read from GeoJSON (RFC 7946) one feature at a time.
//!
//! Promise: every feature of the file comes out once, either as a [`Place`] that can become a
//! premises or as a [`LeftOut`] with its reason, in the file's order; the same file gives the same
//! places. The file is streamed, so that a country fits into little memory. Personal names
//! (`operator`, `contact:*`, telephone numbers) are not taken.

use std::collections::HashSet;
use std::io::Read;

use base::civil::Zone;
use base::geo::Point;
use serde_json::{Map, Value};

use crate::category::Category;
use crate::features::{Features, Unreadable};
use crate::places::{CATEGORY, ZONE};
use crate::{tags, zone};

/// How the map's source is named wherever its places are shown (its licence asks for it).
pub const ATTRIBUTION: &str = "© OpenStreetMap contributors, ODbL 1.0";
/// The longest name, in characters; a longer one is a mistake of the map.
pub const NAME_CHARS_MAX: usize = 200;
/// The longest value that the map allows; longer hours or addresses are not taken.
const VALUE_CHARS_MAX: usize = 255;

/// A place that can become a premises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stable key outside: kind of element and number, such as `node/123`.
    pub key: String,
    /// The name on the sign.
    pub name: String,
    /// Names in other languages: language tag, name.
    pub names: Vec<(String, String)>,
    /// What kind of business it is.
    pub category: Category,
    /// What is cooked, as the map says it.
    pub cuisine: Option<String>,
    /// Opening hours as the map has them; they may be in nobody's syntax.
    pub hours: Option<String>,
    /// The address, as far as the map has it.
    pub address: Address,
    /// Where it is, in WGS 84.
    pub point: Point,
    /// Its time zone.
    pub zone: Zone,
}

/// The parts of an address; each may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Street, or the place that stands for one.
    pub street: Option<String>,
    /// House number.
    pub house: Option<String>,
    /// Postal code.
    pub postcode: Option<String>,
    /// Town.
    pub city: Option<String>,
    /// ISO 3166-1 code, capital letters.
    pub country: Option<String>,
}

impl Address {
    /// The address in one line, number before the street where the country does so; empty when
    /// nothing is known.
    pub fn line(&self) -> String {
        let first =
            matches!(self.country.as_deref(), Some("FR" | "MC" | "AD" | "GB" | "IE" | "LU"));
        let street = if first {
            words([self.house.as_deref(), self.street.as_deref()])
        } else {
            words([self.street.as_deref(), self.house.as_deref()])
        };
        let town = words([self.postcode.as_deref(), self.city.as_deref()]);
        let parts = [street, town];
        parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

fn words(parts: [Option<&str>; 2]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A feature that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id}: {reason}")]
pub struct LeftOut {
    /// Where in the file, from 1.
    pub number: u64,
    /// The feature's key, or `feature 17` when it has none.
    pub id: String,
    /// Why.
    pub reason: Reason,
}

/// Why a feature was not taken, in the order in which it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The file breaks off here; nothing after it was read.
    #[error("the file cannot be read further: {0}")]
    Unreadable(String),
    /// Not a GeoJSON feature with properties.
    #[error("not a GeoJSON feature with properties")]
    NotAFeature,
    /// Without an id the next import would not know it again.
    #[error("no id: expected one such as node/123")]
    NoId,
    /// An earlier feature has this id.
    #[error("this id stands in the file already")]
    DuplicateId,
    /// A line or an area; the type that it has.
    #[error("not a point but {0}")]
    NotAPoint(String),
    /// Outside the globe, or not numbers.
    #[error("bad coordinates: longitude -180 to 180 and latitude -90 to 90 are needed")]
    BadCoordinates,
    /// Nothing to put on the sign.
    #[error("no name")]
    NoName,
    /// A name too long for a sign.
    #[error("the name is longer than {NAME_CHARS_MAX} characters")]
    LongName,
    /// Not a business that sells anything; its telling tag.
    #[error("no category of commerce: {0}")]
    NoCategory(String),
    /// The zone is not known from country or point, and none was given.
    #[error("no time zone known for this point: name one with --zone")]
    NoZone,
}

impl Reason {
    /// The reason as a word for counting.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NotAFeature => "not_a_feature",
            Self::NoId => "no_id",
            Self::DuplicateId => "duplicate_id",
            Self::NotAPoint(_) => "not_a_point",
            Self::BadCoordinates => "bad_coordinates",
            Self::NoName => "no_name",
            Self::LongName => "long_name",
            Self::NoCategory(_) => "no_category",
            Self::NoZone => "no_zone",
        }
    }
}

/// Reads a `FeatureCollection`. `zone` names the zone of places for which none is known.
pub fn read<R: Read>(reader: R, zone: Option<Zone>) -> Places<R> {
    Places { features: Features::new(reader), seen: HashSet::new(), number: 0, zone }
}

/// The places of a file, one at a time.
#[derive(Debug)]
pub struct Places<R> {
    features: Features<R>,
    seen: HashSet<String>,
    number: u64,
    zone: Option<Zone>,
}

impl<R: Read> Iterator for Places<R> {
    type Item = Result<Place, LeftOut>;

    fn next(&mut self) -> Option<Self::Item> {
        let feature = self.features.next()?;
        self.number += 1;
        let number = self.number;
        let key = feature.as_ref().ok().and_then(key_of);
        let id = key.clone().unwrap_or_else(|| format!("feature {number}"));
        let place = match feature {
            Ok(feature) => self.place(&feature, key),
            Err(Unreadable(text)) => Err(Reason::Unreadable(text)),
        };
        Some(place.map_err(|reason| LeftOut { number, id, reason }))
    }
}

impl<R> Places<R> {
    fn place(&mut self, feature: &Value, key: Option<String>) -> Result<Place, Reason> {
        let is_feature = feature.get("type").and_then(Value::as_str) == Some("Feature");
        let properties = feature.get("properties").and_then(Value::as_object);
        let properties = properties.filter(|_| is_feature).ok_or(Reason::NotAFeature)?;
        let key = key.ok_or(Reason::NoId)?;
        if !self.seen.insert(key.clone()) {
            return Err(Reason::DuplicateId);
        }
        let point = point(feature)?;
        let name = text(properties, "name").ok_or(Reason::NoName)?;
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(Reason::LongName);
        }
        let category = category(properties)?;
        let address = address(properties);
        let zone = self.zone(properties, point, address.country.as_deref())?;
        let (names, cuisine) = (names(properties), value(properties, "cuisine"));
        let hours = value(properties, "opening_hours");
        Ok(Place { key, name, names, category, cuisine, hours, address, point, zone })
    }

    /// The zone that our own export wrote, or that of country and point, or the one that was given.
    fn zone(
        &self,
        properties: &Map<String, Value>,
        point: Point,
        country: Option<&str>,
    ) -> Result<Zone, Reason> {
        let written = value(properties, ZONE).and_then(|it| it.parse().ok());
        let known = || zone::zone_of(point, country);
        written.or_else(known).or_else(|| self.zone.clone()).ok_or(Reason::NoZone)
    }
}

/// The key: `id` of the feature, `@id`, or `type` and `id` among the properties. Exports that lay
/// the tags over their own fields lose the kind of element when a place has a tag `type`; what is
/// tagged as a site or a multipolygon is a relation, the rest keeps the neutral word `place`.
fn key_of(feature: &Value) -> Option<String> {
    let properties = feature.get("properties");
    let inner = |name: &str| properties.and_then(|it| it.get(name));
    let own = feature.get("id").or_else(|| inner("@id"));
    let plain = |it: &Value| match it {
        Value::String(it) => clean(it),
        Value::Number(it) => Some(it.to_string()),
        _ => None,
    };
    let id = plain(own.or_else(|| inner("id"))?)?;
    if id.chars().count() > VALUE_CHARS_MAX {
        return None;
    }
    if id.contains('/') {
        return Some(id);
    }
    let kind = match inner("type").and_then(Value::as_str) {
        Some(kind @ ("node" | "way" | "relation")) => kind,
        Some("multipolygon" | "site" | "boundary") => "relation",
        _ => "place",
    };
    Some(format!("{kind}/{id}"))
}

fn point(feature: &Value) -> Result<Point, Reason> {
    let geometry = feature.get("geometry");
    let kind = geometry.and_then(|it| it.get("type")).and_then(Value::as_str);
    if kind != Some("Point") {
        return Err(Reason::NotAPoint(kind.unwrap_or("nothing").chars().take(20).collect()));
    }
    let pair = geometry.and_then(|it| it.get("coordinates")).and_then(Value::as_array);
    let degree = |at: usize| pair.and_then(|it| it.get(at)).and_then(Value::as_f64);
    let (lon, lat) = degree(0).zip(degree(1)).ok_or(Reason::BadCoordinates)?;
    let point = Point::from_degrees(lat, lon).map_err(|_| Reason::BadCoordinates)?;
    // 0, 0 lies in the sea; it is what software writes when it knows nothing.
    if (point.lat_e7, point.lon_e7) == (0, 0) {
        return Err(Reason::BadCoordinates);
    }
    Ok(point)
}

fn category(properties: &Map<String, Value>) -> Result<Category, Reason> {
    if let Some(own) = text(properties, CATEGORY) {
        let found = Category::from_code(&own);
        return found.ok_or_else(|| Reason::NoCategory(shown(CATEGORY, &own)));
    }
    let mut telling = None;
    for key in tags::KEYS {
        let Some(value) = text(properties, key) else { continue };
        if let Some(found) = tags::category(key, &value) {
            return Ok(found);
        }
        telling.get_or_insert_with(|| shown(key, &value));
    }
    Err(Reason::NoCategory(telling.unwrap_or_else(|| "no telling tag".to_owned())))
}

fn shown(key: &str, value: &str) -> String {
    format!("{key}={value}").chars().take(60).collect()
}

fn names(properties: &Map<String, Value>) -> Vec<(String, String)> {
    let languages = properties.keys().filter_map(|it| it.strip_prefix("name:"));
    let tagged = languages.filter(|it| {
        (2..=10).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    });
    let mut names: Vec<_> = tagged
        .filter_map(|it| Some((it.to_owned(), value(properties, &format!("name:{it}"))?)))
        .filter(|(_, name)| name.chars().count() <= NAME_CHARS_MAX)
        .collect();
    names.sort();
    names
}

fn address(properties: &Map<String, Value>) -> Address {
    let part = |name: &str| value(properties, &format!("addr:{name}"));
    let two_letters = |it: &String| it.len() == 2 && it.bytes().all(|b| b.is_ascii_alphabetic());
    Address {
        street: part("street").or_else(|| part("place")),
        house: part("housenumber").or_else(|| part("housename")),
        postcode: part("postcode"),
        city: part("city").or_else(|| part("town")).or_else(|| part("village")),
        country: part("country").filter(two_letters).map(|it| it.to_ascii_uppercase()),
    }
}

fn value(properties: &Map<String, Value>, key: &str) -> Option<String> {
    text(properties, key).filter(|it| it.chars().count() <= VALUE_CHARS_MAX)
}

fn text(properties: &Map<String, Value>, key: &str) -> Option<String> {
    properties.get(key).and_then(Value::as_str).and_then(clean)
}

/// One line without control characters; `None` when nothing is left.
pub(crate) fn clean(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let line = words.filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}
