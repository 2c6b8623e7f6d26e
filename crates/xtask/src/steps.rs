//! Runs a list of named steps with a heading each, and ends with one table and one clear line.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// One thing to do: its heading and how to do it.
pub(crate) struct Step {
    name: &'static str,
    work: Box<dyn FnOnce() -> anyhow::Result<()>>,
}

impl Step {
    pub(crate) fn new(name: &'static str, work: fn() -> anyhow::Result<()>) -> Self {
        Self { name, work: Box::new(work) }
    }

    /// A step that knows more than its name.
    pub(crate) fn doing(name: &'static str, work: impl FnOnce() -> anyhow::Result<()> + 'static) -> Self {
        Self { name, work: Box::new(work) }
    }

    /// A step that is one command, its output going straight to the reader.
    pub(crate) fn command(name: &'static str, mut command: Command) -> Self {
        let work = move || {
            println!("$ {}", line(&command));
            let status = command.status().with_context(|| format!("cannot start `{}`", line(&command)))?;
            ensure!(status.success(), "`{}` ended with {status}", line(&command));
            Ok(())
        };
        Self { name, work: Box::new(work) }
    }
}

/// What a failing step means for those behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    Stop,
    GoOn,
}

impl Failing {
    pub(crate) fn from_flag(keep_going: bool) -> Self {
        if keep_going { Self::GoOn } else { Self::Stop }
    }
}

enum Ended {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs `steps` in order; true if every one of them ran and passed.
pub(crate) fn run(task: &str, steps: Vec<Step>, failing: Failing) -> bool {
    let started = Instant::now();
    let count = steps.len();
    let mut ended = Vec::with_capacity(count);
    let mut first_failure = None;
    for (index, step) in steps.into_iter().enumerate() {
        if first_failure.is_some() && failing == Failing::Stop {
            ended.push((step.name, Ended::NotRun));
            continue;
        }
        println!("\n== {}/{count} {}", index + 1, step.name);
        let began = Instant::now();
        match (step.work)() {
            Ok(()) => ended.push((step.name, Ended::Passed(began.elapsed()))),
            Err(error) => {
                println!("failed: {error:#}");
                first_failure.get_or_insert(step.name);
                ended.push((step.name, Ended::Failed(began.elapsed())));
            }
        }
    }

    println!("\n== time");
    for (name, ended) in &ended {
        match ended {
            Ended::Passed(took) => println!("{:>8}  passed   {name}", shown(*took)),
            Ended::Failed(took) => println!("{:>8}  FAILED   {name}", shown(*took)),
            Ended::NotRun => println!("{:>8}  not run  {name}", "-"),
        }
    }
    let took = shown(started.elapsed());
    let Some(first_failure) = first_failure else {
        println!("\ncargo xtask {task}: passed, {count} of {count} steps, {took}");
        return true;
    };
    let passed = ended.iter().filter(|(_, ended)| matches!(ended, Ended::Passed(_))).count();
    println!("\ncargo xtask {task}: FAILED at \"{first_failure}\", {passed} of {count} steps passed, {took}");
    false
}

/// A duration for reading: `0.4 s`, `2m07s`.
pub(crate) fn shown(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 { format!("{:.1} s", took.as_secs_f64()) } else { format!("{}m{:02}s", seconds / 60, seconds % 60) }
}

/// A command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value.filter(|_| name == "RUSTDOCFLAGS") {
            line.push_str(&format!("{}={:?} ", name.to_string_lossy(), value.to_string_lossy()));
        }
    }
    line.push_str(&program.to_string_lossy());
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> anyhow::Result<()> {
        Ok(())
    }

    fn broken() -> anyhow::Result<()> {
        anyhow::bail!("broken on purpose")
    }

    fn never() -> anyhow::Result<()> {
        panic!("a step behind a failing one ran")
    }

    #[test]
    fn a_run_of_passing_steps_passes() {
        let steps = vec![Step::new("one", fine), Step::new("two", fine)];
        assert!(run("test", steps, Failing::Stop));
    }

    #[test]
    fn nothing_runs_behind_a_failing_step() {
        let steps = vec![Step::new("one", broken), Step::new("two", never)];
        assert!(!run("test", steps, Failing::Stop));
    }

    #[test]
    fn going_on_still_ends_in_failure() {
        let steps = vec![Step::new("one", broken), Step::new("two", fine)];
        assert!(!run("test", steps, Failing::GoOn));
    }

    #[test]
    fn a_command_that_ends_badly_fails_its_step() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let steps = vec![Step::command("bad", command)];
        assert!(!run("test", steps, Failing::Stop));
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(shown(Duration::from_millis(412)), "0.4 s");
        assert_eq!(shown(Duration::from_secs(127)), "2m07s");
    }
}
