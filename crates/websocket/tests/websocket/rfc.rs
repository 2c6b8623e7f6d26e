//! The examples of RFC 6455, section 5.7, in both directions.

use bytes::BytesMut;
use websocket::property::transcript;
use websocket::{ControlPayload, Decoder, Limits, Message, Role, encode};

const ROOMY: Limits = Limits::of(1 << 20);

fn read(role: Role, stream: &[u8]) -> Vec<Message<'static>> {
    let (messages, failure) = transcript(Decoder::new(role, ROOMY), ROOMY, stream, &[]);
    assert_eq!(failure, None);
    messages
}

fn written(message: &Message<'_>, role: Role) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(message, role, 0x37fa_213d, &mut out);
    out.to_vec()
}

#[test]
fn a_single_frame_unmasked_text_message() {
    let wire = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(Role::Client, &wire), [Message::text("Hello")]);
    assert_eq!(written(&Message::text("Hello"), Role::Server), wire);
}

#[test]
fn a_single_frame_masked_text_message() {
    let wire = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(Role::Server, &wire), [Message::text("Hello")]);
    assert_eq!(written(&Message::text("Hello"), Role::Client), wire);
}

#[test]
fn a_fragmented_unmasked_text_message() {
    let wire = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(read(Role::Client, &wire), [Message::text("Hello")]);
}

#[test]
fn an_unmasked_ping_and_its_masked_answer() {
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let [message] = &read(Role::Client, &ping)[..] else { panic!("one message") };
    assert_eq!(*message, Message::Ping(ControlPayload::new(b"Hello").unwrap()));
    assert_eq!(written(&message.answer().unwrap(), Role::Client), pong);
}

#[test]
fn binary_messages_with_a_16_bit_and_a_64_bit_length() {
    for (count, header) in [
        (256, &[0x82, 0x7e, 0x01, 0x00][..]),
        (65536, &[0x82, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00][..]),
    ] {
        let wire = [header, &vec![7; count]].concat();
        assert_eq!(read(Role::Client, &wire), [Message::binary(vec![7; count])]);
        assert_eq!(written(&Message::binary(vec![7; count]), Role::Server), wire);
    }
}

#[test]
fn lengths_at_every_edge_are_written_and_read_alike() {
    for count in [0, 1, 125, 126, 127, 65535, 65536] {
        for (writer, reader) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
            let message = Message::binary(vec![0xa5; count]);
            assert_eq!(read(reader, &written(&message, writer)), [message], "{count} bytes");
        }
    }
}
