//! The demo lane: an invented street with its shops, people, goods and prices.
//!
//! Promise: [`Lane::demo`] gives the same lane on every machine. Everything in it is made up; the
//! district and its division code are real, so that rules by area have something to hold on to.
//! Invariants, kept by the unit tests of this module: keys are unique (businesses in the lane,
//! offers in a business, variants in an offer), every named option group and resource exists,
//! prices are above zero, appointments fill whole cells of their resource's grid, check digits hold.

use base::civil::{CivilDate, Zone};
use base::codes::{DivisionCode, Gtin, Uscc};
use base::geo::Point;
use base::hours::Hours;
use base::{Currency, Money};

use crate::category::Category;
use crate::raw;

/// A text in the lane's two languages.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Text {
    /// Chinese, as a neighbour would write it.
    pub zh: String,
    /// English.
    pub en: String,
}

/// The whole lane.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The lane's name.
    pub name: Text,
    /// One sentence about it, which says that it is invented.
    pub about: Text,
    /// City and district, the head of every address.
    pub district: Text,
    /// GB/T 2260 code of the district.
    pub division: DivisionCode,
    /// The zone of every place in the lane.
    pub zone: Zone,
    /// The currency of every price.
    pub currency: Currency,
    /// People who bought here before; invented names.
    pub customers: Vec<Text>,
    /// The businesses, by house number.
    pub businesses: Vec<Business>,
}

/// One business: an organisation, its premises, its people, and what it sells.
#[derive(Clone, Debug)]
pub struct Business {
    /// Stable key within the lane, such as `wang-noodles`.
    pub key: String,
    /// The name on the sign.
    pub name: Text,
    /// What kind of business it is.
    pub category: Category,
    /// One sentence in the shop's own voice.
    pub about: Text,
    /// House number in the lane; even numbers stand on the north side.
    pub house: u32,
    /// The address: district, lane, number.
    pub address: Text,
    /// Where it is, in WGS 84.
    pub point: Point,
    /// Opening hours.
    pub hours: Hours,
    /// The registered name.
    pub legal_name: String,
    /// Unified social credit code (GB 32100), check characters right, holder invented.
    pub uscc: Uscc,
    /// Licences; the first is the business licence.
    pub licences: Vec<Licence>,
    /// The people who work here; the first is the owner.
    pub staff: Vec<Staff>,
    /// Tax that is included in every price, in parts per million.
    pub tax_ppm: i64,
    /// What a dish taken away costs for its packing; zero when nothing is asked.
    pub packing_fee: Money,
    /// What is booked by the slot here.
    pub resources: Vec<Resource>,
    /// What is sold.
    pub offers: Vec<Offer>,
}

base::plain_enum! {
    /// What a licence allows.
    pub enum LicenceKind {
        Business = "business", FoodSales = "food_sales", Catering = "catering",
        Canteen = "canteen", MedicalPractice = "medical_practice",
        AnimalPractice = "animal_practice", MedicalDevices = "medical_devices",
        Medicines = "medicines", PublicHealth = "public_health",
        SpecialTrade = "special_trade", Publications = "publications",
    }
}

impl LicenceKind {
    /// The office that issues it in the lane's district: Chinese, English.
    pub const fn issuer(self) -> (&'static str, &'static str) {
        match self {
            Self::Business
            | Self::FoodSales
            | Self::Catering
            | Self::Canteen
            | Self::MedicalDevices
            | Self::Medicines => {
                ("北京市东城区市场监督管理局", "Dongcheng Market Regulation Bureau, Beijing")
            }
            Self::MedicalPractice | Self::PublicHealth => {
                ("北京市东城区卫生健康委员会", "Dongcheng Health Commission, Beijing")
            }
            Self::AnimalPractice => {
                ("北京市东城区农业农村局", "Dongcheng Agriculture Bureau, Beijing")
            }
            Self::SpecialTrade => {
                ("北京市公安局东城分局", "Dongcheng Public Security Branch, Beijing")
            }
            Self::Publications => {
                ("北京市东城区新闻出版局", "Dongcheng Press and Publication Bureau, Beijing")
            }
        }
    }
}

/// A licence with its term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// What it allows.
    pub kind: LicenceKind,
    /// Its number; of food licences `JY`, 13 digits and an ISO 7064 MOD 11,10 check digit.
    pub number: String,
    /// The first valid day.
    pub valid_from: CivilDate,
    /// The last valid day; none for an open term.
    pub valid_until: Option<CivilDate>,
}

base::plain_enum! {
    /// What somebody may do in her shop; the codes are those of organisations' roles.
    pub enum StaffRole { Owner = "owner", Manager = "manager", Clerk = "clerk" }
}

/// Somebody who works in a shop; invented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staff {
    /// Her name.
    pub name: Text,
    /// Her role.
    pub role: StaffRole,
}

/// What is booked by the slot: a chair, a doctor, a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Key within the business.
    pub key: String,
    /// Its name.
    pub title: Text,
    /// The grid of its slots in minutes.
    pub grid_min: u32,
    /// How many can be served in one slot.
    pub seats: u32,
}

base::plain_enum! {
    /// The kinds of offers; the codes are those of the catalogue.
    pub enum OfferKind {
        Goods = "goods", Dish = "dish", Voucher = "voucher", Appointment = "appointment",
    }
}

base::plain_enum! {
    /// How an offer reaches the customer.
    pub enum Fulfilment { Pickup = "pickup", OnSite = "on_site" }
}

/// Something that can be bought.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Key within the business, made from the English title.
    pub key: String,
    /// What kind of offer it is; it decides terms and fulfilment.
    pub kind: OfferKind,
    /// What it is called.
    pub title: Text,
    /// At least one; several when the customer chooses a size.
    pub variants: Vec<Variant>,
    /// What else she chooses.
    pub groups: Vec<Group>,
    /// How it reaches her.
    pub fulfilments: Vec<Fulfilment>,
    /// Minutes from acceptance until it is ready; zero for vouchers and appointments.
    pub lead_min: u32,
    /// The article number of goods: GTIN-13 in the range for numbers inside a shop (GS1 prefix 21).
    pub gtin: Option<Gtin>,
    /// Of vouchers: uses and days.
    pub voucher: Option<VoucherTerms>,
    /// Of appointments: which resource and how long.
    pub appointment: Option<Appointment>,
    /// The terms of sale.
    pub terms: Terms,
}

/// One size or make of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Key within the offer.
    pub key: String,
    /// What it is called; none when the offer has only this one.
    pub title: Option<Text>,
    /// Price with tax.
    pub price: Money,
    /// Units on hand; none when it is not counted.
    pub stock: Option<i64>,
}

/// A group of options, of which between `min` and `max` are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Key within the offer.
    pub key: String,
    /// What is chosen.
    pub title: Text,
    /// At least so many.
    pub min: u32,
    /// At most so many.
    pub max: u32,
    /// What can be chosen.
    pub options: Vec<Choice>,
}

/// One option of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Key within the group.
    pub key: String,
    /// What it is called.
    pub title: Text,
    /// What it adds to the price; never below zero.
    pub delta: Money,
}

/// How a voucher is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct VoucherTerms {
    /// How often it is taken.
    pub uses: u32,
    /// For how many days from the purchase.
    pub valid_days: u32,
}

/// Which resource an appointment takes, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Appointment {
    /// Length in minutes, a multiple of the resource's grid.
    pub minutes: u32,
    /// Key of the resource.
    pub resource: String,
}

/// Until when a customer cancels without a fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeCancel {
    /// Until the shop has accepted.
    UntilAccepted,
    /// Until the shop has packed it.
    UntilReady,
    /// Until so many seconds before the start.
    BeforeStart(i64),
    /// As long as it is not used.
    UntilUsed,
}

/// Terms of sale, one set for each kind of offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Until when cancelling is free.
    pub free_cancel: FreeCancel,
    /// What a later cancel costs, in parts per million of the price.
    pub late_cancel_fee_ppm: i64,
    /// What not coming costs, in parts per million of the price.
    pub no_show_fee_ppm: i64,
}

impl Terms {
    /// The lane's terms for a kind of offer. A dish once begun is paid half when it is cancelled and
    /// whole when nobody comes; goods go back to the shelf; a voucher is refunded while unused; an
    /// appointment is free until two hours before.
    pub const fn of(kind: OfferKind) -> Self {
        let (free_cancel, late_cancel_fee_ppm, no_show_fee_ppm) = match kind {
            OfferKind::Dish => (FreeCancel::UntilAccepted, 500_000, 1_000_000),
            OfferKind::Goods => (FreeCancel::UntilReady, 0, 100_000),
            OfferKind::Voucher => (FreeCancel::UntilUsed, 0, 0),
            OfferKind::Appointment => (FreeCancel::BeforeStart(7_200), 300_000, 500_000),
        };
        Self { free_cancel, late_cancel_fee_ppm, no_show_fee_ppm }
    }
}

/// Why the lane's files could not be read. It cannot happen with the files that ship, which is
/// tested; an edited file says here where it is wrong.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// Not JSON of the expected shape.
    #[error("{file}: {source}")]
    Json {
        /// The file.
        file: &'static str,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// A word that is not one of ours.
    #[error("{at}: `{word}` is no {what}")]
    Word {
        /// Business and offer.
        at: String,
        /// What was expected.
        what: &'static str,
        /// What stands there.
        word: String,
    },
    /// A code, a day, a zone, a point or hours that cannot be.
    #[error("{at}: {why}")]
    Value {
        /// The business.
        at: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A rule of the lane is broken.
    #[error("{at}: {rule}")]
    Rule {
        /// Business and offer.
        at: String,
        /// The rule.
        rule: &'static str,
    },
}

impl Lane {
    /// The lane that ships.
    pub fn demo() -> Result<Self, LaneError> {
        raw::lane()
    }

    /// A business by its key.
    pub fn business(&self, key: &str) -> Option<&Business> {
        self.businesses.iter().find(|it| it.key == key)
    }
}

impl Business {
    /// An offer by its key.
    pub fn offer(&self, key: &str) -> Option<&Offer> {
        self.offers.iter().find(|it| it.key == key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_lane_reads_whole_and_keeps_its_rules() {
        let lane = Lane::demo().unwrap();
        let offers: usize = lane.businesses.iter().map(|it| it.offers.len()).sum();
        println!("{} businesses, {offers} offers", lane.businesses.len());
        assert!(lane.businesses.len() >= 60);
        assert!(lane.businesses.iter().all(|it| (6..=13).contains(&it.offers.len())));
        let categories: HashSet<_> = lane.businesses.iter().map(|it| it.category).collect();
        assert!(categories.len() >= 50, "{}", categories.len());
        for kind in OfferKind::ALL {
            let many =
                lane.businesses.iter().flat_map(|it| &it.offers).filter(|it| it.kind == *kind);
            assert!(many.count() >= 40, "{kind}");
        }
        let last_units = lane.businesses.iter().flat_map(|it| &it.offers);
        let last_units = last_units.flat_map(|it| &it.variants).filter(|it| it.stock == Some(1));
        assert!(last_units.count() >= 5);
    }

    #[test]
    fn the_lane_is_one_street_of_about_600_metres() {
        let lane = Lane::demo().unwrap();
        let west = lane.businesses.iter().map(|it| it.point).min_by_key(|it| it.lon_e7).unwrap();
        let east = lane.businesses.iter().map(|it| it.point).max_by_key(|it| it.lon_e7).unwrap();
        let metres = west.distance_m(east);
        assert!((550..=650).contains(&metres), "{metres}");
        let houses: Vec<u32> = lane.businesses.iter().map(|it| it.house).collect();
        assert!(houses.windows(2).all(|it| it[0] < it[1]));
    }

    #[test]
    fn every_business_has_an_owner_a_licence_and_an_invented_code() {
        for it in Lane::demo().unwrap().businesses {
            assert_eq!(it.staff[0].role, StaffRole::Owner, "{}", it.key);
            assert_eq!(it.licences[0].kind, LicenceKind::Business, "{}", it.key);
            assert_eq!(it.licences[0].number, it.uscc.as_str(), "{}", it.key);
            assert!(it.uscc.organisation().starts_with("HUTNG"), "{}", it.key);
            assert!(it.uscc.warnings().is_empty(), "{}: {:?}", it.key, it.uscc.warnings());
        }
    }

    #[test]
    fn licences_end_after_they_begin_and_the_district_is_a_real_one() {
        let lane = Lane::demo().unwrap();
        assert!(lane.division.is_known());
        for it in lane.businesses.iter().flat_map(|it| &it.licences) {
            assert!(it.valid_until.is_none_or(|until| it.valid_from < until), "{}", it.number);
        }
    }

    #[test]
    fn food_licences_carry_their_check_digit() {
        let lane = Lane::demo().unwrap();
        let all = lane.businesses.iter().flat_map(|it| &it.licences);
        let food: Vec<_> = all.filter(|it| it.number.starts_with("JY")).collect();
        assert!(food.len() >= 25);
        for it in food {
            let digits: Vec<u32> =
                it.number[2..].chars().map(|c| c.to_digit(10).unwrap()).collect();
            assert_eq!(digits.len(), 14);
            let mut product = 10;
            for digit in &digits[..13] {
                let sum = (digit + product) % 10;
                product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
            }
            assert_eq!((product + digits[13]) % 10, 1, "{}", it.number);
        }
    }

    #[test]
    fn an_edited_file_says_where_it_is_wrong() {
        let err = raw::json::<Vec<Text>>("x.json", "[{\"zh\": 1}]").unwrap_err();
        assert!(err.to_string().starts_with("x.json: invalid type: integer `1`"), "{err}");
    }
}
