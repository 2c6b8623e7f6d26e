//! ISO/IEC 19794-2:2005 records: 24 bytes, then every view with its minutiae and extension.

use super::cursor::{Cursor, expect_views, stated_quality};
use super::view::{FingerPosition, Frame, Kind, View};
use super::{MAGIC, MAX_VIEWS_WRITTEN, TemplateError};

const HEADER_BYTES: usize = 24;
const VIEW_BYTES: usize = 4 + 2;
const MINUTIA_BYTES: usize = 6;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<View>, TemplateError> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(8, "header")?;
    let declared = cursor.quad("header")?;
    cursor.expect_total(declared)?;
    cursor.take(2, "capture equipment")?;
    read_views(cursor, Ok)
}

/// The part from the image size on, which ANSI/INCITS 378 shares but for its angles.
pub(super) fn read_views(
    mut cursor: Cursor<'_>,
    angle: impl Fn(u8) -> Result<u8, TemplateError>,
) -> Result<Vec<View>, TemplateError> {
    let frame = Frame {
        width: cursor.pair("image size")?,
        height: cursor.pair("image size")?,
        x_per_cm: cursor.pair("resolution")?,
        y_per_cm: cursor.pair("resolution")?,
    };
    let count = usize::from(cursor.byte("view count")?);
    cursor.byte("reserved byte")?;
    expect_views(count)?;
    let mut views = Vec::with_capacity(count);
    for _ in 0..count {
        let position = FingerPosition::from_code(cursor.byte("view header")?)?;
        cursor.byte("view header")?;
        let quality = stated_quality(cursor.byte("view header")?);
        let minutiae = cursor.byte("view header")?;
        let minutiae = cursor.minutiae(minutiae, true, &angle)?;
        cursor.skip_extension()?;
        views.push(View::new(frame, quality, minutiae)?.of_finger(position));
    }
    cursor.finish()?;
    Ok(views)
}

pub(super) fn write(views: &[View]) -> Result<Vec<u8>, TemplateError> {
    if views.is_empty() || views.len() > MAX_VIEWS_WRITTEN {
        return Err(TemplateError::Views { count: views.len(), most: MAX_VIEWS_WRITTEN });
    }
    let first = views[0].frame();
    // one size for all views: the smallest that holds them
    let (mut width, mut height) = (0, 0);
    for view in views {
        let frame = view.frame();
        if (frame.x_per_cm, frame.y_per_cm) != (first.x_per_cm, first.y_per_cm) {
            return Err(TemplateError::MixedResolutions);
        }
        width = width.max(frame.width);
        height = height.max(frame.height);
    }
    let total =
        HEADER_BYTES + views.iter().map(|view| VIEW_BYTES + MINUTIA_BYTES * view.minutiae().len()).sum::<usize>();
    let mut out = Vec::with_capacity(total);
    out.extend(MAGIC);
    out.extend(b" 20\0");
    // three views of 255 minutiae are 4,632 bytes
    out.extend(u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes());
    out.extend([0, 0]);
    for number in [width, height, first.x_per_cm, first.y_per_cm] {
        out.extend(number.to_be_bytes());
    }
    out.push(byte(views.len()));
    out.push(0);
    for (number, view) in views.iter().enumerate() {
        out.push(view.position().code());
        // view number above, impression type below: live, plain
        out.push(byte(number) << 4);
        out.push(view.quality());
        out.push(byte(view.minutiae().len()));
        for minutia in view.minutiae() {
            let kind: u16 = match minutia.kind {
                Kind::Other => 0,
                Kind::Ending => 1,
                Kind::Bifurcation => 2,
            };
            out.extend((kind << 14 | minutia.x).to_be_bytes());
            out.extend(minutia.y.to_be_bytes());
            out.extend([minutia.angle, minutia.quality]);
        }
        out.extend([0, 0]);
    }
    Ok(out)
}

/// Counts here are at most 255: a view refuses more minutiae, the writer more views.
fn byte(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}
