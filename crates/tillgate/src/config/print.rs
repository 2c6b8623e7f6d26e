//! The settings as TOML.

use model::setting::Value;

use super::sections::Configuration;

const HEAD: &str = "\
# Every setting of Tillgate with its default. Keep only the lines you change: what is not here keeps its default.
# Where a default comes from: doc, the vendor's documentation; inferred, the vendor's samples; choice, ours.
";

/// Every setting with its default, as a file that could be used as it is.
pub(super) fn defaults() -> String {
    let mut text = HEAD.to_owned();
    for section in Configuration::default().sections() {
        text += &format!("\n# {}\n[{}]\n", section.about, section.name);
        for key in section.keys() {
            text += &format!("# {} ({})\n{} = {}\n", key.about(), key.mark.name(), key.name, value(&key.value));
        }
    }
    text
}

/// What differs from the defaults, as `section.key = value`.
pub(super) fn differences(configuration: &Configuration) -> Vec<String> {
    let mut configuration = configuration.clone();
    let mut plain = Configuration::default();
    let mut differences = Vec::new();
    for (section, plain) in configuration.sections().iter().zip(plain.sections()) {
        for (key, plain) in section.keys().iter().zip(plain.keys()) {
            if key.value != plain.value {
                differences.push(format!("{}.{} = {}", section.name, key.name, value(&key.value)));
            }
        }
    }
    differences
}

/// A value as TOML writes it.
pub(super) fn value(value: &Value) -> String {
    let value = match value {
        Value::Count(count) => toml::Value::Integer(i64::try_from(*count).unwrap_or(i64::MAX)),
        Value::Switch(on) => toml::Value::Boolean(*on),
        Value::Text(text) => toml::Value::String(text.clone()),
        Value::Texts(texts) => toml::Value::Array(texts.iter().cloned().map(toml::Value::String).collect()),
    };
    value.to_string()
}
