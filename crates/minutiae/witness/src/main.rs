//! NBIS (MINDTCT and Bozorth3) as a process of its own: images and pairs in, scores out.
//!
//! One thread, because Bozorth3 keeps its tables in globals; a process, because its C code may
//! crash. All numbers are little-endian `u32`. In: the number of images, each as width, height and
//! its grey bytes at 500 dpi; the number of pairs, each as two image numbers. Out: one `i32` per
//! pair, -1 where an image gave no minutiae. Talk (sizes, times) goes to stderr.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::error::Error;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::time::Instant;

use nbis::Minutiae;

fn main() -> Result<(), Box<dyn Error>> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());

    let images = number(&mut input)?;
    let started = Instant::now();
    let mut prints: Vec<Option<Minutiae>> = Vec::new();
    for _ in 0..images {
        let (width, height) = (number(&mut input)?, number(&mut input)?);
        let mut file = format!("P5 {width} {height} 255\n").into_bytes();
        let header = file.len();
        file.resize(header + width as usize * height as usize, 0);
        input.read_exact(&mut file[header..])?;
        prints.push(nbis::extract_minutiae(&file, Some(500.0)).ok());
    }
    let each = started.elapsed().as_secs_f64() * 1e3 / f64::from(images.max(1));
    eprintln!("nbis: extraction {each:.1} ms an image");

    let pairs = number(&mut input)?;
    let started = Instant::now();
    for _ in 0..pairs {
        let (a, b) = (number(&mut input)?, number(&mut input)?);
        let print = |place: u32| prints.get(place as usize).and_then(Option::as_ref);
        let score = match (print(a), print(b)) {
            (Some(a), Some(b)) => a.compare(b),
            _ => -1,
        };
        output.write_all(&score.to_le_bytes())?;
    }
    output.flush()?;
    let each = started.elapsed().as_secs_f64() * 1e3 / f64::from(pairs.max(1));
    eprintln!("nbis: comparison {each:.3} ms");
    Ok(())
}

fn number(input: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}
