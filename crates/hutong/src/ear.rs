//! What the house hears from a provider, by call-back or as an answer: one transaction each.

use base::Timestamp;
use connect::sender::Told;
use deal::Inner;
use deal::pay::{EventError, OnAnswer, OnEvent};
use store::Db;
use treasury::payment::ProviderEvent;

/// Ids that an event mostly needs.
const FRESH: usize = 64;
/// Ids that the largest checkout needs: three a line of vouchers, and ten an order.
const FRESH_MAX: usize = deal::checkout::BASKETS_MAX * (3 * deal::LINES_MAX + 10);

/// Takes a provider's event in; says whether it was news.
pub(crate) fn event(db: &Db, now: Timestamp, event: ProviderEvent) -> Result<bool, EventError> {
    let take = |fresh: usize| {
        let cmd = OnEvent { event: event.clone(), fresh: db.ids().fresh(fresh) };
        db.write(move |tx| deal::pay::on_event(tx, now, cmd.clone()))
    };
    let recorded = match take(FRESH) {
        Err(EventError::Inner(Inner::TooFewIds(_))) => take(FRESH_MAX)?,
        other => other?,
    };
    Ok(recorded.first_time)
}

/// Takes in what a request brought back.
pub(crate) fn told(db: &Db, now: Timestamp, told: Told) -> Result<(), String> {
    match told {
        Told::Event(it) => event(db, now, it).map(drop).map_err(|error| error.to_string()),
        Told::Answer { key, answered, posting } => {
            let cmd = OnAnswer { key, answered, posting };
            db.write_job(move |tx| deal::pay::on_answer(tx, now, cmd.clone()))
                .map(drop)
                .map_err(|error| error.to_string())
        }
    }
}
