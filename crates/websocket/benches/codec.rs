//! How long a frame takes, beside tungstenite on the same bytes: `cargo bench -p websocket`.

#![expect(clippy::print_stdout, reason = "the numbers are what this program is for")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock; the crate it measures does not")]

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::time::Instant;

use bytes::BytesMut;
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use websocket::{Decoder, Limits, Message, Role, encode};

const ROUNDS: u32 = 20_000;
/// Frames handed in at once, as after one read.
const BATCH: u32 = 16;

/// The same bytes for ever; what is written disappears.
struct Endless<'w> {
    wire: &'w [u8],
    at: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.wire.len() - self.at);
        buffer[..count].copy_from_slice(&self.wire[self.at..self.at + count]);
        self.at = (self.at + count) % self.wire.len();
        Ok(count)
    }
}

impl Write for Endless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nanoseconds per frame, the best of five.
fn measure(mut round: impl FnMut()) -> f64 {
    let runs = (0..5).map(|_| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            round();
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS * BATCH)
    });
    runs.fold(f64::INFINITY, f64::min)
}

fn main() {
    println!("ns per masked text frame, {BATCH} at a time");
    println!("{:>8} {:>10} {:>10} {:>14}", "bytes", "decode", "encode", "tungstenite");
    for bytes in [16, 64, 256, 1024, 4096] {
        let text = "x".repeat(bytes);
        let mut wire = BytesMut::new();
        for _ in 0..BATCH {
            encode(&Message::text(&text), Role::Client, 0x37fa_213d, &mut wire);
        }

        let limits = Limits::of(64 * 1024);
        let mut decoder = Decoder::new(Role::Server, limits);
        let mut buffer = wire.to_vec();
        let decoding = measure(|| {
            // Unmasking writes over the wire's bytes: the copy is part of the figure, as the read is of theirs.
            buffer.copy_from_slice(&wire);
            let mut input = &mut buffer[..];
            while let Some(message) = decoder.decode(&mut input).expect("our own frames") {
                black_box(&message);
            }
        });

        let mut out = BytesMut::new();
        let encoding = measure(|| {
            out.clear();
            for _ in 0..BATCH {
                encode(black_box(&Message::text(&text)), Role::Server, 0, &mut out);
            }
        });

        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        let stream = Endless { wire: &wire, at: 0 };
        let mut socket = WebSocket::from_raw_socket(stream, TheirRole::Server, Some(config));
        let theirs = measure(|| {
            for _ in 0..BATCH {
                black_box(socket.read().expect("our own frames"));
            }
        });
        println!("{bytes:>8} {decoding:>10.1} {encoding:>10.1} {theirs:>14.1}");
    }
}
