//! The floor: what real work wrote, recorded and played again on fresh copies of the database that
//! they ran on, through prepared statements, with the same grouping and nothing above the engine.

use std::time::{Duration, Instant};

use store::scratch::Scratch;
use store::{Options, Recording, Replayed};

use super::on_a_copy;
use super::work::{self, Work};
use crate::say::Refused;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floor {
    /// Pieces of work whose writes were recorded.
    pub(crate) recorded: u64,
    /// Statements that they wrote, and rows that these changed.
    pub(crate) wrote: (u64, u64),
    /// Times that they waited for the server; 0 without one.
    pub(crate) round_trips: u64,
    /// Statements and rows of one replay.
    pub(crate) replayed: (u64, u64),
    /// Pieces that were replayed in all.
    pub(crate) count: u64,
    /// In how long.
    pub(crate) elapsed: Duration,
    /// How often each text was written, most first.
    pub(crate) texts: Vec<(String, u64)>,
}

/// Records `work` of `clients` on a copy of `before`, and replays it for `seconds`, databases for
/// it being made for at most twice as long.
pub(crate) fn measure<W: Work>(
    before: &Scratch,
    work: &W,
    (clients, recorded): (usize, u64),
    seconds: u64,
) -> Result<Floor, Refused> {
    let (recording, round_trips) = record(before, work, clients, recorded)?;
    let mut floor = Floor {
        recorded,
        wrote: (recording.statements(), recording.rows()),
        texts: recording.texts(),
        round_trips,
        ..Floor::default()
    };
    let (time, began) = (Duration::from_secs(seconds), Instant::now());
    // What a replay takes may be little beside making its database.
    while floor.elapsed < time && began.elapsed() < time * 3 {
        let Replayed { statements, rows, elapsed } = replay(before, &recording)?;
        floor.replayed = (statements, rows);
        floor.count += recorded;
        floor.elapsed += elapsed;
    }
    Ok(floor)
}

fn record<W: Work>(
    before: &Scratch,
    work: &W,
    clients: usize,
    recorded: u64,
) -> Result<(Recording, u64), Refused> {
    on_a_copy(before, |db| {
        let scripts = work.scripts(db, usize::try_from(recorded)?);
        let waited = db.metrics().round_trips;
        db.record_start();
        let run = work::run(db, work, clients, &scripts, true);
        let recording = db.record_take().tagged().by(clients);
        run.map(|_| (recording, db.metrics().round_trips - waited))
    })
}

fn replay(before: &Scratch, recording: &Recording) -> Result<Replayed, Refused> {
    let copy = before.copy()?;
    Ok(store::replay(recording, &copy.target(), &Options::default())?)
}
