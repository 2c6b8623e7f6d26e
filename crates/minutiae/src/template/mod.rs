//! Minutiae as the rest of the world writes them.
//!
//! A [`Template`] is one finger in one to several views. It is written as ISO/IEC 19794-2:2005 and
//! read from that, from its 2011 successor and from ANSI/INCITS 378. Reading trusts no number in
//! the bytes: nothing is allocated from a declared count, and whatever does not add up is refused.
//!
//! ```
//! use minutiae::template::{Frame, Kind, Minutia, Template, View};
//! let frame = Frame::at_500_dpi(256, 288);
//! let minutia = Minutia { x: 120, y: 140, angle: 32, kind: Kind::Ending, quality: 80 };
//! let view = View::new(frame, 85, vec![minutia])?;
//! let bytes = Template::new(vec![view])?.to_iso_2005()?;
//! assert_eq!(&bytes[..8], b"FMR\0 20\0");
//! assert_eq!(Template::parse(&bytes)?.views()[0].minutiae(), [minutia]);
//! # Ok::<(), minutiae::template::TemplateError>(())
//! ```

mod ansi378;
mod cursor;
mod error;
mod iso2005;
mod iso2011;
mod view;

pub use error::TemplateError;
pub use view::{FingerPosition, Frame, Kind, Minutia, View};

/// The most minutiae a view can hold, in every format.
pub const MAX_MINUTIAE: usize = 255;
/// The most views read from one template.
pub const MAX_VIEWS: usize = 16;
/// The most views written into one template: an enrolment.
pub const MAX_VIEWS_WRITTEN: usize = 3;
/// The longest template looked at, bytes.
pub const MAX_TEMPLATE_BYTES: usize = 64 * 1024;
/// The coarsest resolution a template may have, pixels per centimetre.
pub const MIN_PER_CM: u16 = 99;

const MAGIC: &[u8; 4] = b"FMR\0";

/// The format a template came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// ISO/IEC 19794-2:2005, what this crate writes.
    Iso2005,
    /// ISO/IEC 19794-2:2011.
    Iso2011,
    /// ANSI/INCITS 378-2004.
    Ansi378,
}

/// One finger as others can read it; at least one view.
///
/// `Debug` shows counts only: a template is a biometric.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    views: Vec<View>,
}

impl Template {
    /// Puts the views of one finger together.
    ///
    /// # Errors
    /// No view, or more than [`MAX_VIEWS`].
    pub fn new(views: Vec<View>) -> Result<Self, TemplateError> {
        if views.is_empty() || views.len() > MAX_VIEWS {
            return Err(TemplateError::Views { count: views.len(), most: MAX_VIEWS });
        }
        Ok(Self { views })
    }

    /// The views, at least one.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Reads any of the three formats.
    ///
    /// # Errors
    /// Bytes that are not exactly one well-formed template; the message says what was wrong where.
    pub fn parse(bytes: &[u8]) -> Result<Self, TemplateError> {
        Self::parse_with_format(bytes).map(|(template, _)| template)
    }

    /// Reads any of the three formats and says which it was.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_with_format(bytes: &[u8]) -> Result<(Self, Format), TemplateError> {
        if bytes.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong { len: bytes.len() });
        }
        let (format, views) = match recognise(bytes)? {
            Format::Iso2005 => (Format::Iso2005, iso2005::read(bytes)?),
            Format::Iso2011 => (Format::Iso2011, iso2011::read(bytes)?),
            Format::Ansi378 => (Format::Ansi378, ansi378::read(bytes)?),
        };
        Ok((Self::new(views)?, format))
    }

    /// Writes ISO/IEC 19794-2:2005.
    ///
    /// # Errors
    /// More than [`MAX_VIEWS_WRITTEN`] views, or views of different resolutions: that format has
    /// one resolution for all.
    pub fn to_iso_2005(&self) -> Result<Vec<u8>, TemplateError> {
        iso2005::write(&self.views)
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Template").field(&self.views).finish()
    }
}

/// Tells the formats apart. The 2005 and ANSI headers begin alike; their length fields differ:
/// ANSI has two bytes (or two zeros, then four), ISO four.
fn recognise(bytes: &[u8]) -> Result<Format, TemplateError> {
    let head: &[u8; 12] = bytes.first_chunk().ok_or(TemplateError::Truncated { what: "header", at: bytes.len() })?;
    if &head[..4] != MAGIC {
        return Err(TemplateError::Magic);
    }
    match &head[4..8] {
        b"030\0" => Ok(Format::Iso2011),
        b" 20\0" => {
            let short = u16::from_be_bytes([head[8], head[9]]);
            let next = u16::from_be_bytes([head[10], head[11]]);
            if short != 0 || next == 0 { Ok(Format::Ansi378) } else { Ok(Format::Iso2005) }
        }
        version => Err(TemplateError::Version { version: [version[0], version[1], version[2], version[3]] }),
    }
}
