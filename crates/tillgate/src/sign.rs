//! `tillgate sign`: the three headers of a signed Modulus call, for whoever calls with something else.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use client::modulus::{Signed, sign};

use crate::exit::Ended;
use crate::secret_file::{KeySource, SecretSource};
use crate::{place, talk};

pub(crate) const AFTER: &str = "\
The key is taken from TILLGATE_KEY or --key-file, the secret from TILLGATE_SECRET or --secret-file. A signature is good for
five minutes, for this method, path and body. With --curl a configuration for curl comes out, so that neither key nor body
shows in its arguments:

  tillgate sign --curl GET /v1/terminals --url http://127.0.0.1:8080 | curl -K -
  echo '{\"amount\":\"25.00\",\"currency\":\"PHP\",\"paymentMethod\":\"CARD\"}' |
    tillgate sign --curl POST /v1/terminals/TERM-001/payments --body - --url http://127.0.0.1:8080 | curl -K -";

#[derive(Args)]
pub(crate) struct Sign {
    /// The method of the call
    method: String,
    /// Its path with the version, percent signs as they are sent, such as /v1/terminals
    path: String,
    /// The file with its body, byte for byte, - for stdin; without it the body is empty
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Print a configuration for `curl -K -` instead of the headers
    #[arg(long)]
    curl: bool,
    #[arg(
        long,
        value_name = "BASE",
        requires = "curl",
        help = "With --curl: where the path is, such as https://gateway.example"
    )]
    url: Option<String>,
    #[command(flatten)]
    key: KeySource,
    #[command(flatten)]
    secret: SecretSource,
}

pub(crate) fn run(call: &Sign) -> anyhow::Result<()> {
    if !call.path.starts_with('/') {
        return Err(Ended::usage(format!("expected a path such as /v1/terminals, got {}", call.path)));
    }
    let (key, secret) = (call.key.read()?, call.secret.read()?);
    let body = call.body.as_deref().map(read).transpose()?.unwrap_or_default();
    let signed = sign(&key, &secret, &call.method, &call.path, place::now(), &body);
    if call.curl {
        return Ok(talk::lines(configuration(call, &signed, &body)?)?);
    }
    Ok(talk::lines(signed.headers().map(|(name, value)| format!("{name}: {value}")))?)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("the body on stdin")?;
        return Ok(body);
    }
    std::fs::read(file).with_context(|| format!("the body {}", file.display()))
}

/// What `curl -K` reads.
fn configuration(call: &Sign, signed: &Signed, body: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut lines = vec![format!("request = {}", quoted(&call.method.to_ascii_uppercase()))];
    if let Some(url) = &call.url {
        lines.push(format!("url = {}", quoted(&format!("{}{}", url.trim_end_matches('/'), call.path))));
    }
    for (name, value) in signed.headers() {
        lines.push(format!("header = {}", quoted(&format!("{name}: {value}"))));
    }
    if !body.is_empty() {
        let text = std::str::from_utf8(body).ok().filter(|text| !text.starts_with('@') && !text.contains('\0'));
        let text = text.ok_or_else(|| Ended::usage("--curl takes a body of text that does not begin with @"))?;
        lines.push("header = \"content-type: application/json\"".to_owned());
        lines.push(format!("data-binary = {}", quoted(text)));
    }
    Ok(lines)
}

/// A value as curl reads it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
