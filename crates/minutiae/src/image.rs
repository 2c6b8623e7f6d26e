//! The grey image everything starts from, checked once.
//!
//! An `Image` cannot have a size or resolution the rest of the crate would have to refuse later.

use crate::math;
use crate::plane::Plane;

/// The shortest side accepted, in pixels.
pub const MIN_SIDE_PX: u32 = 64;
/// The longest side accepted, in pixels.
pub const MAX_SIDE_PX: u32 = 2048;
/// The coarsest resolution accepted: the templates' own lower bound of 99 pixels per centimetre.
pub const MIN_DPI: u16 = 250;
/// The finest resolution accepted.
pub const MAX_DPI: u16 = 1200;
/// The resolution every image is brought to, and the one templates are written in.
pub const WORKING_DPI: u16 = 500;

/// An 8-bit grey picture of a finger: dark ridges on a light ground, rows from the top.
///
/// Its `Debug` form shows the size only: the pixels are somebody's finger.
///
/// ```
/// use minutiae::Image;
/// let image = Image::new(100, 120, 500, vec![255; 12_000])?;
/// assert_eq!((image.width(), image.height()), (100, 120));
/// assert_eq!(
///     Image::new(8, 8, 500, vec![0; 64]).unwrap_err().to_string(),
///     "image is 8x8 pixels, each side must be 64 to 2048"
/// );
/// # Ok::<(), minutiae::ImageError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    dpi: u16,
    pixels: Vec<u8>,
}

/// Why bytes are not an image this crate works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A side is too short to hold a finger or longer than any finger reader's.
    #[error("image is {width}x{height} pixels, each side must be {MIN_SIDE_PX} to {MAX_SIDE_PX}")]
    Size {
        /// Pixels across, as given.
        width: u32,
        /// Pixels down, as given.
        height: u32,
    },
    /// There are more or fewer pixels than width times height.
    #[error("image of {width}x{height} needs {expected} pixels, {got} came")]
    Pixels {
        /// Pixels across, as given.
        width: u32,
        /// Pixels down, as given.
        height: u32,
        /// Width times height.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// The resolution is outside what ridges can be read at.
    #[error("image is at {dpi} dpi, must be {MIN_DPI} to {MAX_DPI}")]
    Resolution {
        /// Dots per inch, as given.
        dpi: u16,
    },
    /// The image would be too small once brought to 500 dpi.
    #[error("image of {width}x{height} pixels at {dpi} dpi shows too little of a finger")]
    Area {
        /// Pixels across, as given.
        width: u32,
        /// Pixels down, as given.
        height: u32,
        /// Dots per inch, as given.
        dpi: u16,
    },
}

impl Image {
    /// Takes `width * height` grey bytes, one per pixel, rows from the top.
    ///
    /// # Errors
    /// A size, resolution or number of bytes outside the limits above; the message says which.
    pub fn new(width: u32, height: u32, dpi: u16, pixels: Vec<u8>) -> Result<Self, ImageError> {
        let fits = MIN_SIDE_PX..=MAX_SIDE_PX;
        if !fits.contains(&width) || !fits.contains(&height) {
            return Err(ImageError::Size { width, height });
        }
        if !(MIN_DPI..=MAX_DPI).contains(&dpi) {
            return Err(ImageError::Resolution { dpi });
        }
        let expected = width as usize * height as usize;
        if pixels.len() != expected {
            return Err(ImageError::Pixels { width, height, expected, got: pixels.len() });
        }
        let scaled = |side: u32| side * u32::from(WORKING_DPI) / u32::from(dpi);
        if scaled(width) < MIN_SIDE_PX || scaled(height) < MIN_SIDE_PX {
            return Err(ImageError::Area { width, height, dpi });
        }
        Ok(Self { width, height, dpi, pixels })
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Dots per inch.
    pub fn dpi(&self) -> u16 {
        self.dpi
    }

    /// The grey bytes, rows from the top.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The image at 500 dpi as numbers 0 to 255.
    pub(crate) fn working_plane(&self) -> Plane<f32> {
        let (width, height) = (self.width as usize, self.height as usize);
        let plane = Plane::from_fn(width, height, |x, y| f32::from(self.pixels[y * width + x]));
        if self.dpi == WORKING_DPI {
            return plane;
        }
        let step = f32::from(self.dpi) / f32::from(WORKING_DPI);
        // a finer image is smoothed first, or its ridges would alias
        let source = if step > 1.1 { plane.blurred(0.45 * step) } else { plane };
        let scaled = |side: usize| usize::try_from(math::floor(side as f32 / step)).unwrap_or(1);
        Plane::from_fn(scaled(width), scaled(height), |x, y| {
            source.between((x as f32 + 0.5) * step - 0.5, (y as f32 + 0.5) * step - 0.5)
        })
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}x{} at {} dpi)", self.width, self.height, self.dpi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_was_wrong() {
        let refusal = |w, h, dpi, n| Image::new(w, h, dpi, vec![0; n]).unwrap_err().to_string();
        assert_eq!(refusal(0, 0, 500, 0), "image is 0x0 pixels, each side must be 64 to 2048");
        assert_eq!(refusal(5000, 5000, 500, 1), "image is 5000x5000 pixels, each side must be 64 to 2048");
        assert_eq!(refusal(100, 100, 72, 10_000), "image is at 72 dpi, must be 250 to 1200");
        assert_eq!(refusal(100, 100, 500, 9_999), "image of 100x100 needs 10000 pixels, 9999 came");
        assert_eq!(refusal(100, 100, 1000, 10_000), "image of 100x100 pixels at 1000 dpi shows too little of a finger");
    }

    #[test]
    fn other_resolutions_come_out_at_500_dpi() {
        let image = Image::new(200, 300, 1000, vec![80; 60_000]).unwrap();
        let plane = image.working_plane();
        assert_eq!((plane.width(), plane.height()), (100, 150));
        assert!(plane.cells().iter().all(|v| (v - 80.0).abs() < 0.01));
    }

    #[test]
    fn a_printed_image_shows_no_pixels() {
        let image = Image::new(64, 64, 500, vec![123; 4096]).unwrap();
        assert_eq!(format!("{image:?}"), "Image(64x64 at 500 dpi)");
    }
}
