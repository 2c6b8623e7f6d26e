//! Randomness from the operating system, asked for in handfuls: a frame's mask must not cost a system call.

use std::io;

use model::{RequestKey, Timestamp};

/// How many mask keys are drawn at once.
const HANDFUL: usize = 64;

/// Mask keys, unpredictable and each used once (RFC 6455, section 5.3).
#[derive(Debug, Default)]
pub(crate) struct Masks {
    keys: Vec<u32>,
}

impl Masks {
    pub(crate) fn next(&mut self) -> io::Result<u32> {
        if self.keys.is_empty() {
            let mut bytes = [0; HANDFUL * 4];
            fill(&mut bytes)?;
            self.keys = bytes.as_chunks().0.iter().map(|chunk| u32::from_ne_bytes(*chunk)).collect();
        }
        self.keys.pop().ok_or_else(|| io::Error::other("no mask keys"))
    }
}

pub(crate) fn nonce() -> io::Result<[u8; 16]> {
    let mut nonce = [0; 16];
    fill(&mut nonce)?;
    Ok(nonce)
}

pub(crate) fn seed() -> io::Result<u64> {
    let mut seed = [0; 8];
    fill(&mut seed)?;
    Ok(u64::from_ne_bytes(seed))
}

/// A fresh UUID of version 4 (RFC 9562, section 5.4).
pub(crate) fn context_id() -> io::Result<RequestKey> {
    uuid(4, nonce()?)
}

/// A fresh UUID of version 7 (RFC 9562, section 5.7): the millisecond, and randomness.
pub(crate) fn transaction_id(now: Timestamp) -> io::Result<RequestKey> {
    let mut bytes = nonce()?;
    bytes[..6].copy_from_slice(&now.millis().to_be_bytes()[2..]);
    uuid(7, bytes)
}

fn uuid(version: u8, mut bytes: [u8; 16]) -> io::Result<RequestKey> {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(bytes);
    let text = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        number >> 96,
        number >> 80 & 0xffff,
        number >> 64 & 0xffff,
        number >> 48 & 0xffff,
        number & 0xffff_ffff_ffff
    );
    RequestKey::parse(&text).map_err(io::Error::other)
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(format!("no randomness: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_ids_are_uuids_of_version_4() {
        let id = context_id().unwrap();
        let parts: Vec<&str> = id.as_str().split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4'));
        assert!(parts[3].starts_with(['8', '9', 'a', 'b']));
        assert!(parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, context_id().unwrap());
    }

    #[test]
    fn transaction_ids_are_uuids_of_version_7_in_the_order_of_their_milliseconds() {
        let id = |millis| transaction_id(Timestamp::from_millis(millis)).unwrap().as_str().to_owned();
        let (first, second) = (id(0x0197_a1c2_5b3e), id(0x0197_a1c2_5b3f));
        assert!(first.starts_with("0197a1c2-5b3e-7") && first < second, "{first} {second}");
        assert!(first[19..].starts_with(['8', '9', 'a', 'b']));
        assert_ne!(id(7), id(7));
    }

    #[test]
    fn masks_do_not_run_out() {
        let mut masks = Masks::default();
        let drawn: std::collections::BTreeSet<u32> = (0..1_000).map(|_| masks.next().unwrap()).collect();
        assert!(drawn.len() > 990);
    }
}
