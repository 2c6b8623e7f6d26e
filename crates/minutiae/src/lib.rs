//! Fingerprint images to templates: synthesis, extraction, quality, codecs, matching.

mod dice;
mod gabor;
mod image;
mod math;
mod plane;
pub mod synthesis;

pub use image::{
    Image, ImageError, MAX_DPI, MAX_SIDE_PX, MIN_DPI, MIN_SIDE_PX, WORKING_DPI,
};
