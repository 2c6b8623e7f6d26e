//! Repeats every message, text or binary, on any path: the gateway's own connection code for conformance suites and
//! benchmarks to judge.
//!
//! `cargo run --release -p gateway --example ws_echo -- 127.0.0.1:9001`
//!
//! Every setting is the product's default but one: messages may have 16 MiB. How many fragments one may have follows
//! from that, as it does for every dialect. Prints where it listens and runs until it is killed.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use gateway::{Gateway, Machine, Storage};
use model::{Class, Frame, Now, Route, Timestamp};
use node::{Input, Output, Wire};
use store::{Memory, Store};

/// Bytes of a message.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = std::env::args().nth(1).ok_or("usage: ws_echo ADDRESS:PORT")?.parse()?;
    gateway::raise_file_limit();
    let store: Box<dyn Store> = Box::new(Memory::new());
    let gateway = Gateway::new(vec![address]);
    let running = gateway.start_with(Storage::from(store), |birth, _| Box::new(Echo { core: birth.core, next: 0 }))?;
    writeln!(std::io::stdout(), "ws://{}", running.addresses()[0])?;
    running.wait();
    Err("a thread has ended".into())
}

/// Takes everything and says it again.
struct Echo {
    core: u8,
    next: u64,
}

impl Machine for Echo {
    fn route(&mut self) -> Route {
        self.next += 1;
        Route { core: self.core, slot: self.next }
    }

    fn handle(&mut self, _: Now, input: Input<'_>, out: &mut Vec<Output>) {
        let mut wire = |route, wire| out.push(Output::Wire { route, wire });
        match input {
            Input::Open { route, .. } => {
                wire(route, Wire::Accept);
                wire(route, Wire::Limit(MESSAGE_BYTES));
            }
            Input::Frame { route, frame: Frame::Text(text) } => {
                wire(route, Wire::Send { text: Bytes::copy_from_slice(text.as_bytes()), class: Class::Answer });
            }
            Input::Fault { route, reason } => wire(route, Wire::Close { code: reason.code(), reason }),
            // Binary messages do not come here: the shell repeats them.
            Input::Frame { frame: Frame::Binary(_) | Frame::Ping | Frame::Pong, .. }
            | Input::Room { .. }
            | Input::Dropped { .. }
            | Input::Gone { .. }
            | Input::Request { .. }
            | Input::Wake
            | Input::Committed { .. }
            | Input::Earlier { .. }
            | Input::Loaded { .. }
            | Input::Done { .. }
            | Input::Mail(_)
            | Input::Directory(_)
            | Input::TakeBack { .. }
            | Input::Dismiss { .. }
            | Input::Drain { .. } => {}
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        None
    }

    fn loading(&self) -> usize {
        0
    }

    fn repeats_binary(&self) -> bool {
        true
    }
}
