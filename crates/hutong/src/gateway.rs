//! `hutong sandbox-gateway`: the door to the double.

use serde_json::json;

use crate::cli::Gateway;
use crate::say::{Refused, Report};

/// Serves until it is stopped.
pub(crate) fn serve(options: &Gateway) -> Result<Report, Refused> {
    std::fs::create_dir_all(&options.folder)
        .map_err(|error| Refused::new(format!("--folder {}: {error}", options.folder.display())))?;
    let secret = sandbox::secret_file(&options.folder.join("gateway.key"))?;
    let client = sandbox::secret_file(&options.folder.join("client.key"))?;
    let mut config = sandbox::Config::new(secret, client);
    config.listen = options.listen.to_string();
    config.journal = Some(options.folder.join("journal.jsonl"));
    sandbox::serve_blocking(config, |at| {
        eprintln!("The sandbox gateway listens on http://{at}. It moves no real money.");
    })?;
    Ok(Report::good(json!({ "stopped": true }), "The sandbox gateway has stopped."))
}
