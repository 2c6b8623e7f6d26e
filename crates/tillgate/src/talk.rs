//! The two voices of the program: data on stdout, talk on stderr.
//!
//! The only place that writes to either. A reader of stdout that went away is an error the caller passes on;
//! nobody listening on stderr changes nothing.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};

/// Writes data: all of it, or the error.
pub(crate) fn data(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes many lines of data through one buffer.
pub(crate) fn lines<T: fmt::Display>(lines: impl IntoIterator<Item = T>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Tells a person something.
pub(crate) fn say(text: impl fmt::Display) {
    // Nobody listens: nothing to be done about it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes one line anew, for a person who looks on; an empty one takes it away. A file does not get it.
pub(crate) fn progress(text: impl fmt::Display) {
    if io::stderr().is_terminal() {
        let mut out = io::stderr().lock();
        let _ = write!(out, "{}{text}", fresh_line()).and_then(|()| out.flush());
    }
}

/// What takes that line away for the next thing that is said.
pub(crate) fn fresh_line() -> &'static str {
    if io::stderr().is_terminal() { "\r\u{1b}[K" } else { "" }
}
