//! Pictures of a place: blobs, named by the hash of their bytes, in the order in which they are
//! shown. The bytes are put before they are named; they show the place and nobody in it.

use base::{Id as _, Timestamp};
use store::{BlobId, Fact, StoreError, Tx, args};

use super::ChangeError;
use super::change::changeable;
use crate::invalid::need;
use crate::rights::Actor;
use crate::{PremisesId, tell};

/// The most pictures of one place.
pub const MEDIA_MAX: usize = 20;

/// Sets the pictures of premises.
#[derive(Clone, Debug)]
pub struct SetMedia {
    /// Who asks.
    pub actor: Actor,
    /// Of which place.
    pub premises: PremisesId,
    /// All of its pictures, at most [`MEDIA_MAX`], each once; none takes them away.
    pub blobs: Vec<BlobId>,
}

/// Sets the pictures of premises instead of those that were there.
pub fn set_media(tx: &mut Tx<'_>, now: Timestamp, cmd: SetMedia) -> Result<(), ChangeError> {
    let at = changeable(tx, cmd.actor, cmd.premises)?;
    let mut once = cmd.blobs.clone();
    once.sort();
    once.dedup();
    let right = cmd.blobs.len() <= MEDIA_MAX && once.len() == cmd.blobs.len();
    need(right, "blobs", "at most 20 pictures, each once, are needed")?;
    tx.later("delete from premises_media where premises = $1", args![at.id])?;
    for (position, blob) in (0_i64..).zip(&cmd.blobs) {
        let sql = "insert into premises_media (premises, position, blob) values ($1, $2, $3)";
        tx.later(sql, args![at.id, position, *blob])?;
    }
    let facts = [("pictures", Fact::Count(cmd.blobs.len() as i64))];
    tell(tx, now, "premises.pictured", at.id.raw(), cmd.actor, &facts)?;
    Ok(())
}

/// The pictures of premises, in order.
pub fn media_of(tx: &mut Tx<'_>, premises: PremisesId) -> Result<Vec<BlobId>, StoreError> {
    let sql = "select blob from premises_media where premises = $1 order by position";
    tx.all(sql, args![premises], |row| row.get(0))
}
