//! A PostgreSQL cluster that is thrown away: never as root, on a socket in a temporary folder,
//! stopped when the process that wanted it ends, even when that process is killed.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("cluster.sh");
/// How long a cluster may take to start on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(90);
const ADVICE: &str = "the tests need PostgreSQL's server programs (initdb, postgres): `make test` \
                      installs them; by hand: apt-get install postgresql";

/// Whether a cluster keeps what it acknowledged when the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing waits for the disk: for tests.
    Off,
    /// The server's own defaults: for benchmarks.
    On,
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    folder: PathBuf,
}

impl Cluster {
    /// Starts a cluster that lives as long as this process.
    ///
    /// # Errors
    /// Says what to install or shows the server's log.
    pub fn start(durability: Durability) -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!(
            "hutong-pg-{}-{}",
            std::process::id(),
            if durability == Durability::On { "on" } else { "off" }
        ));
        Self::start_in(&dir, std::process::id(), durability)
    }

    /// The cluster of this test run: `cargo nextest` runs each test in a process of its own, and
    /// all of them share the cluster that the first one starts.
    pub(crate) fn shared() -> Result<Self, String> {
        Self::of_this_run(Durability::Off)
    }

    /// Like the one that all tests of a run share, but one that keeps what it acknowledged: a program
    /// that refuses less is tested against it.
    ///
    /// # Errors
    /// Says what to install or shows the server's log.
    pub fn durable() -> Result<Self, String> {
        Self::of_this_run(Durability::On)
    }

    fn of_this_run(durability: Durability) -> Result<Self, String> {
        let on = if durability == Durability::On { "-on" } else { "" };
        match (std::env::var("NEXTEST_RUN_ID"), parent()) {
            (Ok(run), Some(runner)) => {
                let run: String =
                    run.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
                let dir = std::env::temp_dir().join(format!("hutong-pg-{run}-{runner}{on}"));
                Self::start_in(&dir, runner, durability)
            }
            _ => Self::start(durability),
        }
    }

    /// The folder in which the server keeps its files: all databases and the write-ahead log.
    pub fn folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The URL of the cluster's administrative database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts a cluster in `dir`, or waits for the one that a neighbour starts there.
    fn start_in(dir: &Path, watched: u32, durability: Durability) -> Result<Self, String> {
        let text = |error: std::io::Error| format!("{}: {error}", dir.display());
        match std::fs::create_dir(dir) {
            Ok(()) => launch(dir, watched, durability)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(text(error)),
        }
        let started = Instant::now();
        while !dir.join("ready").exists() {
            if let Ok(log) = std::fs::read_to_string(dir.join("failed")) {
                return Err(format!("the PostgreSQL cluster does not start:\n{log}"));
            }
            if started.elapsed() > START_MAX {
                return Err(format!("no PostgreSQL cluster in {} yet", dir.display()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let host = dir.display().to_string().replace('/', "%2F");
        let url = format!("postgres://hutong@{host}/postgres");
        Ok(Self { url, folder: dir.to_owned() })
    }
}

fn launch(dir: &Path, watched: u32, durability: Durability) -> Result<(), String> {
    let bin = server_programs().inspect_err(|why| {
        let _ = std::fs::write(dir.join("failed"), why);
    })?;
    let settings = match durability {
        Durability::Off => {
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off"
        }
        Durability::On => "-c shared_buffers=256MB",
    };
    // The server's user must reach the folder; what is in it is thrown away.
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o777))
        .map_err(|error| error.to_string())?;
    let mut shell = Command::new("setsid");
    shell.args(["sh", "-c", SCRIPT, "cluster"]).arg(dir).arg(watched.to_string()).arg(bin);
    shell.arg(settings).args(other_user());
    // Nothing of ours stays open in it: a runner waits for the pipes of its tests.
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.spawn().map(drop).map_err(|error| format!("setsid: {error}"))
}

/// How to become somebody who may run a server: empty unless this process is root.
fn other_user() -> Vec<String> {
    if std::fs::metadata("/proc/self").map_or(1, |it| it.uid()) != 0 {
        return Vec::new();
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name =
        if users.lines().any(|it| it.starts_with("postgres:")) { "postgres" } else { "nobody" };
    let group = |name: &str| {
        let line = users.lines().find(|it| it.starts_with(&format!("{name}:")))?;
        line.split(':').nth(3).map(str::to_owned)
    };
    let group = group(name).unwrap_or_else(|| "65534".to_owned());
    ["setpriv", &format!("--reuid={name}"), &format!("--regid={group}"), "--clear-groups", "--"]
        .map(str::to_owned)
        .to_vec()
}

/// The folder with `initdb` and `postgres`: on the path, or where distributions put it.
fn server_programs() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for root in ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt/postgresql"] {
        let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions.map(|it| it.path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    let whole = |it: &PathBuf| it.join("initdb").exists() && it.join("postgres").exists();
    folders.into_iter().find(whole).ok_or_else(|| ADVICE.to_owned())
}

/// The process that started this one.
fn parent() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|it| it.strip_prefix("PPid:"))?.trim().parse().ok()
}
