//! `tillgate config`: all mistakes at once, and defaults that are a configuration.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ended, run, snapshot, tillgate};

#[test]
fn ten_mistakes_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = "gateway.toml";
    let text = "\
listen = \"127.0.0.1:8080\"

[server]
listen = \"8080\"
data = \"\"
dta = \"somewhere\"

[bop]
context_life = \"20s\"

[boop]
context_life = \"soon\"
contexts_per_span = 0
scan_atempts = 3
attribute_synonyms = [1, 2]
reject_new = \"yes\"

[log]
level = \"loud\"
format = 1.5
";
    std::fs::write(folder.path().join(file), text).unwrap();
    let said = ended(
        tillgate()
            .current_dir(folder.path())
            .args(["config", "check", "--config", file])
            .env("TILLGATE_BOOP_CONTEXT_LIVE", "20s")
            .env("TILLGATE_BOB_CONTEXT_LIFE", "20s")
            .env("TILLGATE_GATEWAY_CORES", "many")
            .env("TILLGATE_BOOP_SERVICE_HOST", "10.0.0.1"),
    );
    snapshot("config_check_mistakes.txt", &said.shown());
}

#[test]
fn what_is_no_toml_is_told_with_its_lines_beside_the_other_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.toml"), "[log]\nlevel = loud\nformat = \"xml\"\n[[\n").unwrap();
    let said = ended(tillgate().current_dir(folder.path()).args(["config", "check", "--config", "t.toml"]));
    snapshot("config_check_no_toml.txt", &said.shown());
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let said = run(["config", "check", "--config", "no-such-file.toml"]);
    snapshot("config_check_no_file.txt", &said.shown());
}

#[test]
fn the_defaults_are_a_configuration_without_mistakes_or_differences() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.toml");
    let defaults = run(["config", "defaults"]).good();
    std::fs::write(&file, &defaults).unwrap();
    let said = run(["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(defaults.contains("(doc)") && defaults.contains("(choice)"));
}

#[test]
fn a_variable_wins_over_the_file_and_the_difference_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.toml");
    std::fs::write(&file, "[boop]\ncontext_life = \"40s\"\nscan_attempts = 3\n").unwrap();
    let said = ended(
        tillgate()
            .args(["config", "check", "--config", file.to_str().unwrap()])
            .env("TILLGATE_BOOP_CONTEXT_LIFE", "20s")
            .env("TILLGATE_GATEWAY_ORIGINS_BOOP", "https://a.sample.test, https://b.sample.test"),
    );
    snapshot("config_check_differences.txt", &said.shown());
}
