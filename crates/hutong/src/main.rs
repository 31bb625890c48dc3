//! Floor 5: the binary. Reads the command line, opens the house, calls one command, says what came
//! of it.

mod audit;
mod backup;
mod bench;
mod cli;
mod demo;
mod ear;
mod export;
mod gateway;
mod house;
mod import;
mod law;
mod person;
mod provider;
mod say;
mod which;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let line = cli::Line::parse();
    match cli::run(&line) {
        Ok(report) => report.print(line.json),
        Err(refused) => {
            if line.json {
                println!("{:#}", serde_json::json!({ "error": refused.0 }));
            }
            eprintln!("hutong: {}", refused.0);
            ExitCode::from(2)
        }
    }
}
