//! Masking (RFC 6455, section 5.3), eight bytes at a time.

/// Masks or unmasks `payload` in place: the same operation does both. `key` is in wire order, its first byte first.
///
/// ```
/// let mut payload = *b"Hello";
/// websocket::apply_mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
pub fn apply_mask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key as it applies after `count` more bytes have passed.
pub(crate) fn advance(mut key: [u8; 4], count: usize) -> [u8; 4] {
    key.rotate_left(count % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_every_cut_agrees_with_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..67u8).collect();
        for length in 0..=plain.len() {
            let expected: Vec<u8> = plain[..length].iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            for cut in 0..=length {
                let mut bytes = plain[..length].to_vec();
                let (head, tail) = bytes.split_at_mut(cut);
                apply_mask(head, key);
                apply_mask(tail, advance(key, cut));
                assert_eq!(bytes, expected, "length {length} cut at {cut}");
            }
        }
    }
}
