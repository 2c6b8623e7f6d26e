//! tungstenite reads what we write, we read what it writes, and both agree on what is neither's.

use std::io::{self, Cursor, Read, Write};

use bytes::BytesMut;
use proptest::prelude::*;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error as TheirError, Message as Theirs};
use websocket::property::transcript;
use websocket::{Close, CloseCode, ControlPayload, Decoder, Error, Limits, Message, Role, encode};

use crate::cuts::{LIMITS, any_frame, frames};

/// What comes from nowhere and goes into a vector.
struct Wire {
    incoming: Cursor<Vec<u8>>,
    outgoing: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.incoming.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn socket(role: Role, limits: Limits, incoming: Vec<u8>) -> WebSocket<Wire> {
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_message_size(Some(limits.message))
        .max_frame_size(Some(limits.frame));
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    WebSocket::from_raw_socket(Wire { incoming: Cursor::new(incoming), outgoing: Vec::new() }, role, Some(config))
}

/// Everything tungstenite understands of a stream, up to a close, and whether it then refused something.
fn their_transcript(role: Role, limits: Limits, stream: &[u8]) -> (Vec<Theirs>, Option<TheirError>) {
    let mut socket = socket(role, limits, stream.to_vec());
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => {
                let is_close = message.is_close();
                messages.push(message);
                if is_close {
                    return (messages, None);
                }
            }
            // The end of the stream.
            Err(TheirError::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                return (messages, None);
            }
            Err(error) => return (messages, Some(error)),
        }
    }
}

fn theirs(message: &Message<'_>) -> Theirs {
    match message {
        Message::Text(text) => Theirs::text(text.as_ref()),
        Message::Binary(bytes) => Theirs::binary(bytes.to_vec()),
        Message::Ping(payload) => Theirs::Ping(payload.as_bytes().to_vec().into()),
        Message::Pong(payload) => Theirs::Pong(payload.as_bytes().to_vec().into()),
        Message::Close(close) => Theirs::Close(
            close.code().map(|code| CloseFrame { code: code.get().into(), reason: close.reason().into() }),
        ),
    }
}

/// Where we refuse and tungstenite does not, on purpose.
fn stricter_than_theirs(error: Error) -> bool {
    matches!(error, Error::LengthNotMinimal | Error::TooManyFragments | Error::CloseCodeInvalid)
}

fn message() -> impl Strategy<Value = Message<'static>> {
    let bytes = || {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..40),
            1 => prop::collection::vec(any::<u8>(), 120..130),
            1 => (65_530usize..65_540).prop_map(|count| vec![7; count]),
        ]
    };
    let control = || {
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(|bytes| ControlPayload::new(bytes).expect("at most 125"))
    };
    prop_oneof![
        4 => any::<String>().prop_map(Message::text),
        2 => bytes().prop_map(Message::binary),
        1 => control().prop_map(Message::Ping),
        1 => control().prop_map(Message::Pong),
    ]
}

fn close() -> impl Strategy<Value = Message<'static>> {
    let code = prop_oneof![1000u16..=1003, 1007u16..=1013, 3000u16..=4999];
    prop::option::of((code, "[a-z€]{0,30}")).prop_map(|close| {
        Message::Close(match close {
            None => Close::EMPTY,
            Some((code, reason)) => Close::new(CloseCode::new(code).expect("valid"), reason).expect("at most 90 bytes"),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn they_read_what_we_write(messages in prop::collection::vec(message(), 0..6), close in close(), key: u32) {
        let limits = Limits::of(1 << 20);
        for (writer, reader) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
            let mut wire = BytesMut::new();
            for message in messages.iter().chain([&close]) {
                encode(message, writer, key, &mut wire);
            }
            let (read, error) = their_transcript(reader, limits, &wire);
            prop_assert!(error.is_none(), "{:?}", error);
            let expected: Vec<_> = messages.iter().chain([&close]).map(theirs).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn we_read_what_they_write(
        messages in prop::collection::vec(message(), 0..6),
        close in close(),
        sizes in prop::collection::vec(1usize..2000, 1..5),
    ) {
        let limits = Limits::of(1 << 20);
        for (writer, reader) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
            let mut socket = socket(writer, limits, Vec::new());
            for message in messages.iter().chain([&close]) {
                socket.send(theirs(message)).unwrap();
            }
            let wire = &socket.get_ref().outgoing;
            let (read, error) = transcript(Decoder::new(reader, limits), limits, wire, &sizes);
            prop_assert_eq!(error, None);
            let expected: Vec<_> = messages.iter().chain([&close]).cloned().collect();
            prop_assert_eq!(read, expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn we_refuse_what_they_refuse(
        (role, stream) in prop_oneof![
            3 => frames(Role::Client).prop_map(|stream| (Role::Server, stream)),
            3 => frames(Role::Server).prop_map(|stream| (Role::Client, stream)),
            1 => (frames(Role::Client), any_frame(Role::Server))
                .prop_map(|(stream, unmasked)| (Role::Server, [stream, unmasked].concat())),
        ],
    ) {
        let (ours, our_error) = transcript(Decoder::new(role, LIMITS), LIMITS, &stream, &[]);
        let (read, their_error) = their_transcript(role, LIMITS, &stream);
        let expected: Vec<_> = ours.iter().map(theirs).collect();
        match our_error {
            None => {
                prop_assert!(their_error.is_none(), "only they refuse: {:?}", their_error);
                prop_assert_eq!(read, expected);
            }
            Some(error) if stricter_than_theirs(error) => prop_assert_eq!(read.get(..expected.len()), Some(&expected[..])),
            Some(error) => {
                prop_assert!(their_error.is_some(), "only we refuse: {:?}", error);
                prop_assert_eq!(read, expected);
            }
        }
    }
}
