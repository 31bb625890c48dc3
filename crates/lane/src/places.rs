//! Places as files: GeoJSON and CSV, out.
//!
//! Promise: what [`write_geojson`] has written, [`crate::osm::read`] reads as it was; coordinates are
//! written digit by digit, so that nothing is rounded.

use std::io::Write;

use crate::decimal;
use crate::osm::Place;
use crate::sheet::Sheet;

/// The property that carries our own category; it goes before the map's tags.
pub(crate) const CATEGORY: &str = "hutong:category";
/// The property that carries the zone.
pub(crate) const ZONE: &str = "hutong:zone";

/// The columns of [`write_csv`].
pub const COLUMNS: [&str; 13] = [
    "key",
    "name",
    "category",
    "cuisine",
    "hours",
    "street",
    "house",
    "postcode",
    "city",
    "country",
    "latitude",
    "longitude",
    "zone",
];

/// Writes a `FeatureCollection` (RFC 7946), one feature on a line; the number of places.
/// `attribution` names the source where its licence asks for it.
pub fn write_geojson<'a, W: Write>(
    mut writer: W,
    attribution: Option<&str>,
    places: impl IntoIterator<Item = &'a Place>,
) -> std::io::Result<u64> {
    write!(writer, "{{\"type\":\"FeatureCollection\",")?;
    if let Some(text) = attribution {
        write!(writer, "\"attribution\":{},", quoted(text))?;
    }
    write!(writer, "\"features\":[")?;
    let mut many = 0;
    for place in places {
        let comma = if many == 0 { "" } else { "," };
        let (lon, lat) = (degrees(place.point.lon_e7), degrees(place.point.lat_e7));
        write!(
            writer,
            "{comma}\n{{\"type\":\"Feature\",\"id\":{},\"geometry\":{{\"type\":\"Point\",\
             \"coordinates\":[{lon},{lat}]}},\"properties\":{{{}}}}}",
            quoted(&place.key),
            properties(place)
        )?;
        many += 1;
    }
    writeln!(writer, "\n]}}")?;
    writer.flush()?;
    Ok(many)
}

/// Writes a table of places; the number of rows.
pub fn write_csv<'a, W: Write>(
    writer: W,
    places: impl IntoIterator<Item = &'a Place>,
) -> std::io::Result<u64> {
    let mut sheet = Sheet::new(writer, &COLUMNS)?;
    for it in places {
        let (lat, lon) = (degrees(it.point.lat_e7), degrees(it.point.lon_e7));
        let or_empty = |it: &'a Option<String>| it.as_deref().unwrap_or_default();
        sheet.row(&[
            &it.key,
            &it.name,
            it.category.code(),
            or_empty(&it.cuisine),
            or_empty(&it.hours),
            or_empty(&it.address.street),
            or_empty(&it.address.house),
            or_empty(&it.address.postcode),
            or_empty(&it.address.city),
            or_empty(&it.address.country),
            &lat,
            &lon,
            it.zone.name(),
        ])?;
    }
    sheet.finish()
}

fn properties(place: &Place) -> String {
    let address = &place.address;
    let own = [
        ("name", Some(place.name.as_str())),
        (CATEGORY, Some(place.category.code())),
        (ZONE, Some(place.zone.name())),
        ("cuisine", place.cuisine.as_deref()),
        ("opening_hours", place.hours.as_deref()),
        ("addr:street", address.street.as_deref()),
        ("addr:housenumber", address.house.as_deref()),
        ("addr:postcode", address.postcode.as_deref()),
        ("addr:city", address.city.as_deref()),
        ("addr:country", address.country.as_deref()),
    ];
    let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let named = place.names.iter().map(|(language, it)| (format!("name:{language}"), it.as_str()));
    let pairs = own.chain(named).map(|(key, it)| format!("{}:{}", quoted(&key), quoted(it)));
    pairs.collect::<Vec<_>>().join(",")
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn degrees(e7: i64) -> String {
    decimal::text(e7, 7)
}
