//! Moving what was committed from the log into the database, beside the writer.
//!
//! A passive checkpoint runs on its own thread whenever the log has grown by [`PASSIVE_PAGES`] and disturbs
//! nobody. Under load without a pause it never reaches the log's end, so past [`RESTART_PAGES`] the writer
//! itself makes the log start over, which also bounds the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;

use super::fault::Fault;

/// The log grows by this many pages of 4 KiB between two passive checkpoints.
const PASSIVE_PAGES: u32 = 1_000;
/// 64 MiB of log: here the writer makes it start over.
const RESTART_PAGES: u32 = 16_384;
/// After a restart that somebody held up, the log may grow by this much before the next try.
const RETRY_PAGES: u32 = 1_024;
/// How long the writer waits for a reader that stands in the way of a restart.
const RESTART_PATIENCE: Duration = Duration::from_millis(100);

/// Knows how long the log is, and keeps it short.
pub(super) struct Checkpoints {
    pages: Arc<AtomicU32>,
    /// Where the next passive checkpoint is due.
    passive_at: u32,
    /// Where the next restart is due.
    restart_at: u32,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Watches the log of `writer`; `beside` is another connection to the same data.
    pub(super) fn start(writer: &mut Connection, beside: Connection) -> Result<Self, Fault> {
        let pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut Wal, now: std::ffi::c_int| {
            seen.store(u32::try_from(now).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let (wake, woken) = sync_channel::<()>(1);
        let thread = thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                // What it could not move now it moves next time.
                let _ = beside.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE);
            }
        });
        // Without the thread the writer's own restarts still bound the log.
        Ok(Self { pages, passive_at: PASSIVE_PAGES, restart_at: RESTART_PAGES, wake: Some(wake), thread: thread.ok() })
    }

    /// Looks at the log after a commit.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages >= RESTART_PAGES {
            // The thread is left asleep from here on: two checkpoints stand in each other's way.
            if pages >= self.restart_at {
                let restarted = restart(writer).is_ok();
                self.restart_at = if restarted { RESTART_PAGES } else { pages.saturating_add(RETRY_PAGES) };
            }
            return;
        }
        if pages + PASSIVE_PAGES < self.passive_at {
            // The log started over.
            (self.passive_at, self.restart_at) = (PASSIVE_PAGES, RESTART_PAGES);
        }
        if pages >= self.passive_at {
            self.passive_at = pages + PASSIVE_PAGES;
            if let Some(wake) = &self.wake {
                let _ = wake.try_send(());
            }
        }
    }
}

/// Moves the whole log, so that the next commit writes at its start.
fn restart(writer: &Connection) -> rusqlite::Result<()> {
    writer.busy_timeout(RESTART_PATIENCE)?;
    let restarted = writer.wal_checkpoint_v2(None::<&str>, CheckpointMode::RESTART);
    writer.busy_timeout(super::PATIENCE)?;
    restarted.map(|_| ())
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
