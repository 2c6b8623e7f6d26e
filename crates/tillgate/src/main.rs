//! One self-hosted gateway between apps and the things on a shop counter.
//!
//! This file is the command line; each command has a module of its own. What a command finds out goes to stdout,
//! what it has to say about it to stderr, and the exit codes are those of [`exit`].

mod config;
mod exit;
mod logs;
mod talk;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// One self-hosted gateway between apps and the things on a shop counter
#[derive(Parser)]
#[command(name = "tillgate", version, after_help = exit::HELP, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration, or print all settings with their defaults
    #[command(subcommand)]
    Config(config::Command),
}

fn main() -> ExitCode {
    logs::catch_panics();
    let outcome = match Arguments::parse().command {
        Command::Config(command) => config::run(command),
    };
    match outcome {
        Ok(()) => Exit::Good.into(),
        Err(error) => exit::explain(&error).into(),
    }
}
