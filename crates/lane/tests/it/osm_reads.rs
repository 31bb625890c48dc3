use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use base::hours::Hours;
use lane::osm::{ATTRIBUTION, LeftOut, Place, read};
use lane::places::{write_csv, write_geojson};

fn files() -> Vec<PathBuf> {
    let Some(folder) = crate::shared("data/poi") else { return Vec::new() };
    let all = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> =
        all.filter(|it| it.extension().is_some_and(|it| it == "geojson")).collect();
    files.sort();
    files
}

fn all(path: &Path) -> (Vec<Place>, Vec<LeftOut>) {
    let (mut places, mut left_out) = (Vec::new(), Vec::new());
    for it in read(File::open(path).unwrap(), None) {
        match it {
            Ok(it) => places.push(it),
            Err(it) => left_out.push(it),
        }
    }
    (places, left_out)
}

#[test]
fn every_feature_of_the_real_files_is_kept_or_left_out_with_a_reason() {
    for path in files() {
        let whole: serde_json::Value =
            serde_json::from_reader(std::io::BufReader::new(File::open(&path).unwrap())).unwrap();
        let features = whole["features"].as_array().unwrap().len();
        let (places, left_out) = all(&path);
        let mut reasons = BTreeMap::new();
        for it in &left_out {
            *reasons.entry(it.reason.code()).or_insert(0) += 1;
        }
        let file = path.file_name().unwrap().to_string_lossy();
        let hours = places.iter().filter(|it| it.hours.is_some()).count();
        println!(
            "{file}: {features} features, {} kept ({hours} with hours), {reasons:?}",
            places.len()
        );
        assert_eq!(features, places.len() + left_out.len(), "{file}");
        assert!(places.len() * 3 > features, "{file}");
        let keys: HashSet<_> = places.iter().map(|it| &it.key).collect();
        assert_eq!(keys.len(), places.len(), "{file}");
        assert!(places.iter().all(|it| it.key.contains('/') && !it.name.is_empty()), "{file}");
    }
}

#[test]
fn reading_twice_gives_the_same() {
    for path in files() {
        assert!(all(&path) == all(&path), "{}", path.display());
    }
}

#[test]
fn each_town_keeps_its_own_clock() {
    for path in files() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let zones: HashSet<String> =
            all(&path).0.into_iter().map(|it| it.zone.name().to_owned()).collect();
        let mut zones: Vec<_> = zones.iter().map(String::as_str).collect();
        zones.sort_unstable();
        match file.as_str() {
            "osm_andorra.geojson" => assert_eq!(zones, ["Europe/Andorra"]),
            "osm_bayreuth_north.geojson" | "osm_munich.geojson" => {
                assert_eq!(zones, ["Europe/Berlin"]);
            }
            "osm_krems.geojson" => assert_eq!(zones, ["Europe/Vienna"]),
            // The extract reaches into the French towns around.
            "osm_monaco.geojson" => assert_eq!(zones, ["Europe/Monaco", "Europe/Paris"]),
            _ => {}
        }
    }
}

#[test]
fn a_real_restaurant_comes_out_whole() {
    let Some(path) = crate::shared("data/poi/osm_munich.geojson") else { return };
    let (places, _) = all(&path);
    let place = places.iter().find(|it| it.key == "node/34072038").unwrap();
    assert_eq!(place.name, "Franziskaner Garten");
    assert_eq!(place.category.code(), "restaurant");
    assert_eq!(place.hours.as_deref(), Some("Tu-Su 11:00-23:00"));
    assert_eq!(place.address.line(), "Friedenspromenade 45, 81827 München");
    assert_eq!((place.point.lat_e7, place.point.lon_e7), (481_093_154, 116_707_224));
}

fn one(feature: &str) -> String {
    let text = format!("{{\"type\":\"FeatureCollection\",\"features\":[{feature}]}}");
    match read(text.as_bytes(), None).next().unwrap() {
        Ok(it) => format!("{} {} {} {}", it.key, it.name, it.category, it.zone),
        Err(it) => it.to_string(),
    }
}

#[test]
fn each_reason_names_itself() {
    let feature = |id: &str, geometry: &str, properties: &str| {
        let geometry = format!("{{\"type\":\"Point\",\"coordinates\":{geometry}}}");
        let tail = format!("\"geometry\":{geometry},\"properties\":{properties}");
        format!("{{\"type\":\"Feature\",\"id\":{id},{tail}}}")
    };
    let bakery = r#"{"name":" Brot \n & Butter ","shop":"bakery"}"#;
    let good = feature("\"node/1\"", "[11.5,48.1]", bakery);
    assert_eq!(one(&good), "node/1 Brot & Butter bakery Europe/Berlin");
    assert_eq!(
        one(&feature("7", "[11.5,48.1]", bakery)),
        "place/7 Brot & Butter bakery Europe/Berlin"
    );
    assert_eq!(one("17"), "feature 1: not a GeoJSON feature with properties");
    assert_eq!(
        one(&feature("null", "[11.5,48.1]", bakery)),
        "feature 1: no id: expected one such as node/123"
    );
    let line = good.replace("Point", "LineString");
    assert_eq!(one(&line), "node/1: not a point but LineString");
    let bad = "node/1: bad coordinates: longitude -180 to 180 and latitude -90 to 90 are needed";
    for wrong in ["[]", "[11.5]", "[11.5,98.1]", "[\"11.5\",48.1]", "[0,0]", "[0.0,1e300]", "null"]
    {
        assert_eq!(one(&feature("\"node/1\"", wrong, bakery)), bad, "{wrong}");
    }
    let with = |properties: &str| one(&feature("\"node/1\"", "[11.5,48.1]", properties));
    assert_eq!(with(r#"{"name":" ","shop":"bakery"}"#), "node/1: no name");
    assert_eq!(
        with(r#"{"name":"Bank","amenity":"bank"}"#),
        "node/1: no category of commerce: amenity=bank"
    );
    assert_eq!(with(r#"{"name":"Oak"}"#), "node/1: no category of commerce: no telling tag");
    let long = format!(r#"{{"name":"{}","shop":"bakery"}}"#, "x".repeat(201));
    assert_eq!(with(&long), "node/1: the name is longer than 200 characters");
    let sea = feature("\"node/1\"", "[-30.0,40.0]", bakery);
    assert_eq!(one(&sea), "node/1: no time zone known for this point: name one with --zone");
}

#[test]
fn a_zone_that_is_given_fills_in_where_none_is_known() {
    let text = r#"{"features":[
        {"type":"Feature","id":"node/1","geometry":{"type":"Point","coordinates":[-30.0,40.0]},
         "properties":{"name":"A","shop":"bakery"}},
        {"type":"Feature","id":"node/1","geometry":{"type":"Point","coordinates":[-30.0,40.0]},
         "properties":{"name":"B","shop":"bakery"}}]}"#;
    let found: Vec<_> = read(text.as_bytes(), Some("Atlantic/Azores".parse().unwrap())).collect();
    assert_eq!(found[0].as_ref().unwrap().zone.name(), "Atlantic/Azores");
    assert_eq!(
        found[1].as_ref().unwrap_err().to_string(),
        "node/1: this id stands in the file already"
    );
}

#[test]
fn what_is_written_as_geojson_is_read_as_it_was() {
    for path in files() {
        let (places, _) = all(&path);
        let mut out = Vec::new();
        assert_eq!(
            write_geojson(&mut out, Some(ATTRIBUTION), &places).unwrap(),
            places.len() as u64
        );
        let again: Vec<Place> = read(out.as_slice(), None).map(Result::unwrap).collect();
        assert!(again == places, "{}", path.display());
    }
    let mut out = Vec::new();
    assert_eq!(write_geojson(&mut out, None, []).unwrap(), 0);
    assert_eq!(read(out.as_slice(), None).count(), 0);
}

#[test]
fn a_table_of_places_holds_no_formula() {
    let text = r#"{"features":[{"type":"Feature","id":"node/1",
        "geometry":{"type":"Point","coordinates":[-0.12,51.5]},
        "properties":{"name":"=cmd|'/c calc'!A1","shop":"bakery","addr:country":"gb"}}]}"#;
    let places: Vec<Place> = read(text.as_bytes(), None).map(Result::unwrap).collect();
    let mut out = Vec::new();
    assert_eq!(write_csv(&mut out, &places).unwrap(), 1);
    let line = "node/1,'=cmd|'/c calc'!A1,bakery,,,,,,,GB,51.5000000,-0.1200000,Europe/London";
    assert_eq!(String::from_utf8(out).unwrap().lines().nth(1).unwrap(), line);
}

#[test]
fn most_hours_of_real_places_parse() {
    for path in files() {
        let (places, _) = all(&path);
        let hours: Vec<&str> = places.iter().filter_map(|it| it.hours.as_deref()).collect();
        let parsed = hours.iter().filter(|it| Hours::parse(it).is_ok()).count();
        println!("{}: {parsed} of {} hours parse", path.display(), hours.len());
        assert!(parsed * 100 >= hours.len() * 94, "{}", path.display());
    }
}

#[test]
fn a_damaged_file_is_read_as_far_as_it_goes_and_never_panics() {
    let Some(path) = crate::shared("data/poi/osm_bayreuth_north.geojson") else { return };
    let whole = std::fs::read(path).unwrap();
    let mut broken_off = 0;
    for at in (0..whole.len()).step_by(97) {
        let found: Vec<_> = read(&whole[..at], None).collect();
        let last = found.last().unwrap().as_ref().unwrap_err();
        assert_eq!(last.reason.code(), "unreadable");
        broken_off += 1;
        let mut flipped = whole.clone();
        flipped[at] ^= 0x15;
        assert!(read(flipped.as_slice(), None).count() <= 62);
    }
    println!("{broken_off} places to break off");
}
