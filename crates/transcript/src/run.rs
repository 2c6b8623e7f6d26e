//! Files and folders of stories: read, played on one core and on two, rewritten when asked.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use model::setting::Mark;
use store::Store;

use crate::check::Order;
use crate::parse::parse;
use crate::play::{Failure, Mode, play};
use crate::story::Story;
use crate::update::rewritten;

/// When this environment variable is `1`, outputs that differ are rewritten.
pub const UPDATE: &str = "TRANSCRIPT_UPDATE";

/// The stories every dialect tells, by file name.
pub const SIXTEEN: [&str; 16] = [
    "admitted",
    "refused",
    "silent_before_login",
    "taken_over",
    "heartbeat_lost",
    "drained",
    "malformed_frame",
    "too_much",
    "operation_done",
    "operation_declined",
    "operation_deadline",
    "operation_cancelled",
    "operation_repeated",
    "performer_lost",
    "late_result",
    "missed_while_away",
];

/// Of the sixteen, how many a vendor may truly not have.
pub const MOST_NOT_APPLICABLE: usize = 3;

/// How one file fared.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its path below the folder, without its ending.
    pub name: String,
    /// What it is marked as.
    pub mark: Option<Mark>,
    /// What became of it.
    pub result: Result<Fared, String>,
}

/// What became of a file that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fared {
    /// It holds.
    Holds,
    /// It was rewritten and holds now.
    Updated,
    /// The vendor has no such thing.
    NotApplicable,
}

/// How a folder fared: one result for each file, in order of their names.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every file.
    pub told: Vec<Told>,
}

impl Report {
    /// Those that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| told.result.is_err())
    }

    /// Fails the test with everything that failed, or when there was no story at all.
    ///
    /// # Panics
    /// Then.
    pub fn expect_all_hold(&self) {
        assert!(!self.told.is_empty(), "no story was found");
        assert!(self.failed().next().is_none(), "{self}");
    }

    /// Which of the sixteen stories are missing, and whether too many are said not to apply.
    #[must_use]
    pub fn lacking(&self) -> Vec<String> {
        let find = |name: &str| self.told.iter().find(|told| told.name == name);
        let mut lacking: Vec<String> = SIXTEEN
            .iter()
            .filter(|name| find(name).is_none())
            .map(|name| format!("there is no story `{name}`"))
            .collect();
        let absent = SIXTEEN.iter().filter_map(|name| find(name));
        let absent = absent.filter(|told| matches!(told.result, Ok(Fared::NotApplicable))).count();
        if absent > MOST_NOT_APPLICABLE {
            lacking.push(format!("{absent} stories are not applicable, at most {MOST_NOT_APPLICABLE} may be"));
        }
        lacking
    }
}

/// One line for each file, then every failure.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for told in &self.told {
            let word = match &told.result {
                Ok(Fared::Holds) => "ok",
                Ok(Fared::Updated) => "updated",
                Ok(Fared::NotApplicable) => "n/a",
                Err(_) => "FAILED",
            };
            writeln!(f, "story {} ... {word}", told.name)?;
        }
        for told in self.failed() {
            if let Err(why) = &told.result {
                writeln!(f, "\n{why}")?;
            }
        }
        let failed = self.failed().count();
        writeln!(f, "{} stories, {failed} failed", self.told.len())
    }
}

/// Plays every `.txt` file of a folder and of the folders in it, each on a memory store of its own.
#[must_use]
pub fn run_folder(folder: impl AsRef<Path>) -> Report {
    each_file(folder.as_ref(), run_file)
}

/// Plays every `.txt` file of a folder and of the folders in it as `play` does. Nothing is rewritten.
#[must_use]
pub fn run_folder_on(folder: impl AsRef<Path>, mut play: impl FnMut(&Story) -> Result<(), Box<Failure>>) -> Report {
    each_file(folder.as_ref(), |file| {
        let name = file.display().to_string();
        let story = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"));
        let story = story.and_then(|text| read(&name, &text));
        let mark = story.as_ref().ok().and_then(Story::mark);
        let result = story.and_then(|story| match story.not_applicable() {
            Some(_) => Ok(Fared::NotApplicable),
            None => play(&story).map(|()| Fared::Holds).map_err(|failure| failure.to_string()),
        });
        Told { name, mark, result }
    })
}

fn each_file(folder: &Path, mut run: impl FnMut(&Path) -> Told) -> Report {
    let mut files = Vec::new();
    let mut told = Vec::new();
    if let Err(error) = find(folder, &mut files) {
        told.push(Told { name: folder.display().to_string(), mark: None, result: Err(error.to_string()) });
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
        let mut one = run(&file);
        one.name = name.display().to_string();
        told.push(one);
    }
    Report { told }
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "txt") {
            files.push(path);
        }
    }
    Ok(())
}

/// Plays one file, and rewrites its outputs when the environment asks for it.
#[must_use]
pub fn run_file(file: &Path) -> Told {
    let name = file.display().to_string();
    let failed = |mark, why: String| Told { name: name.clone(), mark, result: Err(why) };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return failed(None, format!("{name}: {error}")),
    };
    let update = std::env::var_os(UPDATE).is_some_and(|value| value == "1");
    let played = run_text(&name, &text, update);
    let written = played.new.map(|new| fs::write(file, new)).transpose();
    let result = written.map_err(|error| format!("{name}: {error}")).and(played.result);
    Told { name, mark: played.mark, result }
}

/// How one file's text fared.
pub(crate) struct Played {
    pub(crate) mark: Option<Mark>,
    pub(crate) result: Result<Fared, String>,
    /// Its new text, when it was to be updated and differs: as far as it was played.
    pub(crate) new: Option<String>,
}

/// Plays one file's text on one core and on two, updated before when asked.
pub(crate) fn run_text(name: &str, text: &str, update: bool) -> Played {
    let mut played = Played { mark: None, result: Ok(Fared::Holds), new: None };
    played.result = played.run(name, text, update);
    played
}

impl Played {
    fn run(&mut self, name: &str, text: &str, update: bool) -> Result<Fared, String> {
        let mut story = read(name, text)?;
        self.mark = story.mark();
        if story.not_applicable().is_some() {
            return Ok(Fared::NotApplicable);
        }
        let shown = |failure: Box<Failure>| failure.to_string();
        if update && self.mark != Some(Mark::Doc) {
            let mut rewrites = Vec::new();
            let result = play(&story, 1, Order::Exact, store(), Mode::Update(&mut rewrites));
            if !rewrites.is_empty() {
                let new = rewritten(text, &rewrites);
                story = read(name, &new)?;
                self.new = Some(new);
            }
            result.map_err(shown)?;
        }
        play(&story, 1, Order::Exact, store(), Mode::Check).map_err(shown)?;
        play(&story, 2, Order::PerPeer, store(), Mode::Check).map_err(shown)?;
        Ok(if self.new.is_some() { Fared::Updated } else { Fared::Holds })
    }
}

/// Reads a story, and holds that printing loses nothing of it.
fn read(name: &str, text: &str) -> Result<Story, String> {
    let read = |text: &str| {
        parse(name, text).map_err(|mistakes| {
            mistakes.iter().map(|mistake| format!("{name}:{}: {}\n", mistake.line, mistake.what)).collect::<String>()
        })
    };
    let story = read(text)?;
    let again = read(&story.to_string())?;
    if again.lines.iter().map(|line| &line.item).ne(story.lines.iter().map(|line| &line.item)) {
        return Err(format!("{name}:1: printed and read again, the story is another:\n{again}"));
    }
    Ok(story)
}

fn store() -> Box<dyn Store> {
    Box::new(store::memory::Memory::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: &str = "# Nobody serves that path.\n# mark: choice\n= a boop requester\n\n! open a /nowhere\n";

    fn failed(name: &str, text: &str) -> String {
        run_text(name, text, false).result.unwrap_err()
    }

    #[test]
    fn what_came_is_written_down_on_request_and_holds_from_then_on() {
        let told = failed("nobody.txt", NOBODY);
        assert!(
            told.starts_with("nobody.txt:5: it came and is not written\n  expected  nothing\n  got       a< 404"),
            "{told}"
        );
        let updated = run_text("nobody.txt", NOBODY, true);
        let new = updated.new.unwrap();
        assert!(new.starts_with(&format!("{NOBODY}< 404")), "{new}");
        assert_eq!(updated.result, Ok(Fared::Updated));
        let again = run_text("nobody.txt", &new, true);
        assert_eq!((again.result, again.new), (Ok(Fared::Holds), None));
    }

    #[test]
    fn what_the_vendor_says_is_never_rewritten() {
        let doc = NOBODY.replace("# mark: choice", "# mark: doc\n# from: nowhere, nothing");
        assert!(run_text("nobody.txt", &doc, true).result.is_err());
        assert_eq!(run_text("nobody.txt", &doc, true).new, None);
    }

    #[test]
    fn what_does_not_come_fails_with_its_line() {
        let missing = format!("{NOBODY}< 404\n  $body\n\n! restart\n< ping\n");
        let told = failed("nobody.txt", &missing);
        assert!(told.contains("nobody.txt:10: it did not come\n  expected  < ping\n  got       nothing\n"), "{told}");
        let over = format!("{NOBODY}< 404\n  $body\n\n> ping\n");
        let told = failed("nobody.txt", &over);
        assert!(told.contains("nobody.txt:9: the socket of `a` is over; `! open a` makes another"), "{told}");
    }

    #[test]
    fn settings_and_balances_are_named() {
        let unknown = NOBODY.replace("! open", "= set node.patience 3\n! open");
        let told = failed("nobody.txt", &unknown);
        assert!(told.contains("nobody.txt:5: no setting is called `patience`; there are asks_per_session"), "{told}");
        let poor = "# mark: choice\n= a boop requester\n= member usr_1 balance=5 USD\n? balance usr_1 5 USD\n? balance usr_1 6 USD\n";
        let told = failed("poor.txt", poor);
        assert!(told.contains("poor.txt:5: expected a balance of 6 USD, the store holds 5 USD"), "{told}");
    }

    #[test]
    fn the_sixteen_are_looked_for() {
        let told = |name: &str, fared| Told { name: name.to_owned(), mark: None, result: Ok(fared) };
        let mut report = Report { told: SIXTEEN.iter().map(|name| told(name, Fared::Holds)).collect() };
        assert!(report.lacking().is_empty());
        report.told.remove(0);
        report.told[..4].iter_mut().for_each(|told| told.result = Ok(Fared::NotApplicable));
        let lacking = report.lacking();
        assert_eq!(lacking, ["there is no story `admitted`", "4 stories are not applicable, at most 3 may be"]);
    }
}
