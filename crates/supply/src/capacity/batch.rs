//! Statements that must all change their one row, or none of them.
//!
//! They fly together, in the order given (on PostgreSQL in one round trip). When one of them finds
//! its condition false, those that succeeded are undone in the same transaction, so that the caller
//! may go on with it.

use base::Val;
use store::{StoreError, Tx};

/// One statement that must change one row, and the one that undoes it.
struct Step {
    sql: &'static str,
    values: Vec<i64>,
    words: Vec<(usize, &'static str)>,
    undo: Option<(&'static str, Vec<i64>)>,
}

/// The steps of one change, hot rows last.
#[derive(Default)]
pub(super) struct Batch(Vec<Step>);

impl Batch {
    /// Adds a statement and what undoes it.
    pub(super) fn push(
        &mut self,
        sql: &'static str,
        values: Vec<i64>,
        undo: Option<(&'static str, Vec<i64>)>,
    ) {
        self.0.push(Step { sql, values, words: Vec::new(), undo });
    }

    /// Puts a word in the place of the value at `at` (from 0) of the statement added last.
    pub(super) fn word(&mut self, at: usize, word: &'static str) {
        if let Some(step) = self.0.last_mut() {
            step.words.push((at, word));
        }
    }

    /// How many statements there are: the number that the next one will have.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Runs all. `Ok(Some(n))`: statement `n` found its condition false, and nothing has changed.
    pub(super) fn run(&self, tx: &mut Tx<'_>) -> Result<Option<usize>, StoreError> {
        let values: Vec<Vec<Val<'_>>> = self.0.iter().map(Step::bound).collect();
        let all: Vec<(&str, &[Val<'_>])> = self
            .0
            .iter()
            .zip(&values)
            .map(|(step, values)| (step.sql, values.as_slice()))
            .collect();
        let counts = tx.exec_all(&all)?;
        let Some(failed) = counts.iter().position(|&count| count == 0) else { return Ok(None) };
        for (step, _) in self.0.iter().zip(&counts).rev().filter(|(_, count)| **count > 0) {
            if let Some((sql, values)) = &step.undo {
                let values: Vec<Val<'_>> = values.iter().map(|&it| Val::I64(it)).collect();
                tx.later(sql, &values)?;
            }
        }
        Ok(Some(failed))
    }
}

impl Step {
    fn bound(&self) -> Vec<Val<'_>> {
        let mut values: Vec<Val<'_>> = self.values.iter().map(|&it| Val::I64(it)).collect();
        for &(at, word) in &self.words {
            values[at] = Val::Text(word);
        }
        values
    }
}
