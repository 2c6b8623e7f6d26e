//! One run of the suite: its plan out, its lines in, and what they come to.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::{Value, json};

/// A whole run; a case that hangs ends by itself long before, most of them within seconds.
const RUN_WITHIN: Duration = Duration::from_secs(1_500);
/// From the start of the suite to its first line.
const START_WITHIN: Duration = Duration::from_secs(30);

/// The suite, ready to run.
pub(super) struct Suite {
    python: PathBuf,
    folder: PathBuf,
    cases: &'static [&'static str],
}

/// A case's number, in the suite's order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CaseId(Vec<u32>);

impl CaseId {
    fn parse(text: &str) -> Option<Self> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>().map(Self)
    }

    pub(super) fn section(&self) -> u32 {
        self.0.first().copied().unwrap_or_default()
    }
}

impl std::fmt::Display for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// The suite only watched: the standard leaves it open.
    Informational,
    /// A gateway refused what it has to refuse, with this close code.
    Refused(u16),
    /// Anything less, not strict included: what it was and why.
    Failed(String),
}

/// What the suite said of one of ours.
pub(super) struct Run {
    pub(super) name: String,
    pub(super) expected: usize,
    pub(super) verdicts: BTreeMap<CaseId, Verdict>,
    pub(super) took: Duration,
}

impl Run {
    pub(super) fn is_clean(&self) -> bool {
        self.expected > 0
            && self.verdicts.len() == self.expected
            && !self.verdicts.values().any(|verdict| matches!(verdict, Verdict::Failed(_)))
    }
}

/// How a gateway is spoken to that is no echo.
pub(super) struct Manners {
    pub(super) login: String,
    pub(super) admitted: &'static str,
    /// Bytes of a message.
    pub(super) limit: usize,
    /// Messages of a case.
    pub(super) messages: usize,
}

impl Suite {
    pub(super) fn ready(python: PathBuf, folder: PathBuf, cases: &'static [&'static str]) -> Self {
        Self { python, folder, cases }
    }

    /// Judges a server at a URL.
    pub(super) fn judge_server(&self, name: &str, url: &str, manners: Option<&Manners>) -> anyhow::Result<Run> {
        let manners = manners.map(|manners| {
            json!({
                "login": manners.login,
                "admitted": manners.admitted,
                "limit": manners.limit,
                "messages": manners.messages,
            })
        });
        let mut running = self.start(name, &json!({"role": "client", "url": url, "gateway": manners}))?;
        while running.is_unfinished() {
            running.next()?;
        }
        Ok(running.finish())
    }

    /// Judges clients: `visit` connects once to each URL it is given and returns when that connection has ended.
    pub(super) fn judge_client(&self, name: &str, visit: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<Run> {
        let base = format!("ws://{}", free_address()?);
        let mut running = self.start(name, &json!({"role": "server", "url": base}))?;
        for case in 1..=running.run.expected {
            visit(&format!("{base}/runCase?case={case}&agent={name}"))?;
            running.next()?;
        }
        visit(&format!("{base}/updateReports?agent={name}"))?;
        Ok(running.finish())
    }

    fn start(&self, name: &str, particulars: &Value) -> anyhow::Result<Running> {
        let reports = self.folder.join(name);
        fs::create_dir_all(&reports).with_context(|| format!("cannot make {}", reports.display()))?;
        let log = reports.join("log.txt");
        let mut plan = json!({"agent": name, "cases": self.cases, "reports": reports, "log": log});
        let (Some(plan_fields), Some(more)) = (plan.as_object_mut(), particulars.as_object()) else {
            bail!("a plan is an object");
        };
        plan_fields.extend(more.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())));
        let plan_file = reports.join("plan.json");
        fs::write(&plan_file, plan.to_string()).with_context(|| format!("cannot write {}", plan_file.display()))?;

        let mut child = Command::new(&self.python)
            .arg(crate::root().join("crates/xtask/src/autobahn/suite.py"))
            .arg(&plan_file)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&reports)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(reports.join("errors.txt"))?)
            .spawn()
            .context("cannot start the suite")?;
        let stdout = child.stdout.take().context("the suite has no output")?;
        let run = Run { name: name.to_owned(), expected: 0, verdicts: BTreeMap::new(), took: Duration::ZERO };
        let mut running = Running { child: Guard(child), lines: lines_of(stdout), reports, began: Instant::now(), run };
        let first = running.line(START_WITHIN)?;
        let expected = first.get("cases").and_then(Value::as_u64).with_context(|| format!("cases? {first}"))?;
        running.run.expected = usize::try_from(expected)?;
        ensure!(running.run.expected > 0, "no case has such a number");
        Ok(running)
    }
}

/// The suite at work.
struct Running {
    child: Guard,
    lines: Receiver<String>,
    reports: PathBuf,
    began: Instant,
    run: Run,
}

impl Running {
    fn is_unfinished(&self) -> bool {
        self.run.verdicts.len() < self.run.expected
    }

    /// Takes the next case's line.
    fn next(&mut self) -> anyhow::Result<()> {
        let left = RUN_WITHIN.saturating_sub(self.began.elapsed());
        let line = self.line(left)?;
        let (id, verdict) = read(&line).with_context(|| format!("the suite said {line}"))?;
        self.run.verdicts.insert(id, verdict);
        self.show();
        Ok(())
    }

    fn line(&mut self, within: Duration) -> anyhow::Result<Value> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(serde_json::from_str(&line)?),
            Err(RecvTimeoutError::Timeout) => bail!(
                "the suite said nothing more of {} after {} of {} cases",
                self.run.name,
                self.run.verdicts.len(),
                self.run.expected
            ),
            Err(RecvTimeoutError::Disconnected) => {
                let said = ["errors.txt", "log.txt"]
                    .map(|name| fs::read_to_string(self.reports.join(name)).unwrap_or_default())
                    .concat();
                let tail: Vec<&str> = said.lines().rev().take(8).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                Err(anyhow!("the suite has ended after {} cases:\n{}", self.run.verdicts.len(), tail.join("\n")))
            }
        }
    }

    fn show(&self) {
        let mut stderr = std::io::stderr();
        if stderr.is_terminal() {
            let Run { name, expected, verdicts, .. } = &self.run;
            // A progress line that nobody can read is no loss.
            let _ = write!(stderr, "\r{name}: {} of {expected}\x1b[K", verdicts.len());
            if !self.is_unfinished() {
                let _ = writeln!(stderr);
            }
        }
    }

    fn finish(mut self) -> Run {
        // It writes its pages now; where it does not end by itself, as a server, the guard ends it.
        let _ = crate::demo::wait_for(&mut self.child.0, Duration::from_secs(2));
        self.run.took = self.began.elapsed();
        self.run
    }
}

/// A process that does not outlive us.
pub(super) struct Guard(pub(super) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a process, so that they can be waited for with a bound.
pub(super) fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A case's line.
fn read(line: &Value) -> Option<(CaseId, Verdict)> {
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    let id = CaseId::parse(text("case")?)?;
    let (behavior, close) = (text("behavior")?, text("close")?);
    let told = |index: usize| line.get("told").and_then(|told| told.get(index)).and_then(Value::as_str);
    let refused = line.get("refused").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let verdict = match (behavior, close, refused) {
        ("OK", "OK", Some(code)) => Verdict::Refused(code),
        ("OK", "OK", None) => Verdict::Passed,
        ("INFORMATIONAL", "OK" | "INFORMATIONAL", _) | ("OK", "INFORMATIONAL", _) => Verdict::Informational,
        ("OK" | "INFORMATIONAL", close, _) => Verdict::Failed(format!("closing: {close}: {}", told(1)?)),
        (behavior, _, _) => Verdict::Failed(format!("{behavior}: {}", told(0)?)),
    };
    Some((id, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(behavior: &str, close: &str, refused: Option<u16>) -> Verdict {
        let told = ["what came differs", "closed by the wrong end"];
        let line = json!({"case": "6.4.1", "behavior": behavior, "close": close, "told": told, "refused": refused});
        let (id, verdict) = read(&line).expect("a line as the suite writes it");
        assert_eq!((id.to_string().as_str(), id.section()), ("6.4.1", 6));
        verdict
    }

    #[test]
    fn only_strict_behavior_passes() {
        assert_eq!(verdict("OK", "OK", None), Verdict::Passed);
        assert_eq!(verdict("OK", "OK", Some(1003)), Verdict::Refused(1003));
        assert_eq!(verdict("INFORMATIONAL", "INFORMATIONAL", None), Verdict::Informational);
        assert_eq!(verdict("NON-STRICT", "OK", None), Verdict::Failed("NON-STRICT: what came differs".to_owned()));
        let unclean = "closing: UNCLEAN: closed by the wrong end";
        assert_eq!(verdict("OK", "UNCLEAN", None), Verdict::Failed(unclean.to_owned()));
        assert!(matches!(verdict("UNIMPLEMENTED", "OK", None), Verdict::Failed(_)));
    }

    #[test]
    fn cases_are_in_order_of_their_numbers() {
        let id = |text| CaseId::parse(text).expect("a number");
        assert!(id("2.11") > id("2.9") && id("10.1.1") > id("9.8.6"));
        assert_eq!(CaseId::parse("9.x"), None);
    }

    #[test]
    fn a_run_with_missing_cases_is_not_clean() {
        let id = CaseId::parse("1.1.1").expect("a number");
        let verdicts = BTreeMap::from([(id, Verdict::Passed)]);
        let mut run = Run { name: "server".to_owned(), expected: 1, verdicts, took: Duration::ZERO };
        assert!(run.is_clean());
        run.expected = 2;
        assert!(!run.is_clean());
    }
}
