//! The gateway under soak: the real program, its keys, its metrics, its memory and its log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::raw::{self, Key};
use crate::demo::{terminate, wait_for};

/// Two cores, and times short enough that every kind of patience ends within a short run.
const CONFIG: &str = r#"
[log]
format = "json"
[gateway]
cores = 2
handshake_time = "2s"
slow_time = "2s"
close_wait = "1s"
[boop]
login_within = "2s"
context_life = "5s"
"#;
const EXIT_WITHIN: Duration = Duration::from_secs(20);

/// A gateway that runs; killed if nobody stops it.
pub(crate) struct House {
    child: Child,
    folder: TempDir,
    pub(crate) at: SocketAddr,
}

impl House {
    /// The folder and the keys come first, then the gateway.
    pub(crate) fn start(program: PathBuf, keys: impl FnOnce(&Keys<'_>) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("tillgate-soak-")?;
        fs::write(folder.path().join("tillgate.toml"), CONFIG)?;
        keys(&Keys { program: &program, folder: &folder })?;
        let mut child = Command::new(&program)
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(folder.path().join("tillgate.toml"))
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log.txt"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let base = lines.by_ref().find_map(|line| line.ok()?.strip_prefix("http://").map(str::to_owned));
        std::thread::spawn(move || lines.for_each(drop));
        let at = base.as_deref().and_then(|base| base.parse().ok());
        let Some(at) = at else {
            let status = child.wait()?;
            let log = fs::read_to_string(folder.path().join("log.txt")).unwrap_or_default();
            bail!("the gateway ended with {status}:\n{log}");
        };
        Ok(Self { child, folder, at })
    }

    /// Resident memory in kilobytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.split_whitespace().next().and_then(|text| text.parse().ok()).context("VmRSS is a number")
    }

    /// Processor time it has taken so far.
    pub(crate) fn worked(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in brackets may hold blanks; time in the program and in the kernel are the 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    pub(crate) fn metrics(&self) -> anyhow::Result<Metrics> {
        Ok(Metrics(raw::get(self.at, "/metrics")?))
    }

    fn log(&self) -> anyhow::Result<Vec<Value>> {
        let text = fs::read_to_string(self.folder.path().join("log.txt"))?;
        // The last line may not be whole yet.
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// On which core each principal's latest login was.
    pub(crate) fn cores(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let fields = |line: Value| {
            let fields = if line["fields"].is_object() { line["fields"].clone() } else { line };
            (fields["message"] == "logged in")
                .then(|| Some((fields["principal"].as_str()?.to_owned(), fields["core"].as_u64()?)))?
        };
        Ok(self.log()?.into_iter().filter_map(fields).collect())
    }

    /// An error, with the end of its log, when it has ended by itself.
    pub(crate) fn lives(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = fs::read_to_string(self.folder.path().join("log.txt"))?;
        let last: Vec<&str> = log.lines().rev().take(20).collect();
        bail!("the gateway ended by itself with {status}, its last words first:\n{}", last.join("\n"));
    }

    /// SIGTERM, exit code 0 in time, and a log in which nothing went wrong; how many lines it has.
    pub(crate) fn stop(&mut self) -> anyhow::Result<(usize, Duration)> {
        self.lives()?;
        let began = Instant::now();
        terminate(&self.child)?;
        let status = wait_for(&mut self.child, EXIT_WITHIN)?.context("it was still running long after SIGTERM")?;
        ensure!(status.success(), "after SIGTERM it ended with {status}");
        let log = self.log()?;
        let bad: Vec<String> =
            log.iter().filter(|line| line["level"] == "ERROR").take(5).map(ToString::to_string).collect();
        ensure!(bad.is_empty(), "it logged at error level:\n{}", bad.join("\n"));
        Ok((log.len(), began.elapsed()))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // Both fail only if it is gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes keys before the gateway runs.
pub(crate) struct Keys<'a> {
    program: &'a PathBuf,
    folder: &'a TempDir,
}

impl Keys<'_> {
    /// So many vendors whose ids begin with a word.
    pub(crate) fn vendors(&self, word: &str, count: usize) -> anyhow::Result<Vec<Key>> {
        self.create(&["--role", "requester", "--vendor-id", word], count)
    }

    /// A scanner of a vendor.
    pub(crate) fn scanner(&self, device: &str, vendor: &str) -> anyhow::Result<Key> {
        let mut made = self.create(&["--role", "performer", "--device", device, "--vendor-id", vendor], 1)?;
        made.pop().context("no key was made")
    }

    fn create(&self, what: &[&str], count: usize) -> anyhow::Result<Vec<Key>> {
        let mut command = Command::new(self.program);
        command.args(["keys", "create", "--dialect", "boop", "--json"]).args(what);
        if count > 1 {
            command.args(["--count", &count.to_string()]);
        }
        let output = command.arg("--data").arg(self.folder.path().join("data")).output()?;
        ensure!(output.status.success(), "no keys: {}", String::from_utf8_lossy(&output.stderr));
        let key = |line: &str| -> anyhow::Result<Key> {
            let made: Value = serde_json::from_str(line)?;
            let text = |name: &str| made[name].as_str().map(str::to_owned);
            Ok(Key {
                subject: text("subject").context("a key without a subject")?,
                device: text("device"),
                secret: text("secret").context("a key without a secret")?,
            })
        };
        String::from_utf8_lossy(&output.stdout).lines().map(key).collect()
    }
}

/// The page of metrics.
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) fn value(&self, name: &str) -> u64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// The values of a family by one of its labels.
    pub(crate) fn by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for line in self.0.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')) {
            let Some((labels, value)) = line.split_once("} ") else { continue };
            let Some((_, rest)) = labels.split_once(&format!("{label}=\"")) else { continue };
            let word = rest.split('"').next().unwrap_or_default().to_owned();
            *found.entry(word).or_default() += value.trim().parse::<u64>().unwrap_or(0);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_by_name_and_by_label() {
        let page = "tillgate_panics_total 3\ntillgate_closes_total{dialect=\"boop\",reason=\"slow\"} 2\n\
                    tillgate_closes_total{dialect=\"none\",reason=\"slow\"} 1\n";
        let metrics = Metrics(page.to_owned());
        assert_eq!(metrics.value("tillgate_panics_total"), 3);
        assert_eq!(metrics.value("tillgate_none"), 0);
        assert_eq!(metrics.by("tillgate_closes_total", "reason"), BTreeMap::from([("slow".to_owned(), 3)]));
    }
}
