//! `hutong demo`: the demo lane, and a trading day on it.

mod agenda;
mod books;
mod day;
mod dice;
mod line;
pub(crate) mod load;
mod osm;
mod past;
mod picture;
mod tale;
mod tally;
mod world;

use std::path::PathBuf;

use base::civil::{self, CivilDate};
use base::geo::Point;
use base::{Currency, Money, Timestamp};
use deal::order::ReturnRule;
use deal::promotion::{Funding, Kind, Promotion};
use lane::osm::Place;
use party::Actor;
use store::{Clock, Db, Target};

use self::day::Day;
use self::dice::Dice;
use self::world::{Consumer, Shop, World};
use crate::cli::Line;
use crate::say::{Refused, Report, bar};
use crate::{audit, house};

/// Options of the demo.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Simulate one trading day in a fresh database.
    #[arg(long)]
    day: bool,
    /// Tell what happened to some of the day's orders.
    #[arg(long, requires = "day")]
    guided: bool,
    /// How many people come.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    consumers: u32,
    /// Where chance begins: the same seed, the same day.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Real places (GeoJSON of OpenStreetMap) that trade beside the lane; they get offers by category.
    #[arg(long, value_name = "FILE", requires = "day")]
    osm: Option<PathBuf>,
}

/// The simulated day: a Saturday, when every shop of the lane is open at some hour.
const DAY: (i64, i64, i64) = (2026, 11, 28);
/// The platform's share in the demo: 5 %.
const COMMISSION_PPM: i64 = 50_000;

/// Runs the demo.
pub(crate) fn run(line: &Line, options: &Options) -> Result<Report, Refused> {
    if !options.day {
        return load_only(line);
    }
    let places = options.osm.as_deref().map_or_else(|| Ok(Vec::new()), osm::read)?;
    let temporary = (!line.names_database()).then(scratch).transpose()?;
    let target = match &temporary {
        Some(folder) => Target::Sqlite { data: folder.clone() },
        None => line.target()?,
    };
    let outcome = fresh(&target).and_then(|db| {
        let report = simulate(&db, options, (&places, temporary.is_none()));
        db.close();
        report
    });
    if let Some(folder) = temporary {
        let _ = std::fs::remove_dir_all(folder);
    }
    outcome
}

/// A folder of its own for a day that nobody keeps.
fn scratch() -> Result<PathBuf, Refused> {
    let mut name = [0_u8; 8];
    getrandom::fill(&mut name).map_err(|error| Refused::new(error.to_string()))?;
    let folder = std::env::temp_dir().join(format!("hutong-{:016x}", u64::from_be_bytes(name)));
    std::fs::create_dir_all(&folder)
        .map_err(|error| Refused::new(format!("{}: {error}", folder.display())))?;
    Ok(folder)
}

/// Opens a database that holds nothing yet.
fn fresh(target: &Target) -> Result<Db, Refused> {
    let db = house::open(target)?;
    if db.read(load::holds_data)? {
        db.close();
        return Err(Refused::new(
            "the database holds data already; name an empty one with --data or --database, \
             or leave both out for a temporary one",
        ));
    }
    Ok(db)
}

fn load_only(line: &Line) -> Result<Report, Refused> {
    let db = fresh(&line.target()?)?;
    let lane = lane::Lane::demo()?;
    let now = Clock::system().now();
    let (loaded, told) = with_past(&db, now, &lane, true)?;
    db.close();
    let offers: usize = lane.businesses.iter().map(|it| it.offers.len()).sum();
    let past::Told { pictures, orders, reviews, answers } = told;
    let json = serde_json::json!({
        "businesses": loaded.len(), "offers": offers, "pictures": pictures,
        "past_orders": orders, "reviews": reviews, "answers": answers,
    });
    let text = format!(
        "{} is loaded: {} businesses with {offers} offers, {pictures} pictures, {orders} past \
         orders and {reviews} reviews. `hutong check` audits it, `hutong export offers` writes the \
         offers out.",
        lane.name.en,
        loaded.len()
    );
    Ok(Report::good(json, text))
}

/// Loads the lane with its past before the day of `now`.
fn with_past(
    db: &Db,
    now: Timestamp,
    lane: &lane::Lane,
    pictures: bool,
) -> Result<(Vec<load::Loaded>, past::Told), Refused> {
    let progress = bar(lane.businesses.len() as u64, "loading the lane");
    let history = past::History::plan(db, lane, now)?;
    commission(db, history.begins(), COMMISSION_PPM)?;
    let loaded = load::with_past(db, &history, lane, (pictures, || progress.inc(1)))?;
    progress.finish_and_clear();
    Ok(loaded)
}

fn simulate(
    db: &Db,
    options: &Options,
    (places, keeps): (&[Place], bool),
) -> Result<Report, Refused> {
    let date = CivilDate::new(DAY.0, DAY.1, DAY.2)?;
    let lane = lane::Lane::demo()?;
    let opens = civil::start_of_day(date, &lane.zone);
    let mut dice = Dice::new(options.seed ^ 0xfeed);
    // A day that nobody keeps is not looked at: it needs no pictures.
    let (mut loaded, _) = with_past(db, opens, &lane, keeps)?;
    let mut middles = vec![lane.businesses[lane.businesses.len() / 2].point];
    for (shop, point) in osm::shops(db, opens, &lane, places)? {
        loaded.push(shop);
        middles.push(point);
    }
    let mut shops = Vec::new();
    for it in loaded {
        shops.push(Shop {
            premises: it.premises,
            organisation: it.organisation,
            owner: it.owner,
            promotion: promotion(db, opens, &it, &mut dice)?,
        });
    }
    let mut world = World::new(db.clone(), options.seed, opens, shops)?;
    world.forget_past()?;
    people(&mut world, &lane, (options.consumers, &middles), &mut dice)?;
    let progress = bar(u64::from(options.consumers), "a trading day");
    let tally = Day::new(&mut world, options.seed, opens).run(|n| progress.inc(n))?;
    progress.finish_and_clear();
    let now = world.now();
    house::number_events(db)?;
    let violations = db.read(move |tx| house::audit(tx, now))?;
    let mut text = format!("{}\n{}", tally.text(violations.len()), audit::lines(&violations));
    if options.guided {
        text = format!("{}\n{text}", tale::tell(&world, &lane)?);
    }
    Ok(Report { json: tally.json(&violations), text, good: violations.is_empty() })
}

/// The platform's own rule for its share.
pub(crate) fn commission(db: &Db, now: Timestamp, rate_ppm: i64) -> Result<(), Refused> {
    let rule = treasury::commission::SetRule {
        version: 1,
        merchant: None,
        rate_ppm,
        valid_from: treasury::day::business_day(now),
        valid_to: None,
        source: "the demo lane's own rule".to_owned(),
    };
    db.write(move |tx| treasury::commission::set_rule(tx, now, &rule))?;
    Ok(())
}

/// Some shops give a reduction of their own, some one that the platform funds.
fn promotion(
    db: &Db,
    now: Timestamp,
    at: &load::Loaded,
    dice: &mut Dice,
) -> Result<Option<deal::PromotionId>, Refused> {
    let (funding, actor) = match dice.between(0, 12) {
        0..=3 => (Funding::MERCHANT, Actor::Person(at.owner)),
        4..=6 => (Funding::PLATFORM, Actor::Platform),
        _ => return Ok(None),
    };
    let fixed = dice.chance(50);
    let kind = match fixed {
        true => Kind::Amount { off_minor: 500 },
        false => Kind::Percent { off_ppm: 100_000, plus_minor: 0 },
    };
    let threshold = Money::new(3_000, Currency::CNY);
    let valid = (now, now.plus_s(400 * 86_400));
    let promotion = Promotion {
        funding,
        return_rule: if fixed { ReturnRule::TestThreshold } else { ReturnRule::KeepShare },
        ..Promotion::plain(db.ids().next(), at.organisation, kind, threshold, valid)
    };
    let id = promotion.id;
    db.write(move |tx| deal::promotion::create(tx, now, actor, &promotion))?;
    Ok(Some(id))
}

/// Registers the day's consumers, each with a sealed name.
fn people(
    world: &mut World,
    lane: &lane::Lane,
    (count, middles): (u32, &[Point]),
    dice: &mut Dice,
) -> Result<(), Refused> {
    let progress = bar(u64::from(count), "people come");
    let now = world.now();
    for at in 0..count as usize {
        let name = &lane.customers[at % lane.customers.len()].zh;
        let person = load::person(&world.db, name)?;
        // Every other one lives by the lane, the rest near one of the map's places.
        let middle = if at % 2 == 0 { middles[0] } else { middles[at / 2 % middles.len()] };
        let consumer = Consumer { id: person.id, point: line::somewhere(dice, middle) };
        world.consumers.push(consumer);
        world
            .db
            .write(move |tx| party::person::register_person(tx, now, person.clone()).map(drop))?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(())
}
