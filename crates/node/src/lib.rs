//! Where sessions and partitions meet, one value per core: it routes asks and tells, holds what a
//! partition says until its writes are durable, and keeps mail for other cores.
//!
//! Nothing here waits, reads a clock or touches a socket; the shell, the transcripts and the
//! simulation all drive this same value.

mod directory;
mod port;

pub use directory::{Directory, Throttle};
pub use port::{Ending, Input, Mail, Note, Output, Wire};

use std::sync::Arc;

use model::{Now, Route, Timestamp};

/// One core's sessions and partitions.
pub struct Node {
    config: Config,
}

/// What a node is made with.
#[derive(Clone)]
pub struct Config {
    /// Which core this is, from 0.
    pub core: u8,
    /// How many cores there are; partition `p` lives on core `p % cores`.
    pub cores: u8,
    /// Every dialect's numbers.
    pub dialects: Arc<dialects::Config>,
    /// The bounds of the node itself.
    pub bounds: Bounds,
    /// Where its randomness starts.
    pub seed: u64,
}

model::settings! {
    /// The node's own bounds.
    pub struct Bounds {
        /// Asks a session may have open; beyond it its socket is not read.
        pub asks_per_session: usize = 32, 1..=1024, Choice;
    }
}

impl Node {
    /// An empty node; its partitions are loaded at once, and asks wait for that.
    pub fn new(config: Config, directory: Arc<Directory>, now: Now, out: &mut Vec<Output>) -> Self {
        let _ = (directory, now, out);
        Self { config }
    }

    /// A route for a new connection; never given twice.
    pub fn route(&mut self) -> Route {
        Route { core: self.config.core, slot: 0 }
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        let _ = (now, input, out);
    }

    /// When [`Input::Wake`] is wanted, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        None
    }

    /// How many connections are open, and how many of them are logged in.
    #[must_use]
    pub fn sessions(&self) -> (usize, usize) {
        (0, 0)
    }

    /// How many partitions of this core are not loaded yet.
    #[must_use]
    pub fn loading(&self) -> usize {
        0
    }
}
