//! Update mode: the `<` and `*` lines of a step as they came, keeping every `$name` that still fits.

use crate::binding::Bindings;
use crate::check::{Got, meet};
use crate::json::Json;
use crate::story::{Given, Item, Output, Said, Step, Story};

/// From how many equal lines on they are written as `N times`.
const TIMES_FROM: u32 = 3;

/// New output lines for one step of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Lines of the file that go, from 1.
    gone: Vec<usize>,
    /// The line above the new ones.
    after: usize,
    /// What stands there now.
    lines: Vec<String>,
}

/// What a new line is made from.
enum New {
    /// A line of the file that still fits, so many times from its first.
    Kept { index: usize, count: u32 },
    /// One that came.
    Fresh(Output),
}

/// The new lines of a step, and the bindings they make.
pub(crate) fn rewrite(story: &Story, step: &Step<'_>, got: &[Got], bindings: &mut Bindings) -> Rewrite {
    let named = story.peers().count() > 1 || step.outputs.iter().any(|(_, output)| output.named);
    let mut used: Vec<u32> = vec![0; step.outputs.len()];
    let mut news: Vec<New> = Vec::new();
    for got in got {
        let fits = step.outputs.iter().enumerate().position(|(index, (_, output))| {
            used[index] < output.times && meet(output, used[index] + 1, got, bindings).is_ok()
        });
        if let Some(index) = fits {
            used[index] += 1;
            match news.last_mut() {
                Some(New::Kept { index: last, count }) if *last == index => *count += 1,
                _ if used[index] == 1 => news.push(New::Kept { index, count: 1 }),
                _ => news.push(New::Fresh(got.written(named))),
            }
            continue;
        }
        let alike = step.outputs.iter().position(|(_, output)| {
            let spare = step.outputs.iter().position(|(_, other)| std::ptr::eq(*other, *output));
            spare.is_some_and(|index| used[index] == 0) && output.times == 1 && is_alike(output, got)
        });
        let mut fresh = got.written(named);
        if let Some(index) = alike {
            used[index] = 1;
            merge_said(&step.outputs[index].1.said, &mut fresh.said, got, bindings);
        }
        news.push(New::Fresh(fresh));
    }
    Rewrite { gone: gone(step), after: place(story, step), lines: printed(step, &news) }
}

fn gone(step: &Step<'_>) -> Vec<usize> {
    step.outputs.iter().flat_map(|(line, _)| line.number..line.number + line.height).collect()
}

/// Above the first old output, else below the last act, else below what is given.
fn place(story: &Story, step: &Step<'_>) -> usize {
    if let Some((line, _)) = step.outputs.first() {
        return line.number - 1;
    }
    if let Some((line, _)) = step.acts.last() {
        return line.number + line.height - 1;
    }
    let given = story.lines.iter().rfind(|line| matches!(&line.item, Item::Given(Given::Peer(_) | Given::Member(_))));
    given.map_or(0, |line| line.number + line.height - 1)
}

fn printed(step: &Step<'_>, news: &[New]) -> Vec<String> {
    let mut outputs: Vec<Output> = Vec::new();
    for new in news {
        let output = match new {
            New::Kept { index, count } => Output { times: *count, ..step.outputs[*index].1.clone() },
            New::Fresh(output) => output.clone(),
        };
        outputs.push(output);
    }
    let mut lines = Vec::new();
    let mut rest = outputs.as_slice();
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|other| *other == first && other.times == 1).count().max(1);
        let many = u32::try_from(run).unwrap_or(u32::MAX);
        if many >= TIMES_FROM {
            lines.push(Output { times: many, ..first.clone() }.to_string());
        } else {
            lines.extend(std::iter::repeat_n(first.to_string(), run));
        }
        rest = &rest[run..];
    }
    lines
}

/// Whether an old line is worth taking names from.
fn is_alike(output: &Output, got: &Got) -> bool {
    let kind = |json: &Json| json.get("type").cloned();
    output.peer == got.peer
        && match (&output.said, &got.said) {
            (Said::Json(old), Said::Json(new)) => kind(old) == kind(new),
            (Said::Text(_), Said::Text(_)) | (Said::Close(_), Said::Close(_)) => true,
            _ => false,
        }
}

fn merge_said(old: &Said, fresh: &mut Said, got: &Got, bindings: &mut Bindings) {
    if let (Said::Json(old), Said::Json(fresh), Said::Json(got)) = (old, fresh, &got.said) {
        merge(old, fresh, got, bindings);
    }
}

/// Puts back every part of the old value that still fits what came.
fn merge(old: &Json, fresh: &mut Json, got: &Json, bindings: &mut Bindings) {
    if bindings.meet_json(old, got, 1).is_ok() {
        *fresh = old.clone();
        return;
    }
    match (old, fresh, got) {
        (Json::Object(old), Json::Object(fresh), Json::Object(got)) => {
            for ((key, fresh), (_, got)) in fresh.iter_mut().zip(got) {
                if let Some((_, old)) = old.iter().find(|(name, _)| name == key) {
                    merge(old, fresh, got, bindings);
                }
            }
        }
        (Json::Array(old), Json::Array(fresh), Json::Array(got)) => {
            for ((old, fresh), got) in old.iter().zip(fresh).zip(got) {
                merge(old, fresh, got, bindings);
            }
        }
        _ => {}
    }
}

/// The file's text with its steps rewritten.
#[must_use]
pub fn rewritten(text: &str, rewrites: &[Rewrite]) -> String {
    let mut out = String::new();
    let put = |out: &mut String, after: usize| {
        for line in rewrites.iter().filter(|rewrite| rewrite.after == after).flat_map(|rewrite| &rewrite.lines) {
            out.push_str(line);
            out.push('\n');
        }
    };
    put(&mut out, 0);
    for (index, line) in text.lines().enumerate() {
        if !rewrites.iter().any(|rewrite| rewrite.gone.contains(&(index + 1))) {
            out.push_str(line);
            out.push('\n');
        }
        put(&mut out, index + 1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::said_text;
    use crate::parse::parse;

    fn updated(text: &str, came: &[(&str, &str)]) -> String {
        let story = parse("test", text).unwrap();
        let got: Vec<Got> =
            came.iter().map(|(peer, text)| Got { peer: Some((*peer).to_owned()), said: said_text(text) }).collect();
        let steps = story.steps();
        let step = steps.last().unwrap();
        let rewrites = [rewrite(&story, step, &got, &mut Bindings::default())];
        rewritten(text, &rewrites)
    }

    const TWO: &str = "# mark: choice\n= a boop requester\n= b boop performer\n\n";

    #[test]
    fn lines_that_still_fit_stay_as_they_are_and_names_are_kept() {
        let text = format!(
            "{TWO}a> {{\"x\":1}}\na< {{\"type\":\"t\",\n  \"id\":\"$id\"}}\n# prose stays\nb< {{\"type\":\"u\",\"id\":\"c_$id\",\"n\":1}}\n"
        );
        let came =
            [("a", r#"{"type":"t","id":"7"}"#), ("b", r#"{"type":"u","id":"c_7","n":2}"#), ("b", r#"{"x":"$"}"#)];
        let want = format!(
            "{TWO}a> {{\"x\":1}}\na< {{\"type\":\"t\",\"id\":\"$id\"}}\nb< {{\"type\":\"u\",\"id\":\"c_$id\",\"n\":2}}\nb< {{\"x\":\"$$\"}}\n# prose stays\n"
        );
        assert_eq!(updated(&text, &came), want);
    }

    #[test]
    fn a_name_that_no_longer_fits_goes() {
        let text = format!("{TWO}a> {{\"x\":1}}\na< [\"$id\",\"$id\"]\n");
        assert_eq!(updated(&text, &[("a", r#"["7","8"]"#)]), format!("{TWO}a> {{\"x\":1}}\na< [\"$id\",\"8\"]\n"));
    }

    #[test]
    fn equal_lines_become_times_and_missing_ones_are_put_below_the_act() {
        let text = format!("{TWO}a> {{\"x\":1}}\n");
        let came = [("a", "[1]"), ("a", "[1]"), ("a", "[1]"), ("b", "[2]"), ("b", "[2]")];
        let want = format!("{TWO}a> {{\"x\":1}}\na< 3 times [1]\nb< [2]\nb< [2]\n");
        assert_eq!(updated(&text, &came), want);
    }

    #[test]
    fn fewer_times_are_counted_again() {
        let text = format!("{TWO}a> {{\"x\":1}}\na< 5 times {{\"n\":$#}}\n");
        let came = [("a", "{\"n\":1}"), ("a", "{\"n\":2}")];
        assert_eq!(updated(&text, &came), format!("{TWO}a> {{\"x\":1}}\na< 2 times {{\"n\":$#}}\n"));
    }
}
