//! Draws a tour of the crate into a folder: `cargo run --release -p minutiae --example tour -- OUT_FOLDER`.
//!
//! The pictures of `docs/minutiae.md` are made by this; every seed is in this file.

use std::error::Error;
use std::path::{Path, PathBuf};

use minutiae::matcher::{Print, correspond};
use minutiae::picture::Picture;
use minutiae::synthesis::{Finger, Level, Pattern, Press};
use minutiae::{Image, Reading, extract};

const SEED: u64 = 2026;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: tour OUT_FOLDER")?;
    std::fs::create_dir_all(&folder)?;

    patterns(&folder)?;
    levels(&folder)?;

    let finger = Finger::with_pattern(SEED + 3, Pattern::LeftLoop);
    let (image, reading) = print(&finger, 11, Level::Ordinary)?;
    save(&folder, "impression", &Picture::impression(&image))?;
    save(&folder, "flow", &Picture::flow(&image, &reading))?;
    save(&folder, "skeleton", &Picture::skeleton(&image, &reading))?;
    save(&folder, "minutiae", &Picture::minutiae(&image, &reading))?;

    let (again, second) = print(&finger, 12, Level::Ordinary)?;
    let stranger = Finger::with_pattern(SEED + 4, Pattern::LeftLoop);
    let (other, third) = print(&stranger, 13, Level::Ordinary)?;
    let first = Print::new(reading.view());
    let own = correspond(&first, &Print::new(second.view()));
    let strange = correspond(&first, &Print::new(third.view()));
    let owners = Picture::matched((&image, &reading), (&again, &second), &own);
    let strangers = Picture::matched((&image, &reading), (&other, &third), &strange);
    save(&folder, "matched", &owners)?;
    save(&folder, "stranger", &strangers)?;
    Ok(())
}

/// One finger of every pattern.
fn patterns(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut row = Vec::new();
    for (number, pattern) in (0..).zip(Pattern::ALL) {
        let finger = Finger::with_pattern(SEED + number, pattern);
        row.push(Picture::impression(&finger.impression(&Press::draw(number, Level::Good))));
    }
    let (upper, lower) = row.split_at(3);
    let rows: Vec<Picture> = [upper, lower].into_iter().filter_map(Picture::row).collect();
    save(folder, "patterns", &Picture::column(&rows).ok_or("no pattern")?)
}

/// One press of one finger, getting worse.
fn levels(folder: &Path) -> Result<(), Box<dyn Error>> {
    let finger = Finger::with_pattern(SEED + 5, Pattern::Whorl);
    let row: Vec<Picture> =
        Level::ALL.iter().map(|&level| Picture::impression(&finger.impression(&Press::draw(21, level)))).collect();
    save(folder, "levels", &Picture::row(&row).ok_or("no level")?)
}

fn print(finger: &Finger, press: u64, level: Level) -> Result<(Image, Reading), Box<dyn Error>> {
    let image = finger.impression(&Press::draw(press, level));
    let reading = extract(&image)?;
    Ok((image, reading))
}

fn save(folder: &Path, name: &str, picture: &Picture) -> Result<(), Box<dyn Error>> {
    std::fs::write(folder.join(format!("{name}.png")), picture.to_png())?;
    Ok(())
}
