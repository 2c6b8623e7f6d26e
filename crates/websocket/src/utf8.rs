//! Text that arrives in pieces: checked as it comes, cut anywhere, also inside a character.

use crate::error::Error;
use crate::pending::room;

/// The beginning of a character whose rest has not come yet: at most three bytes.
#[derive(Debug, Default)]
struct Tail {
    bytes: [u8; 4],
    have: u8,
}

/// Text gathered so far. `whole` holds only what is known to be UTF-8, so that it never has to be looked at twice.
#[derive(Debug, Default)]
pub(crate) struct PartialText {
    whole: String,
    tail: Tail,
}

impl PartialText {
    /// Adds a piece, refusing it at the first byte that cannot belong to any text. `at_most` is how many bytes, this
    /// piece included, the message can still have.
    pub(crate) fn push(&mut self, mut piece: &[u8], at_most: usize) -> Result<(), Error> {
        let extra =
            room(self.whole.len(), self.whole.capacity(), piece.len() + self.tail.len(), at_most + self.tail.len());
        self.whole.reserve_exact(extra);

        while !self.tail.is_empty() {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            if let Some(character) = self.tail.push(byte)? {
                self.whole.push(character);
            }
        }
        match std::str::from_utf8(piece) {
            Ok(text) => self.whole.push_str(text),
            Err(error) => {
                if error.error_len().is_some() {
                    return Err(Error::TextNotUtf8);
                }
                let (whole, cut) = piece.split_at(error.valid_up_to());
                self.whole.push_str(std::str::from_utf8(whole).map_err(|_| Error::TextNotUtf8)?);
                for &byte in cut {
                    self.tail.push(byte)?;
                }
            }
        }
        Ok(())
    }

    /// The text, unless it ends inside a character.
    pub(crate) fn finish(self) -> Result<String, Error> {
        if self.tail.is_empty() { Ok(self.whole) } else { Err(Error::TextNotUtf8) }
    }

    pub(crate) fn len(&self) -> usize {
        self.whole.len() + self.tail.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.whole.capacity()
    }
}

impl Tail {
    fn len(&self) -> usize {
        usize::from(self.have)
    }

    fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Adds a byte; gives the character when it is whole.
    fn push(&mut self, byte: u8) -> Result<Option<char>, Error> {
        let have = self.len();
        let Some(slot) = self.bytes.get_mut(have) else { return Err(Error::TextNotUtf8) };
        *slot = byte;
        self.have += 1;
        match std::str::from_utf8(&self.bytes[..=have]) {
            Ok(text) => {
                let character = text.chars().next();
                self.have = 0;
                Ok(character)
            }
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => Err(Error::TextNotUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds byte by byte; gives the number of bytes taken before the refusal, or the text.
    fn feed(bytes: &[u8]) -> Result<String, usize> {
        let mut text = PartialText::default();
        for (index, byte) in bytes.iter().enumerate() {
            text.push(&[*byte], bytes.len() - index).map_err(|_| index)?;
        }
        text.finish().map_err(|_| bytes.len())
    }

    #[test]
    fn text_is_refused_at_its_first_bad_byte() {
        let table: [(&[u8], Result<&str, usize>); 14] = [
            (b"", Ok("")),
            ("κόσμε €😀".as_bytes(), Ok("κόσμε €😀")),
            (b"\x80", Err(0)),             // a continuation byte first
            (b"\xc0\xaf", Err(0)),         // overlong in two bytes
            (b"\xc1\x80", Err(0)),         // overlong in two bytes
            (b"\xe0\x80\xaf", Err(1)),     // overlong in three
            (b"\xf0\x80\x80\xaf", Err(1)), // overlong in four
            (b"\xed\xa0\x80", Err(1)),     // a surrogate
            (b"\xf4\x90\x80\x80", Err(1)), // past U+10FFFF
            (b"\xf5", Err(0)),             // past U+10FFFF
            (b"a\xe2\x82a", Err(3)),       // a character broken off
            (b"a\xe2\x82", Err(3)),        // the end inside a character
            (b"\xff", Err(0)),
            (b"\xf4\x8f\xbf\xbf", Ok("\u{10ffff}")),
        ];
        for (bytes, expected) in table {
            assert_eq!(feed(bytes), expected.map(str::to_owned), "{bytes:02x?}");
        }
    }

    #[test]
    fn text_may_be_cut_anywhere() {
        let text = "aκ€😀z";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut partial = PartialText::default();
                let bytes = text.as_bytes();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    partial.push(piece, piece.len()).unwrap();
                }
                assert_eq!(partial.finish().as_deref(), Ok(text));
            }
        }
    }
}
