//! Log lines on their way to stderr: a thread of its own writes them, so that nobody waits for whoever reads them.
//!
//! What may wait has a bound. Lines beyond it are lost, and how many is said once there is room again. `tracing-appender`
//! counts them too, but says it nowhere, bounds lines instead of bytes, and wakes its thread for every one.

use std::io::{self, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that may wait: some thousands of lines.
const BYTES_MOST: usize = 1024 * 1024;
/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(5);
/// How long the last lines may take at the end of the process.
const LAST: Duration = Duration::from_secs(2);

static DESK: Desk = Desk { lines: Mutex::new(Lines::EMPTY), came: Condvar::new(), gone: Condvar::new() };

/// Where lines wait.
struct Desk {
    lines: Mutex<Lines>,
    /// The first line of several has come.
    came: Condvar,
    /// What was there has been written.
    gone: Condvar,
}

/// Lines that wait.
struct Lines {
    text: Vec<u8>,
    lost: u64,
    /// The scribe has them in hand, and will look again.
    writing: bool,
}

impl Lines {
    const EMPTY: Self = Self { text: Vec::new(), lost: 0, writing: false };

    fn add(&mut self, line: &[u8]) {
        if self.text.len() + line.len() > BYTES_MOST {
            self.lost += 1;
        } else {
            self.text.extend_from_slice(line);
        }
    }

    const fn is_empty(&self) -> bool {
        self.text.is_empty() && self.lost == 0
    }
}

/// Writes one line, at once and without waiting for anybody.
pub(crate) struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = DESK.lines();
        lines.add(line);
        if !lines.writing {
            DESK.came.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to write what comes.
pub(crate) fn start() -> io::Result<()> {
    thread::Builder::new().name("log".to_owned()).spawn(|| DESK.write()).map(drop)
}

/// Waits until everything is written, but not for a reader that does not read.
pub(crate) fn finish() {
    let waits = |lines: &mut Lines| lines.writing || !lines.is_empty();
    // Out of time: what is left is lost.
    drop(DESK.gone.wait_timeout_while(DESK.lines(), LAST, waits));
}

impl Desk {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) {
        let mut text = Vec::new();
        loop {
            let mut lines =
                self.came.wait_while(self.lines(), |lines| lines.is_empty()).unwrap_or_else(PoisonError::into_inner);
            lines.writing = true;
            drop(lines);
            thread::sleep(GATHER);
            let mut lines = self.lines();
            mem::swap(&mut text, &mut lines.text);
            let lost = mem::take(&mut lines.lost);
            drop(lines);
            // Nobody listens: nothing to be done about it.
            let _ = io::stderr().lock().write_all(&text);
            if lost > 0 {
                tracing::warn!(lines = lost, "log lines were lost, whoever reads them is too slow");
            }
            text.clear();
            text.shrink_to(BYTES_MOST / 16);
            self.lines().writing = false;
            self.gone.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_bound_are_lost_whole_and_counted() {
        let mut lines = Lines::EMPTY;
        let line = [b'x'; 1000];
        for _ in 0..2_000 {
            lines.add(&line);
        }
        assert_eq!((lines.text.len(), lines.lost), (1_048_000, 2_000 - 1_048));
        lines.add(b"short\n");
        assert!(lines.text.ends_with(b"xshort\n"));
    }
}
