//! From OpenStreetMap's tags to our categories.

use crate::category::Category;
use Category::*;

/// The keys that say what a place is, in the order in which they are asked: a bakery with a café
/// corner is tagged `shop=bakery` and `amenity=cafe`, and is a bakery.
pub(crate) const KEYS: [&str; 9] =
    ["shop", "craft", "amenity", "tourism", "healthcare", "leisure", "office", "club", "historic"];

/// The category of a tag; `None` when it is not a business that sells anything (a bank machine, a
/// school, a bench). A list such as `bakery;pastry` is read from its left.
pub(crate) fn category(key: &str, value: &str) -> Option<Category> {
    value.split(';').map(str::trim).find_map(|value| match key {
        "shop" => shop(value),
        "craft" => craft(value),
        "amenity" => amenity(value),
        "tourism" => tourism(value),
        "healthcare" => healthcare(value),
        "leisure" => leisure(value),
        "office" => office(value),
        _ => None,
    })
}

/// Any value of `shop` is a shop, but for those that say that it is none.
fn shop(value: &str) -> Option<Category> {
    Some(match value {
        "" | "no" | "vacant" | "disused" | "closed" | "bookmaker" | "lottery" | "money_lender" => {
            return None;
        }
        "bakery" | "pastry" => Bakery,
        "butcher" | "seafood" => Butcher,
        "greengrocer" | "farm" => Greengrocer,
        "confectionery" | "chocolate" | "nuts" => SnackShop,
        "ice_cream" => DessertShop,
        "deli" | "cheese" | "dairy" | "grocery" | "health_food" | "spices" | "rice" => Grocer,
        "tea" => TeaShop,
        "alcohol" | "beverages" | "wine" | "coffee" | "coffee_roasting" => DrinksShop,
        "convenience" => Convenience,
        "supermarket" | "wholesale" => Supermarket,
        "mall" | "department_store" | "general" | "variety_store" => DepartmentStore,
        "kiosk" | "newsagent" | "tobacco" | "ticket" | "lift_pass" => Kiosk,
        "books" => Bookshop,
        "second_hand" | "charity" | "antiques" => SecondHand,
        "stationery" => Stationery,
        "toys" | "model" | "games" => ToyShop,
        "gift" | "art" | "craft" | "souvenir" => GiftShop,
        "clothes" | "boutique" | "fashion" | "fabric" | "leather" | "bag" => Clothes,
        "shoes" => Shoes,
        "jewelry" | "watches" => Jewellery,
        "florist" => Florist,
        "garden_centre" | "agrarian" => GardenCentre,
        "pet" | "pets" => PetShop,
        "hardware" | "doityourself" | "paint" | "trade" => Hardware,
        "furniture" | "kitchen" | "interior_decoration" | "houseware" | "bed" | "lighting" => {
            HouseGoods
        }
        "electronics" | "computer" | "mobile_phone" | "hifi" | "appliance" => Electronics,
        "musical_instrument" | "music" => MusicShop,
        "sports" | "outdoor" | "hunting" | "fishing" => SportsShop,
        "bicycle" => BicycleShop,
        "car" | "car_parts" | "motorcycle" | "tyres" => CarTrade,
        "car_repair" | "motorcycle_repair" => CarService,
        "optician" => Optician,
        "pharmacy" => Pharmacy,
        "herbalist" => Herbalist,
        "chemist" | "medical_supply" | "perfumery" | "cosmetics" => Chemist,
        "hairdresser" => Barber,
        "beauty" | "tattoo" => Beauty,
        "massage" => Massage,
        "laundry" | "dry_cleaning" => Laundry,
        "tailor" | "sewing" => Tailor,
        "shoe_repair" => ShoeRepair,
        "locksmith" => KeyCutter,
        "photo" | "photo_studio" => PhotoStudio,
        "copyshop" => PrintShop,
        "plumber" | "glaziery" | "electrical" => Craft,
        "travel_agency" => TravelAgency,
        "insurance" | "estate_agent" => Office,
        "ski_school" => Class,
        _ => Shop,
    })
}

fn craft(value: &str) -> Option<Category> {
    Some(match value {
        "" | "no" | "sawmill" | "agricultural_engines" => return None,
        "tailor" | "dressmaker" => Tailor,
        "shoemaker" => ShoeRepair,
        "key_cutter" | "locksmith" => KeyCutter,
        "photographer" => PhotoStudio,
        "printer" => PrintShop,
        "optician" => Optician,
        "jeweller" | "watchmaker" => Jewellery,
        "brewery" | "winery" | "distillery" => DrinksShop,
        "electronics_repair" => Repair,
        "bakery" | "confectionery" => Bakery,
        "it_consulting" => Office,
        _ => Craft,
    })
}

fn amenity(value: &str) -> Option<Category> {
    Some(match value {
        "restaurant" | "biergarten" | "food_court" => Restaurant,
        "fast_food" => FastFood,
        "canteen" => Canteen,
        "cafe" => Cafe,
        "ice_cream" => DessertShop,
        "bar" | "pub" | "nightclub" => Bar,
        "cinema" => Cinema,
        "theatre" | "arts_centre" => Theatre,
        "marketplace" => Greengrocer,
        "fuel" => Fuel,
        "car_wash" => CarService,
        "bicycle_rental" => BicycleShop,
        "pharmacy" => Pharmacy,
        "doctors" | "clinic" => Clinic,
        "dentist" => Dentist,
        "veterinary" => Vet,
        "internet_cafe" => InternetCafe,
        "karaoke_box" => Karaoke,
        "public_bath" => Bathhouse,
        "dojo" | "language_school" | "music_school" | "driving_school" | "dancing_school" => Class,
        _ => return None,
    })
}

fn tourism(value: &str) -> Option<Category> {
    Some(match value {
        "hotel" | "motel" => Hotel,
        "guest_house" | "hostel" | "apartment" | "chalet" | "camp_site" | "alpine_hut" => {
            Guesthouse
        }
        "museum" | "gallery" => Museum,
        "attraction" | "zoo" | "theme_park" | "aquarium" => Attraction,
        _ => return None,
    })
}

fn healthcare(value: &str) -> Option<Category> {
    Some(match value {
        "doctor"
        | "clinic"
        | "centre"
        | "alternative"
        | "psychotherapist"
        | "physiotherapist"
        | "speech_therapist"
        | "occupational_therapist"
        | "podiatrist"
        | "midwife" => Clinic,
        "dentist" => Dentist,
        "pharmacy" => Pharmacy,
        "optometrist" => Optician,
        _ => return None,
    })
}

fn leisure(value: &str) -> Option<Category> {
    Some(match value {
        "fitness_centre" | "sports_centre" => Gym,
        "bowling_alley" | "swimming_pool" | "escape_game" | "miniature_golf" | "dance"
        | "amusement_arcade" | "water_park" | "ice_rink" => Leisure,
        "sauna" => Bathhouse,
        _ => return None,
    })
}

/// Only offices that take customers.
fn office(value: &str) -> Option<Category> {
    Some(match value {
        "physician" => Clinic,
        "travel_agent" => TravelAgency,
        "lawyer" | "notary" | "tax" | "tax_advisor" | "accountant" | "estate_agent"
        | "insurance" | "architect" => Office,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_becomes_a_category_or_is_no_business() {
        assert_eq!(category("shop", "bakery;pastry"), Some(Bakery));
        assert_eq!(category("shop", "anything_new"), Some(Shop));
        assert_eq!(category("shop", "vacant"), None);
        assert_eq!(category("amenity", "bench;restaurant"), Some(Restaurant));
        assert_eq!(category("amenity", "atm"), None);
        assert_eq!(category("healthcare", "doctor;psychotherapist"), Some(Clinic));
        assert_eq!(category("highway", "bus_stop"), None);
    }
}
