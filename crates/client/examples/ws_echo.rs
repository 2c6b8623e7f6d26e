//! Connects and repeats every message, text or binary, until the server closes: the SDK's own connection code for a
//! conformance suite to judge.
//!
//! `cargo run --release -p client --example ws_echo -- ws://127.0.0.1:9001/runCase?case=1`
//!
//! Every option is the product's default but one: messages may have 16 MiB. How many fragments one may have follows from
//! that. There is no second attempt.

use std::error::Error;
use std::future::pending;

use client::{Endpoint, Input, Lost, Machine, Output, Text, drive};
use model::Timestamp;
use tokio::sync::mpsc;

/// Bytes of a message.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: ws_echo URL")?;
    let endpoint = Endpoint::new(&url).messages_up_to(MESSAGE_BYTES);
    let (_commands, none) = mpsc::channel(1);
    let mut unreached = None;
    let heard = |lost| match lost {
        Lost::Closed { .. } | Lost::Broken(_) | Lost::Protocol(_) => {}
        other => unreached = Some(other),
    };
    drive(endpoint, |_, _| Echo::Idle, none, pending(), heard).await?;
    unreached.map_or(Ok(()), |lost| Err(lost.into()))
}

/// Says every text again. Binary messages the shell repeats.
enum Echo {
    Idle,
    Connected,
    Over,
}

impl Machine for Echo {
    type Command = ();
    type Event = Lost;

    fn handle(&mut self, _: Timestamp, input: Input<'_, ()>, out: &mut Vec<Output<Lost>>) {
        match input {
            Input::Wake => {
                *self = Self::Connected;
                out.push(Output::Connect);
            }
            Input::Text(text) => out.push(Output::Send(Text::new(text.to_owned()))),
            Input::Lost(lost) => {
                *self = Self::Over;
                out.push(Output::Event(lost));
            }
            Input::Opened | Input::Command(()) | Input::Close => {}
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Idle => Some(Timestamp::default()),
            Self::Connected | Self::Over => None,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    fn repeats_binary(&self) -> bool {
        true
    }
}
