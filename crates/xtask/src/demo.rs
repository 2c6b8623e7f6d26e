//! A running `tillgate demo` for other programs to talk to, and how it has to end.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use tempfile::TempDir;

use crate::steps::{line, shown};

/// From start to the ready file.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// From SIGTERM to the exit, as the command line promises for the demo.
const EXIT_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of a log is shown when something went wrong.
const LOG_TAIL_LINES: usize = 60;

/// Whether the demo runs its simulated devices.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Devices {
    Simulated,
    None,
}

/// A demo that is up; killed if nobody stops it.
pub(crate) struct Demo {
    child: Child,
    folder: TempDir,
}

impl Demo {
    /// Starts the server on a free port and waits until it says it is ready.
    pub(crate) fn start(mut server: Command, devices: Devices) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("tillgate-clients-")?;
        let log = File::create(folder.path().join("log.txt"))?;
        server
            .args(["demo", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .arg("--ready-file")
            .arg(folder.path().join("ready.json"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if devices == Devices::None {
            server.arg("--without-devices");
        }
        let child = server.spawn().with_context(|| format!("cannot start `{}`", line(&server)))?;
        let mut demo = Self { child, folder };
        demo.wait_until_ready().map_err(|error| demo.with_log(error))?;
        Ok(demo)
    }

    /// The file that says where everything is.
    pub(crate) fn ready_file(&self) -> PathBuf {
        self.folder.path().join("ready.json")
    }

    /// SIGTERM, then exit code 0 in time, and a log in which nothing went wrong.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.stop_in_time().map_err(|error| self.with_log(error))
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let file = self.ready_file();
        let give_up = Instant::now() + READY_WITHIN;
        while !file.exists() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the demo ended with {status} before it was ready");
            }
            ensure!(Instant::now() < give_up, "the demo was not ready within {} s", READY_WITHIN.as_secs());
            thread::sleep(LOOK_EVERY);
        }
        // The file is renamed into place, so what is there is whole.
        let ready: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&file)?).context("the ready file is not JSON")?;
        let base = ready.get("base").and_then(serde_json::Value::as_str);
        let base = base.ok_or_else(|| anyhow!("the ready file has no `base` text"))?;
        ensure!(ready.get("boop").is_some_and(serde_json::Value::is_object), "the ready file has no `boop` section");
        println!("demo at {base}");
        Ok(())
    }

    fn stop_in_time(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the demo ended by itself with {status}");
        }
        let began = Instant::now();
        terminate(&self.child)?;
        let status = wait_for(&mut self.child, EXIT_WITHIN)?
            .ok_or_else(|| anyhow!("the demo was still running {} s after SIGTERM", EXIT_WITHIN.as_secs()))?;
        ensure!(status.success(), "after SIGTERM the demo ended with {status}");
        println!("demo stopped {} after SIGTERM, exit code 0", shown(began.elapsed()));
        let bad: Vec<String> = self.log().lines().filter(|l| is_error(l)).map(str::to_owned).collect();
        ensure!(bad.is_empty(), "the demo logged at error level:\n{}", bad.join("\n"));
        Ok(())
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log.txt")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn with_log(&self, error: anyhow::Error) -> anyhow::Error {
        anyhow!("{error:#}\n{}", self.shown_log())
    }

    /// The end of what the demo said, for whoever has to find out.
    pub(crate) fn shown_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("-- the last {} lines of the demo's output\n{}\n--", tail.len(), tail.join("\n"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only if it is gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a process at most so long; `None` if it is still running then.
pub(crate) fn wait_for(child: &mut Child, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let give_up = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= give_up {
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// SIGTERM through the shell's own `kill`: the standard library only knows SIGKILL.
pub(crate) fn terminate(child: &Child) -> anyhow::Result<()> {
    let status = Command::new("sh")
        .args(["-c", "kill -TERM \"$0\"", &child.id().to_string()])
        .status()
        .context("cannot start sh")?;
    ensure!(status.success(), "cannot send SIGTERM: {status}");
    Ok(())
}

/// A log line at error level, in the text form or the JSON form.
fn is_error(line: &str) -> bool {
    let in_text = line.split_ascii_whitespace().take(2).any(|word| word == "ERROR");
    in_text || line.contains("\"level\":\"ERROR\"") || line.contains("\"level\":\"error\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in server: a shell script that finds its ready file among its arguments.
    fn stand_in(body: &str) -> Command {
        let script = format!("while [ \"$1\" != --ready-file ]; do shift; done\nready=$2\n{body}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "stand-in"]);
        command
    }

    const SAY_READY: &str =
        "echo '{\"base\":\"http://127.0.0.1:1\",\"boop\":{}}' > \"$ready.new\"; mv \"$ready.new\" \"$ready\"";

    #[test]
    fn a_demo_that_drains_and_exits_cleanly_passes() {
        let script = format!("trap 'exit 0' TERM\n{SAY_READY}\nwhile :; do sleep 0.05; done");
        let demo = Demo::start(stand_in(&script), Devices::Simulated).expect("it gets ready");
        assert!(demo.ready_file().exists());
        demo.stop().expect("it ends well");
    }

    #[test]
    fn a_demo_that_ends_before_it_is_ready_fails_and_its_words_are_shown() {
        let script = stand_in("echo the port is taken >&2\nexit 7");
        let error = Demo::start(script, Devices::None).err().expect("it fails");
        let text = format!("{error:#}");
        assert!(text.contains("exit status: 7"), "{text}");
        assert!(text.contains("the port is taken"), "{text}");
    }

    #[test]
    fn a_demo_that_dies_of_the_signal_fails() {
        let script = format!("{SAY_READY}\nwhile :; do sleep 0.05; done");
        let demo = Demo::start(stand_in(&script), Devices::None).expect("it gets ready");
        let error = demo.stop().expect_err("no exit code 0");
        assert!(format!("{error:#}").contains("ended with signal"));
    }

    #[test]
    fn an_error_in_the_log_fails_a_clean_exit() {
        let script = format!(
            "trap 'exit 0' TERM\necho '2031-03-04T05:10:00Z ERROR store: commit failed' >&2\n{SAY_READY}\nwhile :; do sleep 0.05; done"
        );
        let demo = Demo::start(stand_in(&script), Devices::None).expect("it gets ready");
        let error = demo.stop().expect_err("an error was logged");
        assert!(format!("{error:#}").contains("commit failed"));
    }

    #[test]
    fn error_lines_are_known_in_both_forms() {
        assert!(is_error("2031-03-04T05:10:00Z ERROR store: commit failed"));
        assert!(is_error(r#"{"timestamp":"…","level":"ERROR"}"#));
        assert!(!is_error("2031-03-04T05:10:00Z  WARN connection: peer sent INTERNAL_ERROR"));
    }
}
