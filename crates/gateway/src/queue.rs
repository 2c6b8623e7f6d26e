//! What waits to be written to one peer: answers, which must arrive, and telemetry, of which the oldest may go.
//!
//! Order is kept across both. An empty queue owns no memory; buffers come from and go back to the core's few spares.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use websocket::{Message, Role, encode};

/// The most pieces handed to one vectored write.
pub(crate) const PIECES: usize = 16;

/// Buffers kept for the next answer instead of being given back to the allocator.
#[derive(Debug, Default)]
pub(crate) struct Spares(Vec<BytesMut>);

impl Spares {
    const MOST: usize = 16;
    /// A buffer that has grown larger than this is given back.
    const BYTES: usize = 16 * 1024;

    fn take(&mut self) -> BytesMut {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, mut buffer: BytesMut) {
        buffer.clear();
        if buffer.capacity() > 0 && buffer.capacity() <= Self::BYTES && self.0.len() < Self::MOST {
            self.0.push(buffer);
        }
    }
}

#[derive(Debug)]
enum Piece {
    /// Whole frames one after the other.
    Answers(BytesMut),
    /// One frame, perhaps shared with other queues.
    Telemetry(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Answers(bytes) => bytes,
            Self::Telemetry(bytes) => bytes,
        }
    }
}

/// Frames that wait for one peer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Answers ahead of everything in `rest`; where an answer goes while there is no telemetry.
    first: BytesMut,
    rest: VecDeque<Piece>,
    /// Bytes of the foremost piece that are written already.
    written: usize,
    answers: usize,
    /// The largest answer since the queue was empty.
    largest: usize,
    telemetry: usize,
    dropped: u32,
}

impl Queue {
    /// Bytes of answers that wait.
    pub(crate) const fn answers_len(&self) -> usize {
        self.answers
    }

    /// Bytes of answers that wait, the largest one not counted: one message over the bound is no sign of slowness.
    pub(crate) const fn backlog(&self) -> usize {
        self.answers.saturating_sub(self.largest)
    }

    /// Bytes of telemetry that wait.
    pub(crate) const fn telemetry_len(&self) -> usize {
        self.telemetry
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.answers == 0 && self.telemetry == 0
    }

    /// Telemetry frames dropped since the last time this was asked.
    pub(crate) fn take_dropped(&mut self) -> u32 {
        std::mem::take(&mut self.dropped)
    }

    pub(crate) const fn has_dropped(&self) -> bool {
        self.dropped > 0
    }

    /// Appends an answer or a control frame.
    pub(crate) fn push(&mut self, message: &Message<'_>, spares: &mut Spares) {
        self.append(spares, |buffer| encode(message, Role::Server, 0, buffer));
    }

    /// Appends whatever whole frames `write` writes.
    pub(crate) fn append<T>(&mut self, spares: &mut Spares, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        if !self.rest.is_empty() && !matches!(self.rest.back(), Some(Piece::Answers(_))) {
            self.rest.push_back(Piece::Answers(spares.take()));
        }
        let buffer = match self.rest.back_mut() {
            Some(Piece::Answers(buffer)) => buffer,
            Some(Piece::Telemetry(_)) | None => {
                if self.first.capacity() == 0 {
                    self.first = spares.take();
                }
                &mut self.first
            }
        };
        let before = buffer.len();
        let result = write(buffer);
        let length = buffer.len() - before;
        self.answers += length;
        self.largest = self.largest.max(length);
        result
    }

    /// Appends a telemetry frame; when more than `most` bytes of telemetry wait, the oldest go.
    pub(crate) fn push_telemetry(&mut self, frame: Bytes, most: usize) {
        self.telemetry += frame.len();
        self.rest.push_back(Piece::Telemetry(frame));
        // A frame of which the peer has a part must go on.
        let mut index = usize::from(self.first.is_empty() && self.written > 0);
        while self.telemetry > most && index < self.rest.len() {
            if matches!(self.rest.get(index), Some(Piece::Telemetry(_))) {
                if let Some(gone) = self.rest.remove(index) {
                    self.telemetry -= gone.bytes().len();
                    self.dropped = self.dropped.saturating_add(1);
                }
            } else {
                index += 1;
            }
        }
    }

    /// What to write next, as one piece when there is only one.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        if self.rest.is_empty() { self.first.get(self.written..) } else { None }
    }

    /// What to write next, as several pieces; how many there are.
    pub(crate) fn pieces<'a>(&'a self, into: &mut [IoSlice<'a>; PIECES]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        let first = Some(&self.first[..]).filter(|first| !first.is_empty());
        let all = first.into_iter().chain(self.rest.iter().map(Piece::bytes));
        for (slice, bytes) in into.iter_mut().zip(all) {
            *slice = IoSlice::new(bytes.get(skip..).unwrap_or_default());
            skip = 0;
            count += 1;
        }
        count
    }

    /// `count` bytes have been written.
    pub(crate) fn advance(&mut self, mut count: usize, spares: &mut Spares) {
        while count > 0 {
            let (length, waiting) = match (self.first.is_empty(), self.rest.front()) {
                (false, _) => (self.first.len(), &mut self.answers),
                (true, Some(Piece::Answers(bytes))) => (bytes.len(), &mut self.answers),
                (true, Some(Piece::Telemetry(bytes))) => (bytes.len(), &mut self.telemetry),
                (true, None) => return,
            };
            let taken = count.min(length - self.written);
            *waiting -= taken;
            count -= taken;
            self.written += taken;
            if self.written == length {
                self.written = 0;
                self.drop_foremost(spares);
            }
        }
        if self.answers == 0 {
            self.largest = 0;
        }
    }

    fn drop_foremost(&mut self, spares: &mut Spares) {
        if !self.first.is_empty() {
            spares.give(std::mem::take(&mut self.first));
            return;
        }
        if let Some(Piece::Answers(buffer)) = self.rest.pop_front() {
            spares.give(buffer);
        }
        if self.rest.is_empty() {
            self.rest = VecDeque::new();
        }
    }

    /// Throws everything away: nobody will read it.
    pub(crate) fn clear(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telemetry(text: &str) -> Bytes {
        websocket::shared(&Message::text(text))
    }

    /// Everything that waits, as the peer would read it.
    fn read(queue: &mut Queue, step: usize, spares: &mut Spares) -> Vec<u8> {
        let mut read = Vec::new();
        while !queue.is_empty() {
            let taken = match queue.only() {
                Some(bytes) => bytes[..bytes.len().min(step)].to_vec(),
                None => {
                    let mut pieces = [IoSlice::new(&[]); PIECES];
                    let count = queue.pieces(&mut pieces);
                    let all: Vec<u8> = pieces[..count].iter().flat_map(|piece| piece.to_vec()).collect();
                    all[..all.len().min(step)].to_vec()
                }
            };
            queue.advance(taken.len(), spares);
            read.extend(taken);
        }
        read
    }

    #[test]
    fn order_is_kept_however_the_socket_takes_it() {
        for step in 1..40 {
            let (mut queue, mut spares) = (Queue::default(), Spares::default());
            queue.push(&Message::text("one"), &mut spares);
            queue.push_telemetry(telemetry("two"), 1000);
            queue.push(&Message::text("three"), &mut spares);
            queue.push(&Message::text("four"), &mut spares);
            queue.push_telemetry(telemetry("five"), 1000);
            let all = b"\x81\x03one\x81\x03two\x81\x05three\x81\x04four\x81\x04five";
            assert_eq!(read(&mut queue, step, &mut spares), all, "step {step}");
            assert_eq!((queue.answers_len(), queue.telemetry_len()), (0, 0));
            assert_eq!((queue.first.capacity(), queue.rest.capacity()), (0, 0), "an empty queue owns nothing");
        }
    }

    #[test]
    fn the_oldest_telemetry_goes_but_never_half_a_frame_nor_an_answer() {
        let (mut queue, mut spares) = (Queue::default(), Spares::default());
        queue.push_telemetry(telemetry("aaaa"), 18);
        queue.advance(2, &mut spares);
        queue.push_telemetry(telemetry("bbbb"), 18);
        queue.push(&Message::text("answer"), &mut spares);
        queue.push_telemetry(telemetry("cccc"), 18);
        assert!(!queue.has_dropped());
        queue.push_telemetry(telemetry("dddd"), 18);
        assert_eq!(queue.take_dropped(), 1);
        assert_eq!(read(&mut queue, 100, &mut spares), b"aaaa\x81\x06answer\x81\x04cccc\x81\x04dddd");
    }

    #[test]
    fn large_buffers_are_given_back() {
        let (mut queue, mut spares) = (Queue::default(), Spares::default());
        for bytes in [60_000, 100] {
            queue.push(&Message::text("x".repeat(bytes)), &mut spares);
            read(&mut queue, 1_000_000, &mut spares);
        }
        assert!(spares.0.iter().all(|spare| spare.capacity() <= Spares::BYTES));
    }
}
