//! Fingers that never existed, and the prints they leave on a reader.
//!
//! A [`Finger`] is grown once from its seed: a pattern decides how the ridges flow, filters grow
//! ridges out of noise along that flow, and minutiae appear by themselves where ridges of
//! different spacing meet. A [`Press`] is one act of putting that finger down; the same finger and
//! press give the same bytes on every machine.

mod finger;
mod flow;
mod impression;
mod press;
mod ridges;

pub use finger::Finger;
pub use flow::Pattern;
pub use press::{Level, Press};
