//! What is wrong with a script, whichever device follows it: every mistake at once, each with its line.

use std::fmt;

/// A line that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which line, from 1.
    pub line: u32,
    /// What would be right.
    pub right: String,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected {}, got `{}`", self.line, self.right, self.found)
    }
}

/// Every mistake of a script, one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

/// The most steps a script can have.
const STEPS: usize = 10_000;

/// Reads a script: a step a line, `#` before what is not meant, and at the end what happens `otherwise`.
pub(crate) fn lines<S>(
    text: &str,
    step: impl Fn(&[&str]) -> Result<S, String>,
) -> Result<(Vec<S>, Option<S>), Mistakes> {
    let mut steps = Vec::new();
    let mut otherwise = None;
    let mut mistakes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let mut mistake = |right: &str| {
            mistakes.push(Mistake { line: number, right: right.to_owned(), found: words.join(" ") });
        };
        match words.as_slice() {
            [] => {}
            ["otherwise", words @ ..] => match step(words) {
                Ok(_) if otherwise.is_some() => mistake("one `otherwise` at most"),
                Ok(step) => otherwise = Some(step),
                Err(right) => mistake(&right),
            },
            _ if otherwise.is_some() => mistake("nothing after `otherwise`, which must come last"),
            words => match step(words) {
                Ok(_) if steps.len() >= STEPS => mistake(&format!("at most {STEPS} steps")),
                Ok(step) => steps.push(step),
                Err(right) => mistake(&right),
            },
        }
    }
    if mistakes.is_empty() { Ok((steps, otherwise)) } else { Err(Mistakes(mistakes)) }
}
