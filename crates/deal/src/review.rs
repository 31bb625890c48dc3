//! Reviews: only of what was kept, once an order, by who experienced it; answered once.

use base::Timestamp;
use party::{Actor, MayError, PartyId, PremisesId, Right, Scope};
use store::{Fact, Result, Row, StoreError, Tx, args};

use crate::fulfilment::{self, FulfilmentState, emit};
use crate::ids::{OrderId, ReviewId};
use crate::inner::Inner;
use crate::order;

/// A rating of what was kept.
#[derive(Clone, Debug)]
pub struct WriteReview {
    /// Its id.
    pub id: ReviewId,
    /// The order that was kept.
    pub order: OrderId,
    /// Who experienced it.
    pub author: PartyId,
    /// 1 to 5.
    pub stars: i64,
    /// Her words, sealed under her free key: they go when she is erased.
    pub words: Option<Vec<u8>>,
}

/// Why a review is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// No such order of hers.
    #[error("no such order")]
    Unknown,
    /// The number of stars.
    #[error("stars: {got} is not from 1 to 5")]
    Stars {
        /// What was given.
        got: i64,
    },
    /// Nothing of it was kept.
    #[error("only what was kept can be reviewed")]
    NotKept,
    /// She has reviewed it.
    #[error("this order was reviewed before")]
    Already,
    /// Not the actor's to answer.
    #[error(transparent)]
    May(#[from] MayError),
    /// It was answered before: an answer is given once.
    #[error("this review was answered before")]
    Answered,
    /// See [`Inner`].
    #[error(transparent)]
    Inner(#[from] Inner),
}

impl From<StoreError> for ReviewError {
    fn from(error: StoreError) -> Self {
        Self::Inner(error.into())
    }
}

/// Takes a review of a kept order; the date of the experience comes from the fulfilment.
pub fn write(tx: &mut Tx<'_>, now: Timestamp, cmd: WriteReview) -> Result<(), ReviewError> {
    let order = order::by_id(tx, cmd.order)?.filter(|it| it.buyer == cmd.author);
    let order = order.ok_or(ReviewError::Unknown)?;
    if !(1..=5).contains(&cmd.stars) {
        return Err(ReviewError::Stars { got: cmd.stars });
    }
    let kept = fulfilment::of_order(tx, order.id)?
        .into_iter()
        .find(|it| it.state == FulfilmentState::Kept)
        .ok_or(ReviewError::NotKept)?;
    let count = tx.exec(
        "insert into review (id, orders, fulfilment, author, merchant, premises, stars, words, \
         experienced_at, made_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         on conflict do nothing",
        args![
            cmd.id,
            order.id,
            kept.id,
            cmd.author,
            order.merchant,
            order.premises,
            cmd.stars,
            cmd.words,
            kept.ended_at,
            now
        ],
    )?;
    if count == 0 {
        return Err(ReviewError::Already);
    }
    let facts = [("stars", Fact::Count(cmd.stars))];
    emit(tx, now, &order, "review.written", Actor::Person(cmd.author), &facts)?;
    Ok(())
}

/// The merchant's answer, once and in public.
#[derive(Clone, Debug)]
pub struct AnswerReview {
    /// The review.
    pub review: ReviewId,
    /// Who answers.
    pub actor: Actor,
    /// What she says, in public.
    pub answer: String,
}

/// Answers a review.
pub fn answer(tx: &mut Tx<'_>, now: Timestamp, cmd: AnswerReview) -> Result<(), ReviewError> {
    let it = by_id(tx, cmd.review)?.ok_or(ReviewError::Unknown)?;
    let scope = Scope { organisation: it.merchant, premises: Some(it.premises) };
    party::may(tx, cmd.actor, Right::AnswerReviews, scope)?;
    let count = tx.exec(
        "update review set answer = $2, answered_at = $3 where id = $1 and answered_at is null",
        args![cmd.review, cmd.answer, now],
    )?;
    if count == 0 {
        return Err(ReviewError::Answered);
    }
    Ok(())
}

/// A review as it stands.
#[derive(Clone, Debug)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The order.
    pub order: OrderId,
    /// Who wrote it.
    pub author: PartyId,
    /// Whom it is about.
    pub merchant: PartyId,
    /// Where.
    pub premises: PremisesId,
    /// 1 to 5.
    pub stars: i64,
    /// Sealed words.
    pub words: Option<Vec<u8>>,
    /// When it was experienced.
    pub experienced_at: Timestamp,
    /// The merchant's answer.
    pub answer: Option<String>,
}

const COLUMNS: &str = "select id, orders, author, merchant, premises, stars, words, \
    experienced_at, answer from review";

fn read(row: &Row<'_>) -> Result<Review> {
    Ok(Review {
        id: row.get(0)?,
        order: row.get(1)?,
        author: row.get(2)?,
        merchant: row.get(3)?,
        premises: row.get(4)?,
        stars: row.get(5)?,
        words: row.get(6)?,
        experienced_at: row.get(7)?,
        answer: row.get(8)?,
    })
}

/// The review of an id.
pub fn by_id(tx: &mut Tx<'_>, id: ReviewId) -> Result<Option<Review>> {
    tx.opt(&format!("{COLUMNS} where id = $1"), args![id], read)
}

/// What a person wrote, oldest first.
pub fn of_author(tx: &mut Tx<'_>, author: PartyId) -> Result<Vec<Review>> {
    let sql =
        format!("{COLUMNS} where orders in (select id from orders where buyer = $1) order by id");
    tx.all(&sql, args![author], read)
}

/// The newest reviews of a place, at most `limit`.
pub fn of_premises(tx: &mut Tx<'_>, premises: PremisesId, limit: i64) -> Result<Vec<Review>> {
    let sql = format!("{COLUMNS} where premises = $1 order by id desc limit $2");
    tx.all(&sql, args![premises, limit], read)
}
