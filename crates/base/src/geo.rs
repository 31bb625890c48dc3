//! Points on the earth: WGS 84 in whole ten-millionths of a degree, about a centimetre.
//!
//! Invariant: every point in the house is WGS 84. Map services of the mainland speak GCJ-02 or
//! BD-09; their points are converted once, at the edge, by [`Datum`]. Floats live in this module
//! alone, and only integers leave it.
#![allow(clippy::float_arithmetic, reason = "the sphere needs trigonometry; no money is near")]

use std::f64::consts::PI;
use std::fmt;

/// Ten-millionths in a degree.
const E7: f64 = 1e7;
/// The mean radius of the earth in metres (IUGG).
const EARTH_M: f64 = 6_371_008.8;
/// 90 degrees.
pub const LAT_E7_MAX: i64 = 900_000_000;
/// 180 degrees.
pub const LON_E7_MAX: i64 = 1_800_000_000;

/// Why numbers are not a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeoError {
    /// The latitude is beyond a pole, or not a number.
    #[error("a latitude of -90 to 90 degrees is needed")]
    Latitude,
    /// The longitude is beyond the date line, or not a number.
    #[error("a longitude of -180 to 180 degrees is needed")]
    Longitude,
}

/// A point in WGS 84.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Latitude in 1e-7 degrees, north positive.
    pub lat_e7: i64,
    /// Longitude in 1e-7 degrees, east positive.
    pub lon_e7: i64,
}

impl Point {
    /// The point of two numbers in range; [`GeoError`] names the one that is not.
    pub const fn new(lat_e7: i64, lon_e7: i64) -> Result<Self, GeoError> {
        if lat_e7 < -LAT_E7_MAX || LAT_E7_MAX < lat_e7 {
            return Err(GeoError::Latitude);
        }
        if lon_e7 < -LON_E7_MAX || LON_E7_MAX < lon_e7 {
            return Err(GeoError::Longitude);
        }
        Ok(Self { lat_e7, lon_e7 })
    }

    /// The point of degrees, as GeoJSON and forms have them, rounded to 1e-7 degrees.
    pub fn from_degrees(lat: f64, lon: f64) -> Result<Self, GeoError> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(GeoError::Latitude);
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(GeoError::Longitude);
        }
        Ok(Self { lat_e7: (lat * E7).round() as i64, lon_e7: (lon * E7).round() as i64 })
    }

    /// Latitude in degrees, for libraries that want floats.
    pub fn lat(self) -> f64 {
        self.lat_e7 as f64 / E7
    }

    /// Longitude in degrees, for libraries that want floats.
    pub fn lon(self) -> f64 {
        self.lon_e7 as f64 / E7
    }

    /// Metres along the great circle of a sphere, rounded; within 0.6 % of the ellipsoid. For
    /// walking and searching, not for surveying.
    pub fn distance_m(self, other: Self) -> i64 {
        let (lat, other_lat) = (self.lat().to_radians(), other.lat().to_radians());
        let half_lat = (other_lat - lat) / 2.0;
        let half_lon = (other.lon() - self.lon()).to_radians() / 2.0;
        let chord = half_lat.sin().powi(2) + lat.cos() * other_lat.cos() * half_lon.sin().powi(2);
        (2.0 * EARTH_M * chord.clamp(0.0, 1.0).sqrt().asin()).round() as i64
    }

    /// The corners (south-west, north-east) of a box that holds every point within `radius_m`:
    /// what a list asks the database before it measures. Near a pole or the date line the box is as
    /// wide as the world, because a box that wraps would need two queries.
    pub fn around(self, radius_m: i64) -> (Self, Self) {
        // A thousandth more, so that rounding never leaves a point out.
        let reach = (radius_m.max(0) as f64 * 1.001 / EARTH_M).to_degrees();
        let (south, north) = (self.lat() - reach, self.lat() + reach);
        let widest = south.abs().max(north.abs());
        let wide = if widest < 89.9 { reach / widest.to_radians().cos() } else { 360.0 };
        let (west, east) = (self.lon() - wide, self.lon() + wide);
        let (west, east) =
            if west < -180.0 || 180.0 < east { (-180.0, 180.0) } else { (west, east) };
        let corner = |lat: f64, lon: f64| Self {
            lat_e7: (lat.clamp(-90.0, 90.0) * E7).round() as i64,
            lon_e7: (lon * E7).round() as i64,
        };
        (corner(south, west), corner(north, east))
    }
}

/// `latitude,longitude` in degrees with seven digits, as in a `geo:` URI (RFC 5870).
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |e7: i64| {
            let sign = if e7 < 0 { "-" } else { "" };
            format!(
                "{sign}{}.{:07}",
                e7.unsigned_abs() / 10_000_000,
                e7.unsigned_abs() % 10_000_000
            )
        };
        write!(f, "{},{}", part(self.lat_e7), part(self.lon_e7))
    }
}

crate::plain_enum! {
    /// What a pair of degrees is measured in.
    pub enum Datum {
        /// The world's datum, and the house's: GPS, OpenStreetMap, GeoJSON.
        Wgs84 = "wgs84",
        /// The mainland's shifted datum, of most map services there.
        Gcj02 = "gcj02",
        /// GCJ-02, shifted once more by one map service.
        Bd09 = "bd09",
    }
}

impl Datum {
    /// The WGS 84 point of a point measured in this datum: to a few centimetres. Outside the box of
    /// the mainland all datums are one, as in the services that use them.
    pub fn to_wgs84(self, it: Point) -> Point {
        match self {
            Self::Wgs84 => it,
            Self::Gcj02 => unshift(it, wgs_to_gcj),
            Self::Bd09 => unshift(bd_to_gcj(it), wgs_to_gcj),
        }
    }

    /// A WGS 84 point in this datum, for maps that want it.
    pub fn from_wgs84(self, it: Point) -> Point {
        match self {
            Self::Wgs84 => it,
            Self::Gcj02 => wgs_to_gcj(it),
            Self::Bd09 => gcj_to_bd(wgs_to_gcj(it)),
        }
    }
}

/// The box in which the services shift.
fn is_shifted(it: Point) -> bool {
    (8_293_000..=558_271_000).contains(&it.lat_e7)
        && (720_040_000..=1_378_347_000).contains(&it.lon_e7)
}

/// The published shift (Krasovsky 1940 ellipsoid).
fn wgs_to_gcj(it: Point) -> Point {
    if !is_shifted(it) {
        return it;
    }
    const AXIS_M: f64 = 6_378_245.0;
    const ECCENTRICITY_2: f64 = 0.006_693_421_622_965_943;
    let (x, y) = (it.lon() - 105.0, it.lat() - 35.0);
    let ripple = (20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin()) * 2.0 / 3.0;
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + ripple
        + (20.0 * (y * PI).sin() + 40.0 * (y / 3.0 * PI).sin()) * 2.0 / 3.0
        + (160.0 * (y / 12.0 * PI).sin() + 320.0 * (y * PI / 30.0).sin()) * 2.0 / 3.0;
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + ripple
        + (20.0 * (x * PI).sin() + 40.0 * (x / 3.0 * PI).sin()) * 2.0 / 3.0
        + (150.0 * (x / 12.0 * PI).sin() + 300.0 * (x / 30.0 * PI).sin()) * 2.0 / 3.0;
    let lat = it.lat().to_radians();
    let magic = 1.0 - ECCENTRICITY_2 * lat.sin().powi(2);
    let meridian = AXIS_M * (1.0 - ECCENTRICITY_2) / (magic * magic.sqrt()) * PI / 180.0;
    let parallel = AXIS_M / magic.sqrt() * lat.cos() * PI / 180.0;
    held(it.lat() + north / meridian, it.lon() + east / parallel)
}

const BD_TURN: f64 = PI * 3000.0 / 180.0;

fn gcj_to_bd(it: Point) -> Point {
    if !is_shifted(it) {
        return it;
    }
    let (x, y) = (it.lon(), it.lat());
    let radius = x.hypot(y) + 0.000_02 * (y * BD_TURN).sin();
    let angle = y.atan2(x) + 0.000_003 * (x * BD_TURN).cos();
    held(radius * angle.sin() + 0.006, radius * angle.cos() + 0.0065)
}

fn bd_to_gcj(it: Point) -> Point {
    unshift(it, gcj_to_bd)
}

/// Walks back over a shift that has no closed inverse: each round leaves a hundredth of the error.
fn unshift(shifted: Point, shift: fn(Point) -> Point) -> Point {
    let mut guess = shifted;
    for _ in 0..6 {
        let there = shift(guess);
        let lat_e7 = guess.lat_e7 + shifted.lat_e7 - there.lat_e7;
        let lon_e7 = guess.lon_e7 + shifted.lon_e7 - there.lon_e7;
        let next = Point { lat_e7, lon_e7 };
        if next == guess || !is_shifted(next) {
            break;
        }
        guess = next;
    }
    guess
}

fn held(lat: f64, lon: f64) -> Point {
    let lat_e7 = (lat.clamp(-90.0, 90.0) * E7).round() as i64;
    Point { lat_e7, lon_e7: (lon.clamp(-180.0, 180.0) * E7).round() as i64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(lat_e7: i64, lon_e7: i64) -> Point {
        Point { lat_e7, lon_e7 }
    }

    #[test]
    fn known_distances_come_out() {
        let beijing = at(399_042_000, 1_164_074_000);
        let shanghai = at(312_304_000, 1_214_737_000);
        assert!((1_066_000..=1_070_000).contains(&beijing.distance_m(shanghai)));
        assert_eq!(beijing.distance_m(beijing), 0);
        // A degree of the meridian, and half around the world over the date line.
        assert_eq!(at(0, 0).distance_m(at(10_000_000, 0)), 111_195);
        assert_eq!(at(0, 1_799_999_000).distance_m(at(0, -1_799_999_000)), 22);
        assert_eq!(at(0, 0).distance_m(at(0, 1_800_000_000)), 20_015_114);
    }

    #[test]
    fn a_number_out_of_range_is_refused_by_name() {
        assert_eq!(Point::new(900_000_001, 0), Err(GeoError::Latitude));
        assert_eq!(Point::new(0, -1_800_000_001), Err(GeoError::Longitude));
        assert_eq!(Point::from_degrees(f64::NAN, 0.0), Err(GeoError::Latitude));
        assert_eq!(Point::from_degrees(0.0, f64::INFINITY), Err(GeoError::Longitude));
        assert_eq!(Point::from_degrees(39.9042, 116.4074), Ok(at(399_042_000, 1_164_074_000)));
    }

    #[test]
    fn the_shifted_datums_agree_with_the_published_numbers() {
        // Tian'anmen as the common open converters give it.
        let wgs = at(399_087_230, 1_163_974_990);
        let near = |it: Point, lat: f64, lon: f64| {
            assert!((it.lat() - lat).abs() < 2e-5 && (it.lon() - lon).abs() < 2e-5, "{it}");
        };
        near(Datum::Gcj02.from_wgs84(wgs), 39.910_127, 116.403_743);
        near(Datum::Bd09.from_wgs84(wgs), 39.916_452, 116.410_117);
        assert!(wgs.distance_m(Datum::Gcj02.from_wgs84(wgs)) > 500);
        let munich = at(481_371_000, 115_754_000);
        assert_eq!(Datum::Gcj02.from_wgs84(munich), munich);
        assert_eq!(munich.to_string(), "48.1371000,11.5754000");
        assert_eq!(at(-5, -10_000_000).to_string(), "-0.0000005,-1.0000000");
    }

    proptest! {
        #[test]
        fn a_point_comes_back_from_every_datum(
            lat_e7 in 100_000_000_i64..550_000_000, lon_e7 in 730_000_000_i64..1_370_000_000,
        ) {
            let point = at(lat_e7, lon_e7);
            for &datum in Datum::ALL {
                let back = datum.to_wgs84(datum.from_wgs84(point));
                prop_assert!((back.lat_e7 - lat_e7).abs() <= 10, "{datum} {point} {back}");
                prop_assert!((back.lon_e7 - lon_e7).abs() <= 10, "{datum} {point} {back}");
            }
        }

        #[test]
        fn distance_is_the_same_both_ways_and_the_box_around_holds_it(
            a in (-LAT_E7_MAX..=LAT_E7_MAX, -LON_E7_MAX..=LON_E7_MAX),
            turn in (-2_000_000_i64..2_000_000, -2_000_000_i64..2_000_000),
        ) {
            let from = at(a.0, a.1);
            let to = at(
                (a.0 + turn.0).clamp(-LAT_E7_MAX, LAT_E7_MAX),
                (a.1 + turn.1).clamp(-LON_E7_MAX, LON_E7_MAX),
            );
            let metres = from.distance_m(to);
            prop_assert_eq!(metres, to.distance_m(from));
            let (south_west, north_east) = from.around(metres + 1);
            prop_assert!(south_west.lat_e7 <= to.lat_e7 && to.lat_e7 <= north_east.lat_e7);
            prop_assert!(south_west.lon_e7 <= to.lon_e7 && to.lon_e7 <= north_east.lon_e7);
        }
    }
}
