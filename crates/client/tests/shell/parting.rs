//! How a connection takes its leave on a real socket: the last frame arrives, whatever still came and however soon the
//! runtime ends.

use std::future::pending;

use client::rehearsal::Peer;
use client::{Endpoint, Input, Lost, Machine, Output, drive};
use model::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use websocket::{Close, CloseCode, Message};

/// Connects once, and says nothing.
enum Once {
    Idle,
    Connected,
    Over,
}

impl Machine for Once {
    type Command = ();
    type Event = Lost;

    fn handle(&mut self, _: Timestamp, input: Input<'_, ()>, out: &mut Vec<Output<Lost>>) {
        match input {
            Input::Wake => {
                *self = Self::Connected;
                out.push(Output::Connect);
            }
            Input::Lost(lost) => {
                *self = Self::Over;
                out.push(Output::Event(lost));
            }
            Input::Opened | Input::Text(_) | Input::Command(()) | Input::Close => {}
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        matches!(self, Self::Idle).then(Timestamp::default)
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

/// What a server hears from a client whose runtime ends with its connection.
fn heard(serve: impl AsyncFn(Peer) -> Option<Message<'static>>) -> Option<Message<'static>> {
    let server = Builder::new_current_thread().enable_all().build().unwrap();
    let listener = server.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (_commands, none) = mpsc::channel(1);
        runtime.block_on(drive(Endpoint::new(&url), |_, _| Once::Idle, none, pending(), |_| {})).unwrap();
    });
    let heard = server.block_on(async {
        let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
        serve(Peer::accept(stream).await.unwrap()).await
    });
    client.join().unwrap();
    heard
}

#[test]
fn a_close_is_answered_before_the_runtime_ends() {
    let answer = heard(async |mut peer| {
        peer.close(1001, "lunch").await.unwrap();
        peer.hear().await
    });
    assert_eq!(answer, Some(Message::Close(Close::code_only(CloseCode::GOING_AWAY))));
}

#[test]
fn a_complaint_is_not_overtaken_by_a_reset() {
    let answer = heard(async |mut peer| {
        let mut bytes = vec![0x81, 127];
        bytes.extend_from_slice(&(1_u64 << 20).to_be_bytes());
        bytes.resize(1 << 20, 0);
        // All of it goes out, although nobody wants it any more.
        peer.bytes(&bytes).await.unwrap();
        peer.hear().await
    });
    assert!(matches!(&answer, Some(Message::Close(close)) if close.code() == Some(CloseCode::TOO_BIG)), "{answer:?}");
}
