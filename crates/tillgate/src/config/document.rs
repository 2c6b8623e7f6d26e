//! The settings as a page of the documentation.
#![cfg(test)]

use std::fs;
use std::path::Path;

use super::print;
use super::sections::Configuration;

/// Set to rewrite the page instead of comparing it.
const UPDATE: &str = "SNAPSHOT_UPDATE";

const HEAD: &str = "\
# Configuration

One TOML file, named with `--config FILE` or `TILLGATE_CONFIG`, plus the environment. Everything has a default, so no
file is needed. `tillgate config defaults` prints all settings as a file; `tillgate config check --config FILE` reports
every mistake at once, with the line, the value and what would be right, and prints what differs from the defaults.

A variable wins over the file: `TILLGATE_`, the section, `_`, the key, all in capital letters, so that
`TILLGATE_BOOP_CONTEXT_LIFE=20s` is `context_life = \"20s\"` in section `[boop]`. Lists are separated by commas.
`--listen` and `--data` win over both.

Durations are a whole number with `ms`, `s`, `m`, `h` or `d`. The last column says where a default comes from: *doc*,
the vendor's documentation; *inferred*, the vendor's samples; *choice*, ours.

This page is written by a test from the same lists that the program reads:
`SNAPSHOT_UPDATE=1 cargo test -p tillgate the_page_of_settings`.
";

fn page() -> String {
    let mut configuration = Configuration::default();
    let mut text = HEAD.to_owned();
    for section in &mut configuration.sections() {
        text += &format!("\n## `[{}]`\n\n{}\n\n", section.name, section.about);
        text += "| key | default | what it is | takes | mark |\n|---|---|---|---|---|\n";
        for key in section.keys() {
            let (name, default, about) = (key.name, print::value(&key.value), key.about());
            let (right, mark) = (section.right(&key), key.mark.name());
            text += &format!("| `{name}` | `{default}` | {about} | {right} | {mark} |\n");
        }
    }
    text
}

#[test]
fn the_page_of_settings_is_the_one_of_the_lists() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = page();
    if std::env::var_os(UPDATE).is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, page).unwrap();
        return;
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == page, "docs/configuration.md is old; run with {UPDATE}=1 to write it");
}
