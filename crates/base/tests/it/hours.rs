//! Opening hours as they stand on the map.

use base::Timestamp;
use base::civil::Zone;
use base::geo::Point;
use base::hours::{Hours, HoursError, Place};

/// Reads a text in three zones and many hours of two years.
fn read(hours: &Hours) {
    let points =
        [(481_371_000, 115_754_000), (780_000_000, 160_000_000), (-540_000_000, -683_000_000)];
    let zones = ["Europe/Berlin", "Arctic/Longyearbyen", "America/Argentina/Ushuaia"];
    for ((lat_e7, lon_e7), zone) in points.into_iter().zip(zones) {
        let zone: Zone = zone.parse().unwrap();
        let place = Place { zone: &zone, point: Some(Point { lat_e7, lon_e7 }), holidays: None };
        for at in 0..24 {
            // 31 days and 7 hours apart, from 2025-03-01 on.
            let ts =
                Timestamp::from_micros(1_740_787_200_000_000).plus_s(at * (31 * 86_400 + 25_200));
            let now = hours.state(ts, place);
            if let Some(change) = hours.change(ts, place) {
                assert_ne!(hours.state(change, place), now, "{hours:?} at {change}");
            }
        }
    }
}

#[test]
fn hours_on_the_map_parse_or_are_refused_by_name() {
    let Some(rows) = crate::shared_rows("poi/opening_hours_strings.csv") else { return };
    let (mut parsed, mut unnamed) = (0, Vec::new());
    for row in &rows {
        match Hours::parse(&row[0]) {
            Ok(it) => {
                assert_eq!(it.text(), &row[0]);
                read(&it);
                parsed += 1;
            }
            Err(HoursError::Syntax { column, rest }) => {
                // The rest is the text's own from the column on; empty where it ends too early.
                let from: String = row[0].trim().chars().skip(column - 1).collect();
                if !from.starts_with(&rest) || (rest.is_empty() && !from.is_empty()) {
                    unnamed.push(row[0].to_owned());
                }
            }
            Err(HoursError::Unsupported(_) | HoursError::Range(_)) => {}
            Err(why) => panic!("{:?}: {why}", &row[0]),
        }
    }
    let share = parsed * 10_000 / rows.len();
    println!("{parsed} of {} texts parse: {}.{:02} %", rows.len(), share / 100, share % 100);
    assert!(share >= 9_400);
    assert_eq!(unnamed, Vec::<String>::new());
}

#[test]
fn hand_picked_hard_hours_are_read_without_a_panic() {
    let Some(path) = crate::shared("poi/opening_hours_rs_samples.txt") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let parsed = text.lines().filter_map(|it| Hours::parse(it).ok());
    let count = parsed.inspect(read).count();
    println!("{count} of {} samples parse", text.lines().count());
    assert!(count > 0);
}
