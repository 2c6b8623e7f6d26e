//! One inbox per core: mail from other cores, answers of the store and orders from outside, with one wake per batch.
//!
//! What may lie here is bounded by the senders: asks by the node's credit, answers of the store by the one batch a
//! partition has in flight.

use std::sync::{Arc, Mutex, PoisonError};

use model::{CallId, CommitError, Done, Loaded, OperationRow, Partition, Route, Settled};
use node::{Directory, Input, Mail, Spread, Unread};
use tokio::sync::Notify;

use crate::machine::Machine;

/// Something to see in a machine.
pub(crate) type MachineLook = Box<dyn FnOnce(&dyn Machine) + Send>;

/// What a core does about a letter.
pub(crate) enum Order {
    /// Tell the machine.
    Input(Input<'static>),
    /// Show the machine.
    Look(MachineLook),
    /// End.
    Stop,
}

/// What others tell a core.
pub(crate) enum Letter {
    Mail(Mail),
    Committed {
        partition: Partition,
        batch: u64,
        result: Result<Vec<Settled>, CommitError>,
    },
    Earlier {
        ticket: u64,
        partition: Partition,
        row: Result<Option<Box<OperationRow>>, Unread>,
    },
    Loaded {
        partition: Partition,
        loaded: Result<Box<Loaded>, Arc<str>>,
    },
    Done {
        route: Route,
        call: CallId,
        done: Done,
    },
    Directory(Arc<Directory>),
    Drain {
        spread: Spread,
    },
    /// An operator wants something done.
    Tell(Input<'static>),
    /// An operator looks, and is answered by itself.
    Look(MachineLook),
    Stop,
}

impl Letter {
    /// What it is for the core.
    pub(crate) fn into_order(self) -> Order {
        Order::Input(match self {
            Self::Mail(mail) => Input::Mail(mail),
            Self::Committed { partition, batch, result } => Input::Committed { partition, batch, result },
            Self::Earlier { ticket, partition, row } => Input::Earlier { ticket, partition, row },
            Self::Loaded { partition, loaded } => Input::Loaded { partition, loaded },
            Self::Done { route, call, done } => Input::Done { route, call, done },
            Self::Directory(directory) => Input::Directory(directory),
            Self::Drain { spread } => Input::Drain { spread },
            Self::Tell(input) => input,
            Self::Look(look) => return Order::Look(look),
            Self::Stop => return Order::Stop,
        })
    }
}

/// Where letters for one core wait.
#[derive(Default)]
pub(crate) struct Inbox {
    letters: Mutex<Vec<Letter>>,
    bell: Notify,
}

impl Inbox {
    /// Puts in a batch, leaving `letters` empty, and wakes the core once.
    pub(crate) fn deliver(&self, letters: &mut Vec<Letter>) {
        if letters.is_empty() {
            return;
        }
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).append(letters);
        self.bell.notify_one();
    }

    /// Puts in one letter and wakes the core.
    pub(crate) fn deliver_one(&self, letter: Letter) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        self.bell.notify_one();
    }

    /// Everything that waits, in order.
    pub(crate) fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends when something was put in since the last time.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}
