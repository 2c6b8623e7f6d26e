//! Builds the fuzz targets with libFuzzer and runs them, one after the other.
//!
//! The ordinary compiler does: the counters that libFuzzer looks at are a pass of LLVM that stable flags turn on, and
//! our code has nothing unsafe in it that a sanitizer would have to watch. What a run finds on its way is kept in
//! `fuzz/target/corpus` and tried first by the next; what is committed stands in `fuzz/corpus` and is replayed by
//! the tests of the crate `properties`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::steps::line;

/// As `cargo fuzz` would, without a sanitizer.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];
/// The longest input, in bytes: a message is longer only where length is all there is to it.
const MAX_LEN: &str = "-max_len=4096";
/// One input may take so long, in seconds, and so much memory, in megabytes.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=2048"];
/// Committed files of one target at most.
const MAX_FILES: usize = 55;
/// How long a finding is shortened, in seconds.
const SHORTEN: &str = "-max_total_time=30";

/// What to do with the targets.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// Look for findings for so many seconds each.
    Run(u32),
    /// Put the fewest inputs that reach everything reached so far beside the seeds in `fuzz/corpus`.
    Minimise,
}

/// Builds `wanted`, or every target, and runs them.
pub(crate) fn run(wanted: &[String], what: What) -> anyhow::Result<()> {
    let targets: BTreeSet<String> = all()?;
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains(*name)) {
        let names: Vec<&str> = targets.iter().map(String::as_str).collect();
        bail!("no target is called {unknown}; there are {}", names.join(", "));
    }
    let targets = targets.into_iter().filter(|name| wanted.is_empty() || wanted.contains(name));
    let targets: Vec<String> = targets.collect();
    let built = build(&targets)?;

    let mut told = Vec::new();
    let mut failed = Vec::new();
    for target in &targets {
        let program = built.join(target);
        match what {
            What::Minimise => minimise(target, &program)?,
            What::Run(seconds) => match fuzz(target, &program, seconds) {
                Ok(executions) => told.push(format!("{target:<18} {executions:>12} executions in {seconds} s")),
                Err(error) => failed.push(format!("{target}: {error:#}")),
            },
        }
    }
    told.iter().for_each(|line| println!("{line}"));
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

fn folder() -> PathBuf {
    crate::root().join("fuzz")
}

/// Every target: a file each.
fn all() -> anyhow::Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder().join("fuzz_targets")).context("cannot read fuzz/fuzz_targets")?;
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(entries.filter_map(|entry| stem(entry.ok()?.path())).collect())
}

/// Builds the targets; the folder they are in.
fn build(targets: &[String]) -> anyhow::Result<PathBuf> {
    ensure!(
        ["c++", "g++", "clang++"].iter().any(|name| Command::new(name).arg("--version").output().is_ok()),
        "libFuzzer's engine needs a C++ compiler; run: sudo apt-get install -y g++"
    );
    let host = host()?;
    let mut cargo = crate::cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    for target in targets {
        cargo.args(["--bin", target]);
    }
    let place = folder().join("target");
    // Flags are divided by this character so that they may hold spaces; a target triple keeps them from build scripts.
    cargo.arg("--target-dir").arg(&place).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    println!("$ {}", line(&cargo));
    ensure!(cargo.status()?.success(), "the fuzz targets do not build");
    Ok(place.join(host).join("release"))
}

fn host() -> anyhow::Result<String> {
    let said = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.to_owned())
}

/// Runs one target; how often it was executed.
fn fuzz(target: &str, program: &Path, seconds: u32) -> anyhow::Result<u64> {
    let (seeds, finds) = (folder().join("corpus").join(target), folder().join("target/corpus").join(target));
    let findings = folder().join("target/findings").join(target);
    for folder in [&seeds, &finds, &findings] {
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(program);
    command.args(LIMITS).args([MAX_LEN, "-print_final_stats=1", "-verbosity=0"]);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", findings.display()));
    let words = folder().join(format!("{target}.dict"));
    if words.exists() {
        command.arg(format!("-dict={}", words.display()));
    }
    command.args([&finds, &seeds]);
    println!("$ {}", line(&command));
    let before = files(&findings)?;
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let executions = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    if !output.status.success() {
        let found: Vec<PathBuf> = files(&findings)?.difference(&before).cloned().collect();
        let Some(found) = found.first() else { bail!("it ended with {}:\n{said}", output.status) };
        let shorter = shorten(program, found).unwrap_or_else(|_| found.clone());
        let tail: Vec<&str> = said.lines().filter(|line| line.contains("panicked") || line.contains("ERROR")).collect();
        let content = String::from_utf8_lossy(&fs::read(&shorter)?).into_owned();
        bail!(
            "a finding in {}:\n{content}\n{}\nmend it and leave the file in fuzz/corpus/{target}",
            shorter.display(),
            tail.join("\n")
        );
    }
    executions.and_then(|count| count.trim().parse().ok()).context("libFuzzer told no number of executions")
}

/// The shortest input that still shows it.
fn shorten(program: &Path, found: &Path) -> anyhow::Result<PathBuf> {
    let shorter = found.with_extension("short");
    let mut command = Command::new(program);
    command.args(["-minimize_crash=1", SHORTEN]).arg(format!("-exact_artifact_path={}", shorter.display())).arg(found);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(shorter.exists(), "it cannot be made shorter");
    Ok(shorter)
}

/// Files named by libFuzzer go and the fewest that reach the same come; files named by people stay.
fn minimise(target: &str, program: &Path) -> anyhow::Result<()> {
    let (committed, finds) = (folder().join("corpus").join(target), folder().join("target/corpus").join(target));
    let fewest = tempfile::tempdir()?;
    let mut command = Command::new(program);
    // Whether a place is reached, not how often.
    command.args(["-merge=1", "-use_counters=0", MAX_LEN]).arg(fewest.path()).args([&committed, &finds]);
    fs::create_dir_all(&finds)?;
    ensure!(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success(), "no merge");
    let all = files(&committed)?;
    let (ours, mut found): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| !is_digest(path));
    let known: BTreeSet<Vec<u8>> = ours.iter().filter_map(|path| fs::read(path).ok()).collect();
    for path in found.drain(..) {
        fs::remove_file(path)?;
    }
    let mut fewest: Vec<Vec<u8>> = files(fewest.path())?.iter().filter_map(|path| fs::read(path).ok()).collect();
    fewest.retain(|content| !known.contains(content));
    // Where there are too many, the longest reach most.
    fewest.sort_by_key(|content| std::cmp::Reverse(content.len()));
    fewest.truncate(MAX_FILES.saturating_sub(ours.len()));
    for (number, content) in fewest.iter().enumerate() {
        fs::write(committed.join(format!("reach_{number:02}")), content)?;
    }
    println!("{target}: {} files of ours and {} that reach more", ours.len(), fewest.len());
    Ok(())
}

/// Whether an earlier run of `minimise` left it.
fn is_digest(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("reach_"))
}

fn files(folder: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest() {
        let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("the fuzz workspace has a manifest");
        for target in all().expect("the targets can be listed") {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
        }
    }

    #[test]
    fn what_a_person_named_is_kept() {
        assert!(is_digest(Path::new("fuzz/corpus/node/reach_07")));
        assert!(!is_digest(Path::new("fuzz/corpus/node/expired")));
    }
}
