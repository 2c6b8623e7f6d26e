//! Fingerprint images to templates: synthesis, extraction, quality, codecs, matching.

mod dice;
mod extract;
mod gabor;
mod image;
pub mod matcher;
mod math;
mod plane;
mod quality;
pub mod synthesis;
pub mod template;

pub use extract::{ExtractError, Reading, extract};
pub use image::{
    Image, ImageError, MAX_DPI, MAX_SIDE_PX, MIN_DPI, MIN_SIDE_PX, WORKING_DPI,
};
