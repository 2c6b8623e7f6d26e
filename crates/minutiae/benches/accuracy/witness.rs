//! NBIS on the same images and pairs, in a process of its own.
//!
//! The package in `witness/` is built and run by cargo; its C code can neither crash this bench nor
//! get into anybody's build. One thread, because Bozorth3 keeps its tables in globals.

#![expect(clippy::disallowed_types, reason = "a bench may start the process it compares with")]

use std::io::{self, BufWriter, Read, Write};
use std::process::{Command, Stdio};

use super::set::{Set, Trial, best_two};

/// One score a trial: the mean of the best two views, as ours.
pub(crate) fn scores(set: &Set, trials: &[Trial]) -> io::Result<Vec<f32>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/witness/Cargo.toml");
    let mut witness = Command::new("cargo")
        .args(["run", "--release", "--quiet", "--locked", "--manifest-path", manifest])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = BufWriter::new(witness.stdin.take().expect("stdin was asked for"));
    let mut output = witness.stdout.take().expect("stdout was asked for");
    let mut bytes = Vec::new();
    std::thread::scope(|scope| {
        let feeder = scope.spawn(move || feed(&mut input, set, trials));
        output.read_to_end(&mut bytes)?;
        feeder.join().expect("feeding does not panic")
    })?;
    witness.wait()?;
    let each: Vec<f32> =
        bytes.chunks_exact(4).map(|four| i32::from_le_bytes([four[0], four[1], four[2], four[3]]) as f32).collect();
    if each.len() != trials.len() * 3 {
        return Err(io::Error::other(format!("{} scores came for {} trials", each.len(), trials.len())));
    }
    Ok(each.chunks_exact(3).map(|three| best_two([three[0], three[1], three[2]])).collect())
}

fn feed(input: &mut impl Write, set: &Set, trials: &[Trial]) -> io::Result<()> {
    let number = |input: &mut dyn Write, value: usize| {
        let value = u32::try_from(value).map_err(io::Error::other)?;
        input.write_all(&value.to_le_bytes())
    };
    number(input, set.images.len())?;
    for image in &set.images {
        number(input, image.width() as usize)?;
        number(input, image.height() as usize)?;
        input.write_all(image.pixels())?;
    }
    number(input, trials.len() * 3)?;
    for trial in trials {
        for enrolled in trial.enrolled {
            number(input, trial.probe)?;
            number(input, enrolled)?;
        }
    }
    input.flush()
}
