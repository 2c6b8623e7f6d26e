//! Runs the clients written in other languages against fresh demos.
//!
//! Each language gets its own demo, because a vendor has one socket; the Python clients get a
//! second one without simulated devices, where they are the scanner themselves. The languages run
//! side by side (both wait out a real context life of 30 s) and are shown one after the other.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use cargo_metadata::MetadataCommand;

use crate::demo::{Demo, Devices, wait_for};
use crate::steps::{line, shown};
use crate::tools;

/// One language's whole run; its longest single wait is 30 s.
const RUN_WITHIN: Duration = Duration::from_secs(240);

/// What is looked at in every answer.
const SCHEMA_CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                             response_schema_conformance,response_headers_conformance";

/// Where the clients look for the ready file of the demo with simulated devices.
const READY: &str = "TILLGATE_READY";
/// And of the one without.
const READY_WITHOUT_DEVICES: &str = "TILLGATE_READY_WITHOUT_DEVICES";

pub(crate) fn run() -> anyhow::Result<()> {
    let binary = binary()?;
    let for_node = Demo::start(Command::new(&binary), Devices::Simulated)?;
    let for_python = Demo::start(Command::new(&binary), Devices::Simulated)?;
    let without_devices = Demo::start(Command::new(&binary), Devices::None)?;

    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"])
        .args(files(&tools::node_folder(), ".test.mjs")?)
        .current_dir(tools::node_folder())
        .env(READY, for_node.ready_file());
    let mut python = Command::new(tools::python());
    python
        .args(["-m", "unittest", "--verbose"])
        .args(files(&tools::python_folder(), ".py")?)
        .current_dir(tools::python_folder())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(READY, for_python.ready_file())
        .env(READY_WITHOUT_DEVICES, without_devices.ready_file());

    let for_schema = Demo::start(Command::new(&binary), Devices::Simulated)?;
    let mut schema = schema(&for_schema)?;

    let (node, python, schema) = thread::scope(|scope| {
        let node = scope.spawn(|| to_the_end(&mut node));
        let python = scope.spawn(|| to_the_end(&mut python));
        let schema = scope.spawn(|| to_the_end(&mut schema));
        (node.join(), python.join(), schema.join())
    });
    let mut failures = Vec::new();
    let runs = [(node, vec![&for_node]), (python, vec![&for_python, &without_devices]), (schema, vec![&for_schema])];
    for (run, demos) in runs {
        let outcome = run.map_err(|_| anyhow!("the thread of a client run panicked"))?;
        if let Err(error) = outcome {
            for demo in demos {
                println!("{}", demo.shown_log());
            }
            failures.push(format!("{error:#}"));
        }
    }
    for demo in [for_node, for_python, without_devices, for_schema] {
        if let Err(error) = demo.stop() {
            failures.push(format!("{error:#}"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Requests made from the description of the operators' API: no server error, and answers as described. Events never
/// end, so they are left to the gateway's own tests.
fn schema(demo: &Demo) -> anyhow::Result<Command> {
    let ready: serde_json::Value = serde_json::from_str(&fs::read_to_string(demo.ready_file())?)?;
    let text = |at: &str| ready.pointer(at).and_then(serde_json::Value::as_str);
    let base = text("/base").context("the ready file has no `base`")?;
    let token = text("/admin/token").context("the ready file has no `admin.token`")?;
    let mut command = Command::new(tools::python().with_file_name("schemathesis"));
    command
        .args(["run", &format!("{base}/tillgate/v1/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", SCHEMA_CHECKS, "--exclude-path", "/tillgate/v1/events"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "50", "--seed", "1", "--no-color"])
        // It leaves a folder of its own where it runs.
        .current_dir(demo.ready_file().parent().context("the ready file is in a folder")?);
    Ok(command)
}

/// The release binary, wherever cargo puts it.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .current_dir(crate::root())
        .no_deps()
        .exec()
        .context("cannot ask cargo for its target folder")?;
    let binary = metadata.target_directory.join("release/tillgate");
    ensure!(binary.exists(), "no server at {binary}");
    Ok(binary.into())
}

/// The names of the test files in a folder, in order; there has to be one.
fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_test = ending != ".py" || name.starts_with("test_");
        if name.ends_with(ending) && is_test {
            names.push(name);
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "no tests in {}", folder.display());
    Ok(names)
}

/// Runs a command to its end, bounded, and shows all it said in one piece.
fn to_the_end(command: &mut Command) -> anyhow::Result<()> {
    let began = Instant::now();
    let output = tempfile::NamedTempFile::new()?;
    let writer: File = output.reopen()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let status = wait_for(&mut child, RUN_WITHIN)?;
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let said = fs::read(output.path())?;
    println!("$ {} ({})\n{}", line(command), shown(began.elapsed()), String::from_utf8_lossy(&said));
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("`{}` ended with {status}", line(command)),
        None => bail!("`{}` was still running after {}", line(command), shown(RUN_WITHIN)),
    }
}
