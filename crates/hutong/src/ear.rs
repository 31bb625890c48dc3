//! What the house hears from a provider, by call-back or as an answer: one transaction each.

use base::Timestamp;
use connect::sender::Told;
use deal::pay::{EventError, OnAnswer, OnEvent};
use store::Db;
use treasury::payment::ProviderEvent;

/// Ids that an event may need: ten an order.
const FRESH: usize = 64;

/// Takes a provider's event in; says whether it was news.
pub(crate) fn event(db: &Db, now: Timestamp, event: ProviderEvent) -> Result<bool, EventError> {
    let cmd = OnEvent { event, fresh: db.ids().fresh(FRESH) };
    let recorded = db.write(move |tx| deal::pay::on_event(tx, now, cmd.clone()))?;
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
