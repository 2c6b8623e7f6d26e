//! Why bytes are not a template, or views cannot become one.

use super::{MAX_MINUTIAE, MAX_TEMPLATE_BYTES, MAX_VIEWS_WRITTEN, MIN_PER_CM};

/// Why a template was refused; offsets count bytes from the start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The bytes end before what must follow.
    #[error("template ends at byte {at}, inside its {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where the bytes end.
        at: usize,
    },
    /// More bytes than any finger needs.
    #[error("template has {len} bytes, at most {MAX_TEMPLATE_BYTES} are read")]
    TooLong {
        /// Bytes given.
        len: usize,
    },
    /// The first four bytes are not `FMR\0`.
    #[error("not a minutiae template: it does not begin with FMR")]
    Magic,
    /// A version this crate does not know.
    #[error("template version {version:?} is unknown, \" 20\" and \"030\" are read")]
    Version {
        /// The four bytes in its place.
        version: [u8; 4],
    },
    /// A declared length that is not the length.
    #[error("template declares {declared} bytes for its {what}, {actual} are there")]
    Length {
        /// Which length.
        what: &'static str,
        /// The number in the bytes.
        declared: u64,
        /// What is true.
        actual: u64,
    },
    /// Bytes after the end.
    #[error("{count} bytes follow the end of the template at byte {at}")]
    Trailing {
        /// Where the template ends.
        at: usize,
        /// How many bytes too many.
        count: usize,
    },
    /// No views, or too many.
    #[error("template has {count} views, must be 1 to {most}")]
    Views {
        /// Views counted.
        count: usize,
        /// The most allowed there.
        most: usize,
    },
    /// A field whose value has no meaning.
    #[error("{what} is {value}, must be {allowed}")]
    Field {
        /// Which field.
        what: &'static str,
        /// Its value.
        value: u32,
        /// What would have been right.
        allowed: &'static str,
    },
    /// A minutia outside the image it was found in.
    #[error("minutia {number} at ({x}, {y}) lies outside the {width}x{height} image")]
    Outside {
        /// Which, from 0.
        number: usize,
        /// Pixels from the left.
        x: u16,
        /// Pixels from the top.
        y: u16,
        /// Pixels across.
        width: u16,
        /// Pixels down.
        height: u16,
    },
    /// Too many minutiae for any format.
    #[error("view has {count} minutiae, at most {MAX_MINUTIAE} fit")]
    Minutiae {
        /// How many.
        count: usize,
    },
    /// A resolution too coarse for ridges.
    #[error("resolution is {per_cm} pixels per centimetre, must be at least {MIN_PER_CM}")]
    Resolution {
        /// Pixels per centimetre.
        per_cm: u16,
    },
    /// The 2005 format has one resolution for all views.
    #[error("views of one template must share one resolution (up to {MAX_VIEWS_WRITTEN} views)")]
    MixedResolutions,
}
