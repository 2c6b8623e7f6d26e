//! Where a command takes a secret from: the environment or a file, never its arguments, which everybody can see.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use model::Secret;

use crate::exit::Ended;

const KEY: &str = "TILLGATE_KEY";
const SECRET: &str = "TILLGATE_SECRET";

/// Where the key is.
#[derive(Args)]
pub(crate) struct KeySource {
    /// A file that holds the key and nothing else; without it the key is taken from TILLGATE_KEY
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Refused, so that whoever tries it learns where a key belongs.
    #[arg(long, hide = true, visible_aliases = ["api-key", "device-key", "secret"], value_name = "KEY")]
    key: Option<String>,
}

impl KeySource {
    pub(crate) fn read(&self) -> anyhow::Result<Secret> {
        if self.key.is_some() {
            let text = "a key does not belong on the command line, where every process can read it: \
                        put it into TILLGATE_KEY or a file named with --key-file";
            return Err(Ended::usage(text));
        }
        read("key", self.key_file.as_deref(), KEY)
    }
}

/// Where the secret beside a key is, with which calls are signed.
#[derive(Args)]
pub(crate) struct SecretSource {
    /// A file that holds the secret and nothing else; without it the secret is taken from TILLGATE_SECRET
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl SecretSource {
    pub(crate) fn read(&self) -> anyhow::Result<Secret> {
        read("secret", self.secret_file.as_deref(), SECRET)
    }
}

fn read(what: &str, file: Option<&Path>, variable: &str) -> anyhow::Result<Secret> {
    let text = match file {
        Some(file) => fs::read_to_string(file).with_context(|| format!("the {what} file {}", file.display()))?,
        None => std::env::var(variable).map_err(|_| {
            Ended::usage(format!("no {what}: put it into {variable} or a file named with --{what}-file"))
        })?,
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(Ended::usage(format!("the {what} is empty")));
    }
    Ok(Secret::new(text))
}
