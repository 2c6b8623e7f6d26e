//! From a file and the environment to settings, or to all the mistakes there are.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use model::setting::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::PREFIX;
use super::nearest::nearest;
use super::sections::{Configuration, Section};

/// Longer values are cut when a mistake shows them.
const SHOWN_CHARS: usize = 60;

/// Everything that is wrong with a configuration; at least one thing.
#[derive(Debug)]
pub(crate) struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// The defaults, changed by the file, changed by the environment.
pub(crate) fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Configuration, Mistakes> {
    let mut configuration = Configuration::default();
    let mut sections = configuration.sections();
    let mut mistakes = Vec::new();
    if let Some(path) = file {
        match std::fs::read_to_string(path) {
            Ok(text) => from_file(&path.display().to_string(), &text, &mut sections, &mut mistakes),
            Err(error) => mistakes.push(format!("{}: cannot be read: {error}", path.display())),
        }
    }
    from_environment(environment, &mut sections, &mut mistakes);
    drop(sections);
    if mistakes.is_empty() { Ok(configuration) } else { Err(Mistakes(mistakes)) }
}

fn from_file(name: &str, text: &str, sections: &mut [Section<'_>], mistakes: &mut Vec<String>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let place = |at: usize| format!("{name}:{}", 1 + text.get(..at).unwrap_or(text).matches('\n').count());
    let mut errors: Vec<_> = errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error)).collect();
    errors.sort_by_key(|(at, _)| *at);
    mistakes.extend(errors.iter().map(|(at, error)| format!("{}: not TOML: {}", place(*at), error.message())));
    let is_broken = |at: usize| errors.iter().any(|(broken, _)| place(*broken) == place(at));
    for (head, body) in in_order(table.get_ref()) {
        if is_broken(head.span().start) {
            continue;
        }
        let place_of_head = place(head.span().start);
        let head = head.get_ref();
        let DeValue::Table(settings) = body.get_ref() else {
            let home = sections.iter().find(|section| section.key(head).is_some());
            let hint = home.map_or(String::new(), |section| format!("; {head} belongs in [{}]", section.name));
            mistakes.push(format!("{place_of_head}: {head}: expected a section such as [server]{hint}"));
            continue;
        };
        let Some(section) = sections.iter_mut().find(|section| section.name == head.as_ref()) else {
            mistakes.push(format!("{place_of_head}: [{head}]: no such section; {}", instead(head, sections)));
            continue;
        };
        for (key, value) in in_order(settings) {
            if is_broken(key.span().start) {
                continue;
            }
            let place = place(key.span().start);
            let name = key.get_ref().as_ref();
            let said = shown(text.get(value.span()).unwrap_or_default());
            let written = format!("{place}: {}.{name} = {said}", section.name);
            let Some(key) = section.key(name) else {
                mistakes.push(format!("{written}: no such setting; {}", instead_of_key(name, section)));
                continue;
            };
            let taken = match plain(value.get_ref()) {
                Some(value) => section.set(&key, value),
                None => Err(section.right(&key)),
            };
            if let Err(right) = taken {
                mistakes.push(format!("{written}: expected {right}"));
            }
        }
    }
}

fn from_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    sections: &mut [Section<'_>],
    mistakes: &mut Vec<String>,
) {
    let mut variables: Vec<(OsString, OsString)> =
        environment.into_iter().filter(|(name, _)| name.to_string_lossy().starts_with(PREFIX)).collect();
    variables.sort();
    for (variable, value) in variables {
        let (variable, value) = (variable.to_string_lossy(), value.to_string_lossy());
        let rest = variable.get(PREFIX.len()..).unwrap_or_default().to_lowercase();
        let Some((head, name)) = rest.split_once('_') else { continue };
        let written = format!("environment: {variable}={}", shown(&value));
        let Some(section) = sections.iter_mut().find(|section| section.name == head) else {
            if let Some(section) = sections.iter().find(|section| section.key(name).is_some()) {
                let right = format!("{PREFIX}{}_{name}", section.name).to_uppercase();
                mistakes.push(format!("{written}: no such section; did you mean {right}?"));
            }
            continue;
        };
        let Some(key) = section.key(name) else {
            if !is_orchestrators(name) {
                let names = section.keys().iter().map(|key| key.variable(section.name)).collect::<Vec<_>>();
                let near = nearest(&variable, names.iter().map(String::as_str));
                let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
                mistakes.push(format!("{written}: no such setting in [{}]{hint}", section.name));
            }
            continue;
        };
        let taken = match from_text(&value, &key.value) {
            Some(value) => section.set(&key, value),
            None => Err(section.right(&key)),
        };
        if let Err(right) = taken {
            mistakes.push(format!("{written}: expected {}", right.replace('"', "")));
        }
    }
}

/// Variables that Kubernetes and Docker set for a service called, say, `tillgate-boop`: none of ours.
fn is_orchestrators(name: &str) -> bool {
    let name = name.strip_prefix("service_").unwrap_or(name);
    name == "host" || name == "port" || name.starts_with("port_")
}

/// A value of TOML as a setting's; none for what no setting can be.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Count),
        DeValue::Boolean(on) => Some(Value::Switch(*on)),
        DeValue::Array(items) => {
            items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<_>>().map(Value::Texts)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// A text of the environment as a value of the same kind as the one there is.
fn from_text(text: &str, kind: &Value) -> Option<Value> {
    match kind {
        Value::Count(_) => text.parse().ok().map(Value::Count),
        Value::Switch(_) => text.parse().ok().map(Value::Switch),
        Value::Text(_) => Some(Value::Text(text.to_owned())),
        Value::Texts(_) => {
            let texts = text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned);
            Some(Value::Texts(texts.collect()))
        }
    }
}

type Entry<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

/// The entries of a table as they stand in the file.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<Entry<'a, 'i>> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && line.chars().count() <= SHOWN_CHARS {
        return line.to_owned();
    }
    line.chars().take(SHOWN_CHARS).chain(['…']).collect()
}

fn instead(wrong: &str, sections: &[Section<'_>]) -> String {
    match nearest(wrong, sections.iter().map(|section| section.name)) {
        Some(near) => format!("did you mean [{near}]?"),
        None => {
            let names: Vec<String> = sections.iter().map(|section| format!("[{}]", section.name)).collect();
            format!("there are {}", names.join(", "))
        }
    }
}

fn instead_of_key(wrong: &str, section: &Section<'_>) -> String {
    let keys = section.keys();
    match nearest(wrong, keys.iter().map(|key| key.name)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("`tillgate config defaults` lists those of [{}]", section.name),
    }
}
