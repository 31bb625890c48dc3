//! The lane's pictures: drawn by code, kept as blobs.

use base::Timestamp;
use lane::demo::{Business, Offer};
use party::Actor;
use party::premises::SetMedia;
use store::{BlobId, Db};

use super::load::Loaded;
use crate::say::Refused;

/// The pictures of the lane are drawn from this number: every house has the same.
const SEED: u64 = 1;

/// The picture of an offer, put where blobs lie; durable when this returns.
pub(crate) fn of(db: &Db, shop: &Business, offer: &Offer) -> Result<BlobId, Refused> {
    let drawn = lane::picture::offer(SEED, shop, offer);
    Ok(db.blobs().put(drawn.as_bytes(), "image/svg+xml")?)
}

/// The picture of a shop's door, put where blobs lie and hung up at the shop.
pub(crate) fn door(db: &Db, now: Timestamp, at: &Loaded, shop: &Business) -> Result<(), Refused> {
    let drawn = lane::picture::door(SEED, shop);
    let blob = db.blobs().put(drawn.as_bytes(), "image/svg+xml")?;
    let cmd = SetMedia { actor: Actor::Person(at.owner), premises: at.premises, blobs: vec![blob] };
    Ok(db.write(move |tx| party::premises::set_media(tx, now, cmd.clone()))?)
}
