//! A running `tillgate serve` or `demo`, killed if nobody stops it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that is not measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Such as `http://127.0.0.1:41234`.
    pub(crate) base: String,
}

impl Server {
    /// Starts `serve` on a data folder; the log goes to a file beside it.
    pub(crate) fn serve(data: &Path, listen: &str, log: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = super::tillgate();
        command.args(["serve", "--listen", listen, "--data"]).arg(data).envs(environment.iter().copied());
        Self::start(command, log, |line| line.starts_with("http://").then(|| line.to_owned()))
    }

    /// Starts a command and reads its stdout until the line that holds its base address.
    pub(crate) fn start(mut command: Command, log: &Path, base: impl Fn(&str) -> Option<String>) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let found = lines.by_ref().find_map(|line| base(&line.unwrap()));
        let Some(base) = found else {
            let status = child.wait().unwrap();
            panic!("it ended with {status}:\n{}", std::fs::read_to_string(log).unwrap());
        };
        // What it says later must have somewhere to go.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, log: log.to_owned(), base }
    }

    pub(crate) fn listen(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.listen())
    }

    /// `kill -9`, and gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; how it ended and how long that took.
    pub(crate) fn stop(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        signal(&self.child, "TERM");
        let status = wait(&mut self.child, PATIENCE);
        (status, began.elapsed())
    }

    /// Sends a signal that does not end it.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal through the shell's own `kill`: the standard library knows only the hard one.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(status.success());
}

/// Waits for a process to end by itself.
#[track_caller]
pub(crate) fn wait(child: &mut Child, most: Duration) -> ExitStatus {
    until(most, || child.try_wait().unwrap())
}

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<T>(most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + most;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < give_up, "waited {most:?} for nothing");
        std::thread::sleep(LOOK_EVERY);
    }
}
