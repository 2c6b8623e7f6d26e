//! Bytes that only a dialect can read: requests, memos, evidence, answers. They may tell whose palm it was.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// A dialect's own bytes, passed through and stored by everybody else. Debug output shows only how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Opaque(Bytes);

impl Opaque {
    /// No bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// These bytes, without a copy.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self(Bytes::from_static(bytes))
    }

    /// A copy of these bytes.
    #[must_use]
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl<B: Into<Bytes>> From<B> for Opaque {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

impl Deref for Opaque {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Opaque {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dialect_keeps_does_not_show() {
        assert_eq!(format!("{:?}", Opaque::from("ida@sample.test")), "15 bytes");
    }
}
