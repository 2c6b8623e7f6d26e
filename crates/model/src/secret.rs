//! What must never be printed: secrets, and the digests they are stored as.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A key, token or password as a peer presented it. Prints nothing and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The secret itself, for the one place that must send or hash it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the store keeps of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Whether `mac` is the HMAC-SHA256 of `message` under this secret; compared in constant time.
    #[must_use]
    pub fn signed(&self, message: &[u8], mac: &[u8]) -> bool {
        // A key of any length will do for HMAC.
        Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .is_ok_and(|hmac| hmac.chain_update(message).verify_slice(mac).is_ok())
    }

    /// The HMAC-SHA256 of `message` under this secret.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .map(|hmac| hmac.chain_update(message).finalize().into_bytes().into())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// SHA-256 of a secret with full entropy. Compared in constant time.
#[derive(Clone, Copy, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of any bytes, as for telling two bodies apart.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_nothing() {
        let secret = Secret::new("sk_live_1234");
        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "*** digest");
    }
}
