//! The day's file: one line for each event that moved money, in the order of its instants.
//!
//! Columns: `reference` (the payment's), `kind` (`capture` or `refund`), `amount_minor`, `fee_minor`,
//! `currency`, `time` (RFC 3339), `operation` (the reference of the capture or refund), `event_id`.
//! Amounts are unsigned; a refund gives back no fee.

use base::{Money, Timestamp};

use crate::config::SettleLie;
use crate::gateway::Gateway;
use crate::payment::Payment;

const HEAD: [&str; 8] =
    ["reference", "kind", "amount_minor", "fee_minor", "currency", "time", "operation", "event_id"];

/// The file of the day `from <= t < until` for one client.
pub(crate) fn file(
    gateway: &Gateway,
    client: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<String, csv::Error> {
    let mut lines: Vec<(Timestamp, u64, usize, [String; 8])> = Vec::new();
    for payment in gateway.payments.iter().filter(|it| it.client == client) {
        lines.extend(lines_of(payment, gateway.config.fee_ppm, from, until));
    }
    lines.sort_by_key(|it| (it.0, it.1, it.2));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD)?;
    for (.., line) in &lines {
        writer.write_record(line)?;
    }
    let bytes = writer.into_inner().map_err(|err| err.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn lines_of(
    payment: &Payment,
    fee_ppm: i64,
    from: Timestamp,
    until: Timestamp,
) -> Vec<(Timestamp, u64, usize, [String; 8])> {
    let mut lines = Vec::new();
    for (place, event) in payment.events.iter().enumerate() {
        let kind = match event.word {
            "payment.captured" => "capture",
            "refund.completed" => "refund",
            _ => continue,
        };
        if !(from <= event.at && event.at < until) {
            continue;
        }
        let lie = if lines.is_empty() { payment.knobs.settle } else { SettleLie::None };
        let amount = Money::new(event.amount_minor, payment.amount.currency);
        let fee = match kind {
            "capture" => amount.ppm(fee_ppm).map_or(0, |it| it.minor),
            _ => 0,
        };
        let said = amount.minor + i64::from(lie == SettleLie::WrongAmount);
        let line = [
            payment.merchant_ref.clone(),
            kind.to_owned(),
            said.to_string(),
            fee.to_string(),
            amount.currency.code().to_owned(),
            event.at.to_string(),
            event.operation_ref.clone().unwrap_or_default(),
            event.event_id.clone(),
        ];
        lines.push((event.at, payment.n, place, line));
    }
    match payment.knobs.settle {
        SettleLie::Missing if !lines.is_empty() => drop(lines.remove(0)),
        SettleLie::Doubled if !lines.is_empty() => lines.insert(1, lines[0].clone()),
        _ => {}
    }
    lines
}

/// The instants at which the day of `text` (`yyyy-mm-dd`) begins and ends, `offset_min` from UTC.
pub(crate) fn day_of(text: &str, offset_min: i64) -> Option<(Timestamp, Timestamp)> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let at = |day: jiff::civil::Date| -> Option<Timestamp> {
        let midnight = jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
        Some(Timestamp::from_micros(midnight.as_microsecond()).plus_s(-offset_min * 60))
    };
    Some((at(day)?, at(day.tomorrow().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settlement_day_begins_at_midnight_of_its_offset() {
        let (from, until) = day_of("2026-03-01", 480).unwrap();
        assert_eq!(from.to_string(), "2026-02-28T16:00:00Z");
        assert_eq!(until.since_s(from), 86_400);
        assert_eq!(day_of("2026-02-30", 480), None);
        assert_eq!(day_of("20260301", 480), None);
    }
}
