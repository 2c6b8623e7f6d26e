//! Tables of what must be refused: the reason, the code, and the earliest byte at which.

use websocket::property::transcript;
use websocket::{Accepts, CloseCode, ControlPayload, Decoder, Error, Fault, Limits, Message, Role};

use crate::frames::{BINARY, CLOSE, CONTINUATION, FIN, Length, PING, PONG, TEXT, frame, frame_with, serve};

const LIMITS: Limits = Limits { message: 1000, frame: 600, fragments: 4 };

/// The number of bytes after which a server, fed byte by byte, refuses the stream, and why.
fn refused_after(limits: Limits, accepts: Accepts, stream: &[u8]) -> Option<(usize, Error)> {
    let mut decoder = Decoder::new(Role::Server, limits);
    decoder.set_accepts(accepts);
    for (index, byte) in stream.iter().enumerate() {
        let mut byte = [*byte];
        let mut input = &mut byte[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return Some((index + 1, error)),
            }
        }
    }
    None
}

/// A client's frame header that claims `length` bytes, with nothing after it.
fn claim(first: u8, length: u64) -> Vec<u8> {
    let mut out = vec![first, 0xff];
    out.extend(length.to_be_bytes());
    out.extend([1, 2, 3, 4]);
    out
}

#[test]
fn every_violation_is_refused_at_its_earliest_byte() {
    let start = frame(TEXT, b"abc");
    let after_start = |bytes: Vec<u8>| [start.clone(), bytes].concat();
    let far = start.len();
    let table: Vec<(&str, Vec<u8>, usize, Error)> = vec![
        ("RSV1", frame(FIN | 0x40 | TEXT, b"x"), 1, Error::ReservedBits),
        ("RSV2", frame(FIN | 0x20 | TEXT, b"x"), 1, Error::ReservedBits),
        ("RSV3", frame(FIN | 0x10 | PING, b"x"), 1, Error::ReservedBits),
        ("ping in pieces", frame(PING, b""), 1, Error::ControlFragmented),
        ("pong in pieces", frame(PONG, b""), 1, Error::ControlFragmented),
        ("close in pieces", frame(CLOSE, b""), 1, Error::ControlFragmented),
        ("ping of 126", frame(FIN | PING, &[0; 126]), 2, Error::ControlTooLong),
        (
            "ping of 5 in two bytes",
            frame_with(Role::Client, FIN | PING, Length::Two, b"hello"),
            2,
            Error::ControlTooLong,
        ),
        ("close of 65536", frame(FIN | CLOSE, &[0; 65536]), 2, Error::ControlTooLong),
        ("no mask", frame_with(Role::Server, FIN | TEXT, Length::Minimal, b"x"), 2, Error::MaskMissing),
        ("5 in two bytes", frame_with(Role::Client, FIN | TEXT, Length::Two, b"hello"), 4, Error::LengthNotMinimal),
        (
            "125 in two bytes",
            frame_with(Role::Client, FIN | TEXT, Length::Two, &[b'a'; 125]),
            4,
            Error::LengthNotMinimal,
        ),
        (
            "126 in eight bytes",
            frame_with(Role::Client, FIN | TEXT, Length::Eight, &[b'a'; 126]),
            10,
            Error::LengthNotMinimal,
        ),
        ("65535 in eight bytes", claim(FIN | TEXT, 65535), 10, Error::LengthNotMinimal),
        ("2^63", claim(FIN | BINARY, 1 << 63), 10, Error::LengthHighBit),
        ("2^64 - 1", claim(FIN | BINARY, u64::MAX), 10, Error::LengthHighBit),
        ("2^63 - 1", claim(FIN | BINARY, u64::MAX >> 1), 14, Error::FrameTooBig),
        ("65536", claim(FIN | BINARY, 65536), 14, Error::FrameTooBig),
        ("601 in one frame", frame(FIN | TEXT, &[b'a'; 601]), 8, Error::FrameTooBig),
        (
            "1001 in two frames",
            [frame(TEXT, &[b'a'; 600]), frame(FIN, &[b'a'; 401])].concat(),
            608 + 8,
            Error::MessageTooBig,
        ),
        (
            "five fragments",
            [
                start.clone(),
                frame(CONTINUATION, b""),
                frame(CONTINUATION, b""),
                frame(CONTINUATION, b""),
                frame(FIN, b""),
            ]
            .concat(),
            far + 4 * 6,
            Error::TooManyFragments,
        ),
        ("continuation first", frame(FIN, b"x"), 6, Error::NothingToContinue),
        (
            "continuation after a whole message",
            [frame(FIN | TEXT, b"a"), frame(FIN, b"x")].concat(),
            7 + 6,
            Error::NothingToContinue,
        ),
        ("text inside text", after_start(frame(FIN | TEXT, b"x")), far + 6, Error::MessageInterrupted),
        ("binary inside text", after_start(frame(BINARY, b"x")), far + 6, Error::MessageInterrupted),
        ("close of one byte", frame(FIN | CLOSE, b"\x03"), 6, Error::CloseTooShort),
        ("close reason not text", frame(FIN | CLOSE, b"\x03\xe8ok\xff....."), 6 + 5, Error::CloseReasonNotUtf8),
        ("close reason cut", frame(FIN | CLOSE, b"\x03\xe8\xe2\x82"), 6 + 4, Error::CloseReasonNotUtf8),
        ("text not text", frame(FIN | TEXT, b"ok\xff....."), 6 + 3, Error::TextNotUtf8),
        ("text ends in a character", frame(FIN | TEXT, b"ok\xe2\x82"), 6 + 4, Error::TextNotUtf8),
        ("surrogate", frame(FIN | TEXT, b"\xed\xa0\x80"), 6 + 2, Error::TextNotUtf8),
        (
            "bad byte across fragments",
            [frame(TEXT, b"\xe2"), frame(FIN | PING, b""), frame(CONTINUATION, b""), frame(FIN, b"\x82a...")].concat(),
            7 + 6 + 6 + 6 + 2,
            Error::TextNotUtf8,
        ),
        (
            "last fragment empty inside a character",
            [frame(TEXT, b"\xe2"), frame(FIN, b"")].concat(),
            7 + 6,
            Error::TextNotUtf8,
        ),
    ];
    for (name, stream, after, error) in table {
        assert_eq!(refused_after(LIMITS, Accepts::TextAndBinary, &stream), Some((after, error)), "{name}");
        assert_eq!(serve(LIMITS, &stream).1, Some(error), "{name}, in one piece");
    }
}

#[test]
fn reserved_opcodes_are_refused_by_both_roles() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for (role, sender) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
            for fin in [0, FIN] {
                let stream = frame_with(sender, fin | opcode, Length::Minimal, b"");
                let (messages, error) = transcript(Decoder::new(role, LIMITS), LIMITS, &stream, &[]);
                assert_eq!((messages.len(), error), (0, Some(Error::ReservedOpcode)), "opcode {opcode}");
            }
        }
    }
}

#[test]
fn a_client_refuses_a_masked_frame() {
    let stream = frame_with(Role::Client, FIN | TEXT, Length::Minimal, b"x");
    let (messages, error) = transcript(Decoder::new(Role::Client, LIMITS), LIMITS, &stream, &[]);
    assert_eq!((messages.len(), error), (0, Some(Error::MaskForbidden)));
}

#[test]
fn every_close_code_is_taken_or_refused() {
    for code in 0..=u16::MAX {
        let stream = frame(FIN | CLOSE, &code.to_be_bytes());
        let (messages, error) = serve(LIMITS, &stream);
        if CloseCode::new(code).is_some() {
            let [Message::Close(close)] = &messages[..] else { panic!("{code} is a close") };
            assert_eq!((close.code().map(CloseCode::get), close.reason(), error), (Some(code), "", None));
        } else {
            assert_eq!((messages.len(), error), (0, Some(Error::CloseCodeInvalid)), "{code}");
        }
    }
}

#[test]
fn a_bad_close_code_is_refused_before_its_reason_has_come() {
    let stream = frame(FIN | CLOSE, b"\x03\xed and a reason");
    assert_eq!(refused_after(LIMITS, Accepts::TextAndBinary, &stream), Some((8, Error::CloseCodeInvalid)));
}

#[test]
fn binary_can_be_refused_at_its_header() {
    let stream = frame(BINARY, &[0; 100]);
    assert_eq!(refused_after(LIMITS, Accepts::TextOnly, &stream), Some((6, Error::BinaryRefused)));
    assert_eq!(refused_after(LIMITS, Accepts::TextAndBinary, &stream), None);
    assert_eq!(refused_after(LIMITS, Accepts::TextOnly, &frame(FIN | TEXT, b"x")), None);
}

#[test]
fn every_reason_has_its_code_and_its_fault() {
    for error in Error::ALL {
        let expected = match error.close_code().get() {
            1002 | 1007 => Fault::Peer,
            1003 | 1009 => Fault::Policy,
            code => panic!("{} closes with {code}", error.name()),
        };
        assert_eq!(error.fault(), expected, "{}", error.name());
    }
}

#[test]
fn the_limits_themselves_are_allowed() {
    let fragments = [
        frame(TEXT, &[b'a'; 600]),
        frame(CONTINUATION, &[b'a'; 300]),
        frame(CONTINUATION, &[b'a'; 100]),
        frame(FIN, b""),
    ];
    let (messages, error) = serve(LIMITS, &fragments.concat());
    assert_eq!((messages, error), (vec![Message::text("a".repeat(1000))], None));
}

#[test]
fn a_character_that_is_still_incomplete_counts_towards_the_message() {
    let stream = [frame(TEXT, b"aaaaaaaa\xe2\x82"), frame(FIN, b"\xac")].concat();
    assert_eq!(serve(Limits::of(11), &stream), (vec![Message::text("aaaaaaaa€")], None));
    assert_eq!(serve(Limits::of(10), &stream), (vec![], Some(Error::MessageTooBig)));
}

#[test]
fn limits_change_while_the_connection_lives() {
    let mut decoder = Decoder::new(Role::Server, Limits::of(4));
    let mut stream = [frame(FIN | TEXT, b"auth"), frame(FIN | TEXT, b"longer"), frame(FIN | TEXT, b"long")].concat();
    let mut input = &mut stream[..];
    assert_eq!(decoder.decode(&mut input), Ok(Some(Message::text("auth"))));
    decoder.set_limits(Limits::of(6));
    assert_eq!(decoder.decode(&mut input), Ok(Some(Message::text("longer"))));
    decoder.set_limits(Limits::of(3));
    assert_eq!(decoder.decode(&mut input), Err(Error::FrameTooBig));
}

#[test]
fn limits_lowered_inside_a_message_spare_its_frame_and_bind_its_next() {
    let mut decoder = Decoder::new(Role::Server, Limits::of(100));
    let mut stream = [frame(TEXT, &[b'a'; 50]), frame(FIN, b"b")].concat();
    let (mut first, mut second) = stream.split_at_mut(20);
    assert_eq!(decoder.decode(&mut first), Ok(None));
    decoder.set_limits(Limits::of(10));
    assert_eq!(decoder.decode(&mut second), Err(Error::MessageTooBig));
}

#[test]
fn nothing_is_read_after_a_close_or_an_error() {
    for end in [frame(FIN | CLOSE, b"\x03\xe8bye"), frame(FIN | 3, b"")] {
        let stream = [frame(FIN | TEXT, b"a"), end, frame(FIN | TEXT, b"b"), frame(FIN | 4, b"c")].concat();
        let mut decoder = Decoder::new(Role::Server, LIMITS);
        let mut bytes = stream.clone();
        let mut input = &mut bytes[..];
        assert_eq!(decoder.decode(&mut input), Ok(Some(Message::text("a"))));
        assert!(!decoder.is_over());
        let ended = decoder.decode(&mut input);
        assert!(matches!(ended, Ok(Some(Message::Close(_))) | Err(Error::ReservedOpcode)), "{ended:?}");
        assert!(decoder.is_over() && input.is_empty());
        let mut more = frame(FIN | TEXT, b"d");
        let mut input = &mut more[..];
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert!(input.is_empty());
    }
}

#[test]
fn a_close_inside_a_message_ends_both() {
    let stream = [frame(TEXT, b"never ended"), frame(FIN | CLOSE, b"")].concat();
    let (messages, error) = serve(LIMITS, &stream);
    assert_eq!((messages, error), (vec![Message::Close(websocket::Close::EMPTY)], None));
}

#[test]
fn control_frames_pass_between_fragments() {
    let stream = [
        frame(TEXT, b"\xe2"),
        frame(FIN | PING, b"1"),
        frame(CONTINUATION, b"\x82"),
        frame(FIN | PONG, &[2; 125]),
        frame(FIN, b"\xac"),
    ];
    let (messages, error) = serve(LIMITS, &stream.concat());
    let expected = vec![
        Message::Ping(ControlPayload::new(b"1").unwrap()),
        Message::Pong(ControlPayload::new(&[2; 125]).unwrap()),
        Message::text("€"),
    ];
    assert_eq!((messages, error), (expected, None));
}
