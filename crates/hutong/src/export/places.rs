//! Places of business as GeoJSON or as a table.

use lane::osm::{ATTRIBUTION, Address, Place};
use lane::{Category, places};
use party::premises::Premises;
use party::{Actor, ActorFilter, Right};
use store::Db;

use super::{Format, OWN, PAGE};
use crate::say::Refused;

/// Writes every place that is not closed for good; the number of rows.
pub(super) fn all(db: &Db, format: Format, out: &mut Vec<u8>) -> Result<u64, Refused> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = db.read(move |tx| {
            let filter = ActorFilter::new(Actor::Platform, Right::ManagePremises);
            party::premises::visible_to(tx, &filter, after, PAGE)
        })?;
        after = page.last().map(|it| it.id);
        all.extend(page.iter().filter(|it| !it.closed).map(place));
        if (page.len() as i64) < PAGE {
            break;
        }
    }
    let of_map = all.iter().any(|it| !it.key.starts_with(OWN));
    Ok(match format {
        Format::Csv => places::write_csv(out, &all)?,
        Format::Geojson => places::write_geojson(out, of_map.then_some(ATTRIBUTION), &all)?,
    })
}

/// Premises in the words of a map. The address is one line here, and goes out as the street.
fn place(it: &Premises) -> Place {
    let of_map = it.source.as_deref().and_then(|it| it.strip_prefix("osm:"));
    let street = Some(it.address.clone());
    Place {
        key: of_map.map_or_else(|| format!("{OWN}{}", it.id), str::to_owned),
        name: it.name.clone(),
        names: it.name_en.iter().map(|it| ("en".to_owned(), it.clone())).collect(),
        category: Category::from_code(&it.category).unwrap_or(Category::Shop),
        cuisine: None,
        hours: it.hours_text.clone(),
        address: Address { street, ..Address::default() },
        point: it.point,
        zone: it.zone.clone(),
    }
}
