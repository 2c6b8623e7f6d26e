//! ISO/IEC 19794-2:2011 records: 15 bytes, then representations that carry everything themselves.

use super::TemplateError;
use super::cursor::{Cursor, expect_views, stated_quality};
use super::view::{FingerPosition, Frame, View};

pub(super) fn read(bytes: &[u8]) -> Result<Vec<View>, TemplateError> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(8, "header")?;
    let declared = cursor.quad("header")?;
    cursor.expect_total(declared)?;
    let count = usize::from(cursor.pair("header")?);
    let certified = match cursor.byte("header")? {
        0 => false,
        1 => true,
        value => {
            return Err(TemplateError::Field {
                what: "certification flag",
                value: u32::from(value),
                allowed: "0 or 1",
            });
        }
    };
    expect_views(count)?;
    let mut views = Vec::with_capacity(count);
    for _ in 0..count {
        views.push(representation(&mut cursor, certified)?);
    }
    cursor.finish()?;
    Ok(views)
}

fn representation(cursor: &mut Cursor<'_>, certified: bool) -> Result<View, TemplateError> {
    let start = cursor.at();
    let declared = u64::from(cursor.quad("representation")?);
    cursor.take(9, "capture time")?;
    cursor.take(5, "capture device")?;
    let mut quality = 0;
    let blocks = cursor.byte("quality blocks")?;
    for block in 0..blocks {
        let bytes: [u8; 5] = cursor.array("quality blocks")?;
        if block == 0 {
            quality = stated_quality(bytes[0]);
        }
    }
    if certified {
        let blocks = cursor.byte("certification blocks")?;
        cursor.take(3 * usize::from(blocks), "certification blocks")?;
    }
    let position = FingerPosition::from_code(cursor.byte("finger position")?)?;
    cursor.byte("representation number")?;
    let (x_per_cm, y_per_cm) = (cursor.pair("resolution")?, cursor.pair("resolution")?);
    cursor.byte("impression type")?;
    let frame = Frame { width: cursor.pair("image size")?, height: cursor.pair("image size")?, x_per_cm, y_per_cm };
    let with_quality = match cursor.byte("minutia size")? >> 4 {
        5 => false,
        6 => true,
        value => {
            return Err(TemplateError::Field {
                what: "minutia size",
                value: u32::from(value),
                allowed: "5 or 6 bytes",
            });
        }
    };
    let count = cursor.byte("minutia count")?;
    let minutiae = cursor.minutiae(count, with_quality, Ok)?;
    cursor.skip_extension()?;
    let actual = (cursor.at() - start) as u64;
    if declared != actual {
        return Err(TemplateError::Length { what: "representation", declared, actual });
    }
    Ok(View::new(frame, quality, minutiae)?.of_finger(position))
}
