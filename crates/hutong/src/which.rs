//! Which place a command line means.

use std::str::FromStr;

use party::PremisesId;
use party::premises::Premises;
use store::{Db, Tx};

use crate::export::OWN;
use crate::say::Refused;

/// A place by its id, or by the key under which files know it: `node/123` of OpenStreetMap,
/// `hutong/prm_…` of an export of ours (in whichever database it was made), `demo/wang-noodles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// By its id here.
    Id(PremisesId),
    /// By its key in files.
    Key(String),
}

impl FromStr for Which {
    type Err = <PremisesId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Keys of files have a slash, ids have none.
        if text.contains('/') { Ok(Self::Key(text.to_owned())) } else { text.parse().map(Self::Id) }
    }
}

impl Which {
    /// The place; a refusal names the option.
    pub(crate) fn find(&self, db: &Db) -> Result<Premises, Refused> {
        let which = self.clone();
        let found = db.read(move |tx| match &which {
            Self::Id(id) => party::premises::by_id(tx, *id),
            Self::Key(key) => by_key(tx, key),
        })?;
        let name = match self {
            Self::Id(id) => id.to_string(),
            Self::Key(key) => key.clone(),
        };
        found.ok_or_else(|| Refused::new(format!("--premises: {name} is not known here")))
    }
}

/// A place by the record that it was taken from, or by the id that our own export wrote here.
pub(crate) fn by_key(tx: &mut Tx<'_>, key: &str) -> store::Result<Option<Premises>> {
    for source in [format!("osm:{key}"), key.to_owned()] {
        if let Some(found) = party::premises::by_source(tx, &source)? {
            return Ok(Some(found));
        }
    }
    match key.strip_prefix(OWN).and_then(|it| it.parse().ok()) {
        Some(id) => party::premises::by_id(tx, id),
        None => Ok(None),
    }
}
