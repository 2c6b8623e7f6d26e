//! Where log lines go, and what a panic leaves behind.

use std::io;
use std::panic;

use tracing_subscriber::filter::LevelFilter;

use crate::config::{Log, LogFormat};
use crate::scribe::{self, Line};

/// From here on log lines go to stderr, none of them before [`scribe::finish`] is lost but by a reader that does not read.
/// Called once, by the commands that run for long.
///
/// # Errors
/// The system has no thread for it.
pub(crate) fn start(log: &Log) -> io::Result<()> {
    scribe::start()?;
    let lines = tracing_subscriber::fmt().with_writer(|| Line).with_max_level(LevelFilter::from(log.level.0));
    match log.format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Logs a panic as an error with its place. Its message is left out: it may hold a value that must not be seen.
pub(crate) fn catch_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!(place, thread, "panic");
        } else {
            crate::talk::say(format_args!("tillgate: panic at {place} in thread {thread}"));
        }
    }));
}
