//! The guided day: what happened to an order of each ending, in the words of its timeline.

use std::collections::BTreeMap;

use base::civil;
use deal::order::Order;

use super::world::World;
use crate::say::Refused;

/// Tells of the first order of each ending.
pub(crate) fn tell(world: &World, lane: &lane::Lane) -> Result<String, Refused> {
    let mut first: BTreeMap<&'static str, Order> = BTreeMap::new();
    for order in world.orders()? {
        let used = world.passes(order.id)?.iter().any(|it| it.used > 0);
        let ending = match order.state.code() {
            "completed" if !used => "nobody came",
            "completed" => "kept",
            other => other,
        };
        first.entry(ending).or_insert(order);
    }
    let mut told = format!("{}: a day on it.\n", lane.name.en);
    for (ending, order) in first {
        told.push_str(&one(world, lane, ending, &order)?);
    }
    Ok(told)
}

fn one(world: &World, lane: &lane::Lane, ending: &str, order: &Order) -> Result<String, Refused> {
    let (id, premises) = (order.id, order.premises);
    let (place, events) = world.db.read(move |tx| {
        Ok::<_, store::StoreError>((
            party::premises::by_id(tx, premises)?,
            deal::timeline::of(tx, id)?,
        ))
    })?;
    let name = place.map_or_else(String::new, |it| it.name_en.unwrap_or(it.name));
    let mut told = format!("\n{name}, {}: {ending}\n", order.total);
    for event in events {
        let (date, time) = civil::local(event.at, &lane.zone);
        told.push_str(&format!("  {date} {time}  {}\n", words(&event.kind)));
    }
    Ok(told)
}

/// An event in words.
fn words(kind: &str) -> &str {
    match kind {
        "order.placed" => "she orders",
        "order.payment_rule_met" => "her payment is there",
        "order.accepted" => "the merchant agrees; the pass is issued",
        "order.declined" => "declined; everything goes back",
        "order.lapsed" => "the time to pay is over; the shelf is free again",
        "order.cancelled" => "she calls it off, for what the terms say",
        "order.part_cancelled" => "she takes one thing out",
        "order.paid_too_late" => "money comes too late and goes back by itself",
        "order.settled" => "the money moves to the merchant, less the platform's share",
        "order.completed" => "done",
        "fulfilment.packed" => "it is ready",
        "fulfilment.kept" => "she has it",
        "fulfilment.no_show" => "nobody came; the terms say what that costs",
        "pass.redeemed" => "her pass is scanned, once",
        "review.written" => "she says how it was",
        other => other,
    }
}
