//! One self-hosted gateway between apps and the things on a shop counter.
//!
//! This file is the command line; each command has a module of its own. What a command finds out goes to stdout,
//! what it has to say about it to stderr, and the exit codes are those of [`exit`].

mod config;
mod connect;
mod demo;
mod exit;
mod keys;
mod ledger;
mod load;
mod logs;
mod members;
mod pay;
mod place;
mod running;
mod scribe;
mod secret_file;
mod serve;
mod sign;
mod simulate;
mod talk;
mod webhooks;

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
    /// Run the gateway on its data folder until a signal
    #[command(after_help = serve::AFTER)]
    Serve(serve::Serve),
    /// Run everything at once on one listener: keys, registered users and simulated devices
    #[command(after_help = demo::AFTER)]
    Demo(demo::Demo),
    /// Make, show and end the keys that peers log in with
    #[command(subcommand)]
    Keys(keys::Command),
    /// Register who is recognised: members of a network with their attributes and balances
    #[command(subcommand)]
    Members(members::Command),
    /// Show what was accepted and what became of it, and whether that adds up
    #[command(after_help = ledger::AFTER)]
    Ledger(Box<ledger::Ledger>),
    /// Show what webhook endpoints were or are to be told, and send it again
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Connect as a peer: frames on stdin and stdout, login and heartbeat done
    #[command(after_help = connect::AFTER)]
    Connect(connect::Connect),
    /// Take a payment on a terminal, and wait for its outcome
    #[command(after_help = pay::AFTER)]
    Pay(Box<pay::Pay>),
    /// Sign an HTTP call as a Modulus till does
    #[command(after_help = sign::AFTER)]
    Sign(sign::Sign),
    /// Be a device without hardware
    #[command(subcommand)]
    Simulate(simulate::Command),
    /// Measure what a server can do: sessions, requests, storms, fan-out
    #[command(subcommand, after_help = load::AFTER)]
    Load(Box<load::Command>),
    /// Check a configuration, or print all settings with their defaults
    #[command(subcommand)]
    Config(config::Command),
}

fn main() -> ExitCode {
    logs::catch_panics();
    let outcome = match Arguments::parse().command {
        Command::Serve(serve) => serve::run(&serve),
        Command::Demo(demo) => demo::run(&demo),
        Command::Keys(command) => keys::run(command),
        Command::Members(command) => members::run(command),
        Command::Ledger(ledger) => ledger::run(&ledger),
        Command::Webhooks(command) => webhooks::run(command),
        Command::Connect(connect) => connect::run(&connect),
        Command::Pay(pay) => pay::run(&pay),
        Command::Sign(call) => sign::run(&call),
        Command::Simulate(command) => simulate::run(command),
        Command::Load(command) => load::run(*command),
        Command::Config(command) => config::run(command),
    };
    scribe::finish();
    match outcome {
        Ok(()) => Exit::Good.into(),
        Err(error) => exit::explain(&error).into(),
    }
}
