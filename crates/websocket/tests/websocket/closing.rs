//! The closing handshake from both ends, and what may be said in each of its states.

use bytes::BytesMut;
use websocket::{Close, CloseCode, Connection, ControlPayload, Error, Limits, Message, NotOpen, Role, Side, State};

use crate::frames::{CLOSE, FIN, PING, TEXT, frame};

fn server() -> Connection {
    Connection::new(Role::Server, Limits::of(1000))
}

/// Receives everything in `stream`, answering as the protocol asks; gives what came.
fn receive(
    connection: &mut Connection,
    mut stream: Vec<u8>,
    out: &mut BytesMut,
) -> Vec<Result<Message<'static>, Error>> {
    let mut came = Vec::new();
    let mut input = &mut stream[..];
    loop {
        match connection.receive(&mut input) {
            Ok(None) => return came,
            Ok(Some(message)) => {
                connection.answer(&message, 0, out);
                came.push(Ok(message.into_owned()));
            }
            Err(error) => came.push(Err(error)),
        }
    }
}

fn say_everything_but_close(connection: &mut Connection) -> Vec<Result<(), NotOpen>> {
    let mut out = BytesMut::new();
    let messages = [
        Message::text(""),
        Message::binary(&[][..]),
        Message::Ping(ControlPayload::EMPTY),
        Message::Pong(ControlPayload::EMPTY),
    ];
    let said: Vec<_> = messages.iter().map(|message| connection.send(message, 0, &mut out)).collect();
    assert_eq!(out.is_empty(), said.iter().all(Result::is_err), "what is refused is not written");
    said
}

#[test]
fn the_peer_closes_first_and_gets_its_code_back() {
    let (mut connection, mut out) = (server(), BytesMut::new());
    let came = receive(&mut connection, frame(FIN | CLOSE, b"\x03\xe9lunch"), &mut out);
    assert_eq!(came, [Ok(Message::Close(Close::new(CloseCode::GOING_AWAY, "lunch").unwrap()))]);
    assert_eq!(&out[..], b"\x88\x02\x03\xe9");
    assert_eq!(connection.state(), State::Closed { first: Side::Peer });
    assert!(connection.is_over() && !connection.peer_completed_our_close());
}

#[test]
fn the_peer_closes_first_and_we_may_say_only_our_close() {
    let (mut connection, mut out) = (server(), BytesMut::new());
    let mut stream = frame(FIN | CLOSE, b"");
    let mut input = &mut stream[..];
    assert_eq!(connection.receive(&mut input), Ok(Some(Message::Close(Close::EMPTY))));
    assert_eq!(connection.state(), State::OwesClose);
    let refusal = Err(NotOpen { state: State::OwesClose });
    assert_eq!(say_everything_but_close(&mut connection), [refusal; 4]);
    assert!(connection.close(Close::EMPTY, 0, &mut out));
    assert_eq!(&out[..], b"\x88\x00");
    assert!(!connection.close(Close::EMPTY, 0, &mut out), "a second close");
    assert_eq!(&out[..], b"\x88\x00");
}

#[test]
fn we_close_first_and_the_peer_completes_it() {
    let (mut connection, mut out) = (server(), BytesMut::new());
    let displaced = CloseCode::new(4409).unwrap();
    assert!(connection.close(Close::new(displaced, "displaced").unwrap(), 0, &mut out));
    assert_eq!(&out[..], b"\x88\x0b\x11\x39displaced");
    assert_eq!(connection.state(), State::AwaitsClose);
    let refusal = Err(NotOpen { state: State::AwaitsClose });
    assert_eq!(say_everything_but_close(&mut connection), [refusal; 4]);

    // What was on its way is still told; a ping is no longer answered.
    out.clear();
    let stream = [frame(FIN | TEXT, b"a late result"), frame(FIN | PING, b""), frame(FIN | CLOSE, b"\x11\x39")];
    let came = receive(&mut connection, stream.concat(), &mut out);
    assert_eq!(
        came,
        [
            Ok(Message::text("a late result")),
            Ok(Message::Ping(ControlPayload::EMPTY)),
            Ok(Message::Close(Close::code_only(displaced))),
        ]
    );
    assert!(out.is_empty());
    assert_eq!(connection.state(), State::Closed { first: Side::Us });
    assert!(connection.is_over() && connection.peer_completed_our_close());
}

#[test]
fn an_error_is_owed_its_close_and_ends_broken() {
    let (mut connection, mut out) = (server(), BytesMut::new());
    let stream = [frame(FIN | TEXT, b"ok"), frame(FIN | TEXT, b"\xff"), frame(FIN | CLOSE, b"")].concat();
    let came = receive(&mut connection, stream, &mut out);
    assert_eq!(came, [Ok(Message::text("ok")), Err(Error::TextNotUtf8)]);
    assert_eq!(connection.state(), State::Failed);
    let refusal = Err(NotOpen { state: State::Failed });
    assert_eq!(say_everything_but_close(&mut connection), [refusal; 4]);
    assert!(connection.close(Error::TextNotUtf8.close(), 0, &mut out));
    assert_eq!(&out[..], b"\x88\x13\x03\xeftext is not utf-8");
    assert_eq!(connection.state(), State::Broken);
    assert!(connection.is_over() && !connection.peer_completed_our_close());
}

#[test]
fn an_error_while_our_close_is_out_ends_broken() {
    let (mut connection, mut out) = (server(), BytesMut::new());
    assert!(connection.close(Close::EMPTY, 0, &mut out));
    assert_eq!(receive(&mut connection, frame(FIN | 3, b""), &mut out), [Err(Error::ReservedOpcode)]);
    assert_eq!(connection.state(), State::Broken);
    assert!(!connection.close(Close::EMPTY, 0, &mut out));
    assert!(!connection.peer_completed_our_close());
}

#[test]
fn two_of_ours_close_with_each_other_even_at_once() {
    for client_first in [true, false] {
        let mut client = Connection::new(Role::Client, Limits::of(100));
        let mut server = server();
        let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
        assert!(client.close(Close::code_only(CloseCode::NORMAL), 0x0102_0304, &mut up));
        if !client_first {
            assert!(server.close(Close::code_only(CloseCode::GOING_AWAY), 0, &mut down));
        }
        receive(&mut server, up.to_vec(), &mut down);
        receive(&mut client, down.to_vec(), &mut up);
        let expected = if client_first { Side::Peer } else { Side::Us };
        assert_eq!(server.state(), State::Closed { first: expected });
        assert_eq!(client.state(), State::Closed { first: Side::Us });
        assert_eq!((up.len(), down.len()), (8, 4), "one close each");
    }
}
