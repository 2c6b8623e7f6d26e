//! Reading big-endian numbers that may not be there.

use super::view::{Kind, Minutia};
use super::{MAX_MINUTIAE, TemplateError};

/// A place in the bytes of a template.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], TemplateError> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..count) else {
            return Err(TemplateError::Truncated { what, at: self.bytes.len() });
        };
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], TemplateError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, TemplateError> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    pub(super) fn pair(&mut self, what: &'static str) -> Result<u16, TemplateError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub(super) fn quad(&mut self, what: &'static str) -> Result<u32, TemplateError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Refuses a declared length that is not the length of all bytes.
    pub(super) fn expect_total(&self, declared: u32) -> Result<(), TemplateError> {
        let actual = self.bytes.len() as u64;
        if u64::from(declared) != actual {
            return Err(TemplateError::Length { what: "record", declared: u64::from(declared), actual });
        }
        Ok(())
    }

    /// Skips data that only its maker understands.
    pub(super) fn skip_extension(&mut self) -> Result<(), TemplateError> {
        let length = self.pair("extension length")?;
        self.take(usize::from(length), "extension data")?;
        Ok(())
    }

    /// Refuses bytes after the end.
    pub(super) fn finish(&self) -> Result<(), TemplateError> {
        let count = self.bytes.len() - self.at;
        if count > 0 {
            return Err(TemplateError::Trailing { at: self.at, count });
        }
        Ok(())
    }

    /// Reads `count` minutiae of five or six bytes, their angle as the format writes it.
    pub(super) fn minutiae(
        &mut self,
        count: u8,
        with_quality: bool,
        angle: impl Fn(u8) -> Result<u8, TemplateError>,
    ) -> Result<Vec<Minutia>, TemplateError> {
        // the count is a byte, so this cannot be made large
        let mut minutiae = Vec::with_capacity(usize::from(count).min(MAX_MINUTIAE));
        for _ in 0..count {
            let place = self.pair("minutia")?;
            let y = self.pair("minutia")?;
            let kind = match place >> 14 {
                0 => Kind::Other,
                1 => Kind::Ending,
                2 => Kind::Bifurcation,
                value => {
                    return Err(TemplateError::Field {
                        what: "minutia type",
                        value: u32::from(value),
                        allowed: "0, 1 or 2",
                    });
                }
            };
            let angle = angle(self.byte("minutia")?)?;
            let quality = if with_quality { stated_quality(self.byte("minutia")?) } else { 0 };
            minutiae.push(Minutia { x: place & 0x3fff, y: y & 0x3fff, angle, kind, quality });
        }
        Ok(minutiae)
    }
}

/// 254 and 255 are how the standards say that there is no number.
pub(super) fn stated_quality(byte: u8) -> u8 {
    if byte >= 254 { 0 } else { byte }
}

/// Refuses a count of views no template of one finger has.
pub(super) fn expect_views(count: usize) -> Result<(), TemplateError> {
    if count == 0 || count > super::MAX_VIEWS {
        return Err(TemplateError::Views { count, most: super::MAX_VIEWS });
    }
    Ok(())
}
