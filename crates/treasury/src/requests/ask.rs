//! Asking a provider about a payment before it is given up: its message may be lost for ever.

use base::Timestamp;
use store::{StoreError, Tx, args};

use super::{NewRequest, RequestKind, queue};
use crate::PaymentId;
use crate::payment;

/// A question about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was asked.
    pub since: Timestamp,
    /// Whether the provider has answered; what it told was recorded before that.
    pub answered: bool,
}

/// Asks what the provider knows of a payment, once, and says how that stands. The request is sent
/// like any other, outside every transaction; its answer brings
/// [`Milestone::Asked`](crate::Milestone::Asked), after all that it tells. `None` when there is
/// nobody to ask: cash, a payment of nothing, or none.
pub fn ask(
    tx: &mut Tx<'_>,
    now: Timestamp,
    payment: PaymentId,
) -> Result<Option<Asked>, StoreError> {
    let Some(found) = payment::by_id(tx, payment)?.filter(|it| it.total.minor > 0) else {
        return Ok(None);
    };
    let Some(provider) = found.provider() else { return Ok(None) };
    let new = NewRequest {
        key: format!("ask:{payment}"),
        provider,
        payment,
        order: None,
        refund: None,
        kind: RequestKind::Ask,
        amount: found.own_total(),
    };
    queue(tx, now, &new)?;
    asked(tx, payment)
}

/// How the question about a payment stands; `None` when it was not asked about.
pub fn asked(tx: &mut Tx<'_>, payment: PaymentId) -> Result<Option<Asked>, StoreError> {
    tx.opt(
        "select asked_at, state from provider_request where idempotency_key = $1",
        args![format!("ask:{payment}")],
        |row| {
            let answered = row.get::<String>(1)? == "accepted";
            Ok(Asked { since: row.get(0)?, answered })
        },
    )
}
