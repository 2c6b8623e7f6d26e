//! Update mode: the `<` and `*` lines of a step as they came, keeping every `$name` that still fits.

use crate::binding::Bindings;
use crate::check::{Got, meet};
use crate::json::{Json, Speech};
use crate::story::{Given, Item, Message, Output, Said, Step, Story};

/// From how many equal lines on they are written as `N times`.
const TIMES_FROM: u32 = 3;
/// Characters of a new line at most, where it can be cut.
const WIDTH: usize = 120;

/// New output lines for one step of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Lines of the file that go, from 1.
    gone: Vec<usize>,
    /// The line above the new ones.
    after: usize,
    /// What stands there now.
    lines: Vec<Now>,
}

/// What stands where old outputs stood.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Now {
    /// Lines of the file, unchanged.
    Kept { number: usize, height: usize },
    /// A new line.
    Written(String),
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

fn printed(step: &Step<'_>, news: &[New]) -> Vec<Now> {
    let mut lines = Vec::new();
    let mut rest = news;
    while let Some(first) = rest.first() {
        let run = match first {
            New::Kept { index, count } => {
                let (line, output) = step.outputs[*index];
                if *count == output.times {
                    lines.push(Now::Kept { number: line.number, height: line.height });
                } else {
                    lines.push(Now::Written(wrapped(&Output { times: *count, ..output.clone() })));
                }
                1
            }
            New::Fresh(first) => {
                let run = rest.iter().take_while(|new| matches!(new, New::Fresh(other) if other == first)).count();
                let many = u32::try_from(run).unwrap_or(u32::MAX);
                if many >= TIMES_FROM {
                    lines.push(Now::Written(wrapped(&Output { times: many, ..first.clone() })));
                } else {
                    lines.extend(std::iter::repeat_n(Now::Written(wrapped(first)), run));
                }
                run
            }
        };
        rest = &rest[run..];
    }
    lines
}

/// The line as printed; JSON that is too wide goes on below, cut after commas, also where it is a body.
fn wrapped(output: &Output) -> String {
    match &output.said {
        Said::Json(_) => cut(&output.to_string()),
        Said::Http(message) if message.body.starts_with(['{', '[']) && !message.body.contains('\n') => {
            let head = Message { body: String::new(), ..message.clone() };
            format!("{}\n{}", Output { said: Said::Http(head), ..output.clone() }, cut(&format!("  {}", message.body)))
        }
        _ => output.to_string(),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let mut out = String::new();
    let (mut line, mut piece) = (String::new(), String::new());
    let (mut quoted, mut escape) = (false, false);
    for letter in text.chars() {
        piece.push(letter);
        match letter {
            _ if escape => escape = false,
            '\\' if quoted => escape = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                if !line.trim_start().is_empty() && line.chars().count() + piece.chars().count() > WIDTH {
                    out.push_str(&line);
                    out.push('\n');
                    line = "  ".to_owned();
                }
                line.push_str(&std::mem::take(&mut piece));
            }
            _ => {}
        }
    }
    if line.chars().count() + piece.chars().count() > WIDTH {
        out.push_str(&line);
        line = "\n  ".to_owned();
    }
    out + &line + &piece
}

/// Whether an old line is worth taking names from.
fn is_alike(output: &Output, got: &Got) -> bool {
    let kind = |json: &Json| json.get("type").cloned();
    output.peer == got.peer
        && match (&output.said, &got.said) {
            (Said::Json(old), Said::Json(new)) => kind(old) == kind(new),
            (Said::Http(old), Said::Http(new)) => old.start == new.start,
            (Said::Text(_), Said::Text(_)) | (Said::Close(_), Said::Close(_)) => true,
            _ => false,
        }
}

fn merge_said(old: &Said, fresh: &mut Said, got: &Got, bindings: &mut Bindings) {
    match (old, fresh, &got.said) {
        (Said::Json(old), Said::Json(fresh), Said::Json(got)) => merge(old, fresh, got, bindings),
        (Said::Http(old), Said::Http(fresh), Said::Http(got)) => merge_message(old, fresh, got, bindings),
        _ => {}
    }
}

/// Of an answer, only the headers are written that were.
fn merge_message(old: &Message, fresh: &mut Message, got: &Message, bindings: &mut Bindings) {
    fresh.headers.retain(|(name, _)| old.headers.iter().any(|(other, _)| other == name));
    for (name, value) in &mut fresh.headers {
        let came = got.headers.iter().find(|(other, _)| other == name);
        let before = old.headers.iter().find(|(other, _)| other == name);
        if let (Some((_, came)), Some((_, before))) = (came, before)
            && bindings.meet_text(before, came, 1).is_ok()
        {
            value.clone_from(before);
        }
    }
    let read = |body: &str, speech| Json::parse(body, speech).ok();
    if let (Some(old), Some(mut new), Some(got)) =
        (read(&old.body, Speech::Story), read(&fresh.body, Speech::Story), read(&got.body, Speech::Wire))
    {
        merge(&old, &mut new, &got, bindings);
        fresh.body = new.to_string();
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
    let old: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let put = |out: &mut String, after: usize| {
        for now in rewrites.iter().filter(|rewrite| rewrite.after == after).flat_map(|rewrite| &rewrite.lines) {
            match now {
                Now::Written(line) => {
                    out.push_str(line);
                    out.push('\n');
                }
                Now::Kept { number, height } => {
                    for line in &old[number - 1..number - 1 + height] {
                        out.push_str(line);
                        out.push('\n');
                    }
                }
            }
        }
    };
    put(&mut out, 0);
    for (index, line) in old.iter().enumerate() {
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
            "{TWO}a> {{\"x\":1}}\na< {{\"type\":\"t\",\n  \"id\":\"$id\"}}\nb< {{\"type\":\"u\",\"id\":\"c_$id\",\"n\":2}}\nb< {{\"x\":\"$$\"}}\n# prose stays\n"
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
    fn wide_lines_go_on_below() {
        let text = format!("{TWO}a> {{\"x\":1}}\n");
        let members: Vec<String> = (0..20).map(|n| format!("\"key_{n}\":\"value, {n}\"")).collect();
        let came = format!("{{{}}}", members.join(","));
        let new = updated(&text, &[("a", &came)]);
        assert!(new.lines().all(|line| line.len() <= WIDTH) && new.lines().count() > 7, "{new}");
        assert_eq!(updated(&new, &[("a", &came)]), new);
    }

    #[test]
    fn an_answer_keeps_its_names_and_the_headers_it_had() {
        let text = format!("{TWO}a> GET /x\na< 200\n  retry-after: $after\n  {{\"id\":\"$id\",\"n\":1}}\n");
        let story = parse("test", &text).unwrap();
        let members: Vec<String> = (0..9).map(|n| format!("\"key_{n}\":\"value, {n}\"")).collect();
        let said = Said::Http(Message {
            start: "200".to_owned(),
            headers: vec![("retry-after".to_owned(), "5".to_owned()), ("x-more".to_owned(), "1".to_owned())],
            body: format!("{{\"id\": \"7\",\"n\": 2,{}}}", members.join(",")),
        });
        let got = [Got { peer: Some("a".to_owned()), said }];
        let step = story.steps().pop().unwrap();
        let new = rewritten(&text, &[rewrite(&story, &step, &got, &mut Bindings::default())]);
        let begin = format!("{TWO}a> GET /x\na< 200\n  retry-after: $after\n  {{\"id\":\"$id\",\"n\":2,\"key_0\"");
        assert!(new.starts_with(&begin) && new.lines().all(|line| line.len() <= WIDTH), "{new}");
        assert!(parse("test", &new).is_ok() && new.lines().count() == 9, "{new}");
    }

    #[test]
    fn fewer_times_are_counted_again() {
        let text = format!("{TWO}a> {{\"x\":1}}\na< 5 times {{\"n\":$#}}\n");
        let came = [("a", "{\"n\":1}"), ("a", "{\"n\":2}")];
        assert_eq!(updated(&text, &came), format!("{TWO}a> {{\"x\":1}}\na< 2 times {{\"n\":$#}}\n"));
    }
}
