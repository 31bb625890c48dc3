//! The lane's pictures: drawn by code, kept as blobs.

use lane::demo::{Business, Offer};
use store::{BlobId, Db};

use crate::say::Refused;

/// The pictures of the lane are drawn from this number: every house has the same.
const SEED: u64 = 1;

/// The picture of an offer, put where blobs lie; durable when this returns.
pub(crate) fn of(db: &Db, shop: &Business, offer: &Offer) -> Result<BlobId, Refused> {
    let drawn = lane::picture::offer(SEED, shop, offer);
    Ok(db.blobs().put(drawn.as_bytes(), "image/svg+xml")?)
}
