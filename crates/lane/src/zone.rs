//! The time zone of a place, from its country or from where it lies.
//!
//! Promise: a zone is named only where the small table below knows it; elsewhere the answer is
//! `None` and whoever imports must name it herself. Limits, on purpose: countries of several zones
//! are left out or named by their populous part, boxes are rectangles. Near a border the neighbour's
//! name may come out; in the table such neighbours keep the same clock (central European time).

use base::civil::Zone;
use base::geo::Point;

/// A rectangle in whole hundredths of a degree: west, south, east, north.
struct Area {
    zone: &'static str,
    edges: [i64; 4],
}

const fn area(zone: &'static str, edges: [i64; 4]) -> Area {
    Area { zone, edges }
}

/// The first that contains the point wins: small countries before the large ones around them.
const AREAS: &[Area] = &[
    area("Europe/Andorra", [140, 4242, 179, 4266]),
    area("Europe/Monaco", [740, 4371, 745, 4376]),
    area("Europe/Vaduz", [947, 4704, 964, 4728]),
    area("Europe/Luxembourg", [574, 4944, 653, 5019]),
    area("Europe/Vienna", [954, 4680, 1300, 4740]),
    area("Europe/Vienna", [1300, 4640, 1660, 4770]),
    area("Europe/Vienna", [1350, 4770, 1715, 4855]),
    area("Europe/Berlin", [780, 4760, 1299, 5500]),
    area("Europe/Berlin", [1299, 5090, 1420, 5470]),
    area("Europe/Zurich", [600, 4590, 954, 4760]),
    area("Europe/Amsterdam", [420, 5140, 680, 5360]),
    area("Europe/Brussels", [280, 4960, 590, 5140]),
    area("Europe/Prague", [1299, 4900, 1800, 5090]),
    area("Europe/Warsaw", [1500, 5090, 2350, 5480]),
    area("Europe/Paris", [-450, 4300, 755, 5080]),
    area("Europe/Rome", [755, 3650, 1370, 4640]),
    area("Europe/Rome", [1370, 3650, 1840, 4200]),
    area("Europe/Madrid", [-620, 3610, 320, 4290]),
    area("Europe/Dublin", [-1050, 5140, -620, 5530]),
    area("Europe/London", [-560, 4990, 180, 5870]),
    area("Asia/Hong_Kong", [11383, 2217, 11438, 2255]),
    area("Asia/Macau", [11353, 2211, 11360, 2222]),
    area("Asia/Taipei", [11990, 2180, 12205, 2535]),
    area("Asia/Shanghai", [10000, 2200, 12320, 4150]),
    area("Asia/Tokyo", [12990, 3100, 14590, 4560]),
    area("Asia/Singapore", [10360, 116, 10410, 147]),
];

/// Countries that keep one clock where people live, by ISO 3166-1 code.
const COUNTRIES: &[(&str, &str)] = &[
    ("AD", "Europe/Andorra"),
    ("AT", "Europe/Vienna"),
    ("BE", "Europe/Brussels"),
    ("CH", "Europe/Zurich"),
    ("CN", "Asia/Shanghai"),
    ("CZ", "Europe/Prague"),
    ("DE", "Europe/Berlin"),
    ("FR", "Europe/Paris"),
    ("GB", "Europe/London"),
    ("HK", "Asia/Hong_Kong"),
    ("IE", "Europe/Dublin"),
    ("IT", "Europe/Rome"),
    ("JP", "Asia/Tokyo"),
    ("LI", "Europe/Vaduz"),
    ("LU", "Europe/Luxembourg"),
    ("MC", "Europe/Monaco"),
    ("MO", "Asia/Macau"),
    ("NL", "Europe/Amsterdam"),
    ("PL", "Europe/Warsaw"),
    ("SG", "Asia/Singapore"),
    ("TW", "Asia/Taipei"),
];

/// The zone of a point; its country (ISO 3166-1, capital letters), when it is known, goes first.
pub fn zone_of(point: Point, country: Option<&str>) -> Option<Zone> {
    let by_country = |code: &str| COUNTRIES.iter().find(|(it, _)| *it == code).map(|(_, it)| *it);
    let (lat, lon) = (point.lat_e7.div_euclid(100_000), point.lon_e7.div_euclid(100_000));
    let inside = |it: &&Area| {
        let [west, south, east, north] = it.edges;
        west <= lon && lon < east && south <= lat && lat < north
    };
    let by_area = || AREAS.iter().find(inside).map(|it| it.zone);
    country.and_then(by_country).or_else(by_area)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_the_clock_of_its_country() {
        let of = |lat: i64, lon: i64, country| {
            let point = Point::new(lat * 1_000, lon * 1_000).unwrap();
            zone_of(point, country).map(|it| it.name().to_owned())
        };
        let at = |lat: i64, lon: i64| of(lat, lon, None);
        assert_eq!(at(481_371, 115_754).as_deref(), Some("Europe/Berlin"), "Munich");
        assert_eq!(at(499_456, 115_713).as_deref(), Some("Europe/Berlin"), "Bayreuth");
        assert_eq!(at(525_200, 134_050).as_deref(), Some("Europe/Berlin"), "Berlin");
        assert_eq!(at(484_102, 156_050).as_deref(), Some("Europe/Vienna"), "Krems");
        assert_eq!(at(472_692, 114_041).as_deref(), Some("Europe/Vienna"), "Innsbruck");
        assert_eq!(at(425_063, 15_218).as_deref(), Some("Europe/Andorra"), "Andorra la Vella");
        assert_eq!(at(437_347, 74_206).as_deref(), Some("Europe/Monaco"), "Monaco");
        assert_eq!(at(437_009, 72_683).as_deref(), Some("Europe/Paris"), "Nice");
        assert_eq!(at(399_372, 1_164_046).as_deref(), Some("Asia/Shanghai"), "Beijing");
        assert_eq!(at(515_074, -1_278).as_deref(), Some("Europe/London"), "London");
        assert_eq!(at(0, 0), None, "the sea");
        assert_eq!(of(0, 0, Some("DE")).as_deref(), Some("Europe/Berlin"));
        assert_eq!(of(0, 0, Some("XX")), None);
    }

    #[test]
    fn every_zone_of_the_tables_exists() {
        let named = AREAS.iter().map(|it| it.zone).chain(COUNTRIES.iter().map(|(_, it)| *it));
        for zone in named {
            assert!(zone.parse::<Zone>().is_ok(), "{zone}");
        }
    }
}
