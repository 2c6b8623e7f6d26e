//! ANSI/INCITS 378-2004 records: like ISO 2005, with a maker's number and angles of two degrees.

use super::TemplateError;
use super::cursor::Cursor;
use super::iso2005::read_views;
use super::view::View;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<View>, TemplateError> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(8, "header")?;
    // two bytes, or for long records two zeros and four bytes
    let declared = match cursor.pair("header")? {
        0 => cursor.quad("header")?,
        short => u32::from(short),
    };
    cursor.expect_total(declared)?;
    cursor.take(4, "maker")?;
    cursor.take(2, "capture equipment")?;
    read_views(cursor, angle_of_two_degrees)
}

fn angle_of_two_degrees(steps: u8) -> Result<u8, TemplateError> {
    if steps >= 180 {
        return Err(TemplateError::Field {
            what: "minutia angle",
            value: u32::from(steps),
            allowed: "0 to 179 steps of two degrees",
        });
    }
    // 180 steps become 256, rounded; 179 becomes 255
    let nearest = (u16::from(steps) * 256 + 90) / 180;
    Ok(u8::try_from(nearest).unwrap_or(0))
}
