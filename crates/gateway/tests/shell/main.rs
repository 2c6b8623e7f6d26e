//! The shell with real sockets: handshakes, framing, closing, slow peers and drain with an echo for a machine, then all
//! of it with real nodes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod admission;
mod calls;
mod closing;
mod handshake;
mod http;
mod life;
mod operators;
mod parrot;
mod peer;
mod slow;
mod tls;
mod vendor;

use std::sync::Arc;
use std::time::Duration;

use gateway::{Gateway, Running, Settings, Storage};
use parrot::Parrot;
use store::Memory;

/// A gateway on one core with parrots behind it; returns when it is ready.
fn start(change: impl FnOnce(&mut Settings)) -> Running {
    let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
    gateway.settings.cores = 1;
    gateway.settings.close_wait = Duration::from_millis(300);
    change(&mut gateway.settings);
    let running = gateway.start_with(storage(), |birth, _| Box::new(Parrot::new(birth.core))).unwrap();
    assert!(running.wait_ready(Duration::from_secs(5)));
    running
}

fn storage() -> Storage {
    let store: Box<dyn store::Store> = Box::new(Memory::new());
    store.into()
}

/// Waits for what other threads do, at most five seconds.
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never came: {what}");
}

/// A plan for real nodes with every default.
fn plan() -> gateway::Plan {
    gateway::Plan { dialects: Arc::default(), bounds: node::Bounds::default(), seed: 1 }
}
