//! `hutong backup` and `hutong restore`: a copy of the database with its blobs, on line; and apart
//! from it a copy of the key store, sealed with the operator's passphrase.

use std::path::{Path, PathBuf};

use serde_json::json;
use store::{Clock, Db, Target};

use crate::house;
use crate::say::{Refused, Report, bar};

/// The environment variable that holds the passphrase: never the command line, where others see it.
const PASSPHRASE: &str = "HUTONG_PASSPHRASE";
/// The shortest passphrase.
const PASSPHRASE_MIN: usize = 12;

/// Options of `backup`.
#[derive(clap::Args, Debug)]
pub(crate) struct Backup {
    /// The file to write; with --key-store the file of the sealed copy.
    path: PathBuf,
    /// Copy the key store, sealed with the passphrase in HUTONG_PASSPHRASE; copies older than 30
    /// days in the same folder are destroyed.
    #[arg(long)]
    pub(crate) key_store: bool,
}

/// Options of `restore`.
#[derive(clap::Args, Debug)]
pub(crate) struct Restore {
    /// The file that `backup` wrote.
    path: PathBuf,
    /// It is a copy of the key store.
    #[arg(long)]
    pub(crate) key_store: bool,
    /// Only say whether the copy is whole.
    #[arg(long)]
    verify: bool,
}

/// Writes a copy.
pub(crate) fn back_up(db: &Db, it: &Backup) -> Result<Report, Refused> {
    if it.key_store {
        let made = db.vault().keys_backup(&passphrase()?, &it.path, Clock::system().now())?;
        let json = json!({ "folder": it.path, "keys": made.keys, "destroyed": made.destroyed });
        let text = format!(
            "{} keys are sealed in {}; {} older copies were destroyed.",
            made.keys,
            it.path.display(),
            made.destroyed.len()
        );
        return Ok(Report::good(json, text));
    }
    let progress = bar(0, "copying");
    let made = store::backup::backup(db, &it.path, &|done, all| {
        progress.set_length(all);
        progress.set_position(done);
    })?;
    progress.finish_and_clear();
    Ok(copied(&it.path, &made, "holds"))
}

/// Brings a copy back, or only verifies it.
pub(crate) fn restore(target: &Target, it: &Restore) -> Result<Report, Refused> {
    if it.key_store {
        let passphrase = passphrase()?;
        let db = house::open(target)?;
        let done = db.vault().keys_restore(&passphrase, &it.path, Clock::system().now())?;
        db.close();
        let json = json!({ "restored": done.restored, "known": done.known, "stay_erased": done.stay_erased });
        let text = format!(
            "{} keys were brought back; {} that were erased stay erased.",
            done.restored, done.stay_erased
        );
        return Ok(Report::good(json, text));
    }
    if it.verify {
        let found = store::backup::verify(&it.path).map_err(|error| named(&it.path, error))?;
        return Ok(copied(&it.path, &found, "is whole and holds"));
    }
    let done = store::backup::restore(&it.path, target, house::MIGRATIONS)
        .map_err(|error| named(&it.path, error))?;
    // A copy from an older release gets this one's tables and figures.
    house::bring_up_to_date(target)?.0.close();
    Ok(copied(&it.path, &done, "was restored:"))
}

/// The error with the file that it is about.
fn named(path: &Path, error: impl Into<Refused>) -> Refused {
    Refused::new(format!("{}: {}", path.display(), error.into().0))
}

fn copied(path: &Path, it: &store::backup::Manifest, verb: &str) -> Report {
    let (rows, parts) = (it.rows(), it.parts.len());
    let json = json!({ "file": path, "rows": rows, "parts": parts });
    let text = format!("{} {verb} {rows} rows in {parts} parts.", path.display());
    Report::good(json, text)
}

fn passphrase() -> Result<String, Refused> {
    match std::env::var(PASSPHRASE) {
        Ok(it) if it.chars().count() >= PASSPHRASE_MIN => Ok(it),
        Ok(_) => Err(Refused::new(format!(
            "{PASSPHRASE}: the passphrase needs {PASSPHRASE_MIN} characters or more"
        ))),
        Err(_) => Err(Refused::new(format!("{PASSPHRASE}: set it to the operator's passphrase"))),
    }
}
