//! One look at a finger: its frame, its quality, its minutiae.

use super::{MAX_MINUTIAE, MIN_PER_CM, TemplateError};

/// Coordinates are written in 14 bits.
const MAX_SIDE: u16 = 1 << 14;

/// What a ridge does at a minutia.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The ridge stops.
    Ending,
    /// The ridge forks.
    Bifurcation,
    /// Some other accident; only templates from elsewhere carry it.
    Other,
}

/// A place where a ridge ends or forks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Minutia {
    /// Pixels from the left.
    pub x: u16,
    /// Pixels from the top.
    pub y: u16,
    /// 1/256 of a turn, counter-clockwise from the right: from an ending into its ridge, from a
    /// fork into the valley it encloses.
    pub angle: u8,
    /// Ending or fork.
    pub kind: Kind,
    /// 1 to 100, or 0 where nobody said.
    pub quality: u8,
}

impl std::fmt::Debug for Minutia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // a list of places would be the template itself
        write!(f, "Minutia({:?}, quality {})", self.kind, self.quality)
    }
}

/// The image a view was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// Pixels per centimetre across.
    pub x_per_cm: u16,
    /// Pixels per centimetre down.
    pub y_per_cm: u16,
}

impl Frame {
    /// A frame at 500 dpi, which templates write as 197 pixels per centimetre.
    pub fn at_500_dpi(width: u16, height: u16) -> Self {
        Self { width, height, x_per_cm: 197, y_per_cm: 197 }
    }
}

/// Which finger of which hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FingerPosition {
    /// Nobody said.
    #[default]
    Unknown,
    /// Right hand.
    RightThumb,
    /// Right hand.
    RightIndex,
    /// Right hand.
    RightMiddle,
    /// Right hand.
    RightRing,
    /// Right hand.
    RightLittle,
    /// Left hand.
    LeftThumb,
    /// Left hand.
    LeftIndex,
    /// Left hand.
    LeftMiddle,
    /// Left hand.
    LeftRing,
    /// Left hand.
    LeftLittle,
}

impl FingerPosition {
    /// Every position, in the order of the number templates give it.
    pub const ALL: [Self; 11] = [
        Self::Unknown,
        Self::RightThumb,
        Self::RightIndex,
        Self::RightMiddle,
        Self::RightRing,
        Self::RightLittle,
        Self::LeftThumb,
        Self::LeftIndex,
        Self::LeftMiddle,
        Self::LeftRing,
        Self::LeftLittle,
    ];

    pub(super) fn from_code(code: u8) -> Result<Self, TemplateError> {
        Self::ALL.get(usize::from(code)).copied().ok_or(TemplateError::Field {
            what: "finger position",
            value: u32::from(code),
            allowed: "0 to 10",
        })
    }

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::RightThumb => 1,
            Self::RightIndex => 2,
            Self::RightMiddle => 3,
            Self::RightRing => 4,
            Self::RightLittle => 5,
            Self::LeftThumb => 6,
            Self::LeftIndex => 7,
            Self::LeftMiddle => 8,
            Self::LeftRing => 9,
            Self::LeftLittle => 10,
        }
    }
}

/// One look at a finger; its minutiae lie inside its frame.
///
/// `Debug` shows counts only: the minutiae are a biometric.
#[derive(Clone, PartialEq, Eq)]
pub struct View {
    frame: Frame,
    position: FingerPosition,
    quality: u8,
    minutiae: Vec<Minutia>,
}

impl View {
    /// A view of a finger nobody has named; see [`View::of_finger`].
    ///
    /// # Errors
    /// A frame too coarse, empty or beyond 16,384 pixels; a quality above 100; more than 255
    /// minutiae, or one outside the frame.
    pub fn new(frame: Frame, quality: u8, minutiae: Vec<Minutia>) -> Result<Self, TemplateError> {
        for per_cm in [frame.x_per_cm, frame.y_per_cm] {
            if per_cm < MIN_PER_CM {
                return Err(TemplateError::Resolution { per_cm });
            }
        }
        for side in [frame.width, frame.height] {
            if side == 0 || side > MAX_SIDE {
                return Err(TemplateError::Field {
                    what: "side of the image",
                    value: u32::from(side),
                    allowed: "1 to 16384 pixels",
                });
            }
        }
        percent("finger quality", quality)?;
        if minutiae.len() > MAX_MINUTIAE {
            return Err(TemplateError::Minutiae { count: minutiae.len() });
        }
        for (number, minutia) in minutiae.iter().enumerate() {
            if minutia.x >= frame.width || minutia.y >= frame.height {
                return Err(TemplateError::Outside {
                    number,
                    x: minutia.x,
                    y: minutia.y,
                    width: frame.width,
                    height: frame.height,
                });
            }
            percent("minutia quality", minutia.quality)?;
        }
        Ok(Self { frame, position: FingerPosition::Unknown, quality, minutiae })
    }

    /// The same view, with the finger's name.
    #[must_use]
    pub fn of_finger(mut self, position: FingerPosition) -> Self {
        self.position = position;
        self
    }

    /// What the extractor found at 500 dpi; of too many the clearest are kept.
    pub(crate) fn from_extraction(width: usize, height: usize, quality: u8, mut minutiae: Vec<Minutia>) -> Self {
        if minutiae.len() > MAX_MINUTIAE {
            minutiae.sort_by_key(|m| std::cmp::Reverse(m.quality));
            minutiae.truncate(MAX_MINUTIAE);
        }
        let side = |pixels: usize| u16::try_from(pixels).unwrap_or(MAX_SIDE);
        Self {
            frame: Frame::at_500_dpi(side(width), side(height)),
            position: FingerPosition::Unknown,
            quality,
            minutiae,
        }
    }

    /// The image the view was found in.
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// Which finger it is.
    pub fn position(&self) -> FingerPosition {
        self.position
    }

    /// 0 to 100.
    pub fn quality(&self) -> u8 {
        self.quality
    }

    /// At most 255, all inside the frame.
    pub fn minutiae(&self) -> &[Minutia] {
        &self.minutiae
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View({} minutiae, quality {}, {:?})", self.minutiae.len(), self.quality, self.position)
    }
}

fn percent(what: &'static str, value: u8) -> Result<(), TemplateError> {
    if value > 100 {
        return Err(TemplateError::Field { what, value: u32::from(value), allowed: "0 to 100" });
    }
    Ok(())
}
