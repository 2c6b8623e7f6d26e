//! Where a command takes a secret from: the environment or a file, never its arguments, which everybody can see.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use model::Secret;

use crate::exit::Ended;

const VARIABLE: &str = "TILLGATE_KEY";

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
        let text = match &self.key_file {
            Some(file) => fs::read_to_string(file).with_context(|| format!("the key file {}", file.display()))?,
            None => std::env::var(VARIABLE)
                .map_err(|_| Ended::usage("no key: put it into TILLGATE_KEY or a file named with --key-file"))?,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(Ended::usage("the key is empty"));
        }
        Ok(Secret::new(text))
    }
}
