//! Fingerprints that are real, from image to template to match, without any C.
//!
//! - [`synthesis`]: fingers that never existed, and the prints they leave on a reader;
//! - [`extract()`]: from an [`Image`] to minutiae and a quality;
//! - [`template`]: minutiae in the formats the world exchanges;
//! - [`matcher`]: one print against one, one against many;
//! - [`picture`]: what the algorithms see, as PNG.
//!
//! Same input, same output, on every machine: nothing here reads a clock, a random source or a
//! global. Another extractor or matcher plugs in at [`template::View`]: whatever can produce one
//! can be matched here, and whatever reads ISO/IEC 19794-2:2005 can match what comes from here.
//!
//! It has no certified accuracy and does not tell a finger from a fake; `docs/minutiae.md` says
//! what was measured and how.
//!
//! ```
//! use minutiae::matcher::{Enrolment, Print};
//! use minutiae::synthesis::{Finger, Level, Press};
//!
//! let finger = Finger::from_seed(7);
//! let mut views = Vec::new();
//! for press in 0..3 {
//!     let image = finger.impression(&Press::draw(press, Level::Ordinary));
//!     views.push(minutiae::extract(&image)?.into_view());
//! }
//! let enrolment = Enrolment::new(&views)?;
//!
//! let again = finger.impression(&Press::draw(99, Level::Ordinary));
//! let probe = Print::new(minutiae::extract(&again)?.view());
//! assert!(enrolment.compare(&probe).is_match());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dice;
mod extract;
mod gabor;
mod image;
pub mod matcher;
mod math;
pub mod picture;
mod plane;
#[doc(hidden)]
pub mod property;
mod quality;
pub mod synthesis;
pub mod template;

#[doc(hidden)]
pub use extract::extract_in_stages;
pub use extract::{ExtractError, Reading, extract};
pub use image::{Image, ImageError, MAX_DPI, MAX_SIDE_PX, MIN_DPI, MIN_SIDE_PX, WORKING_DPI};
