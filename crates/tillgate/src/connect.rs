//! `tillgate connect`: a connection as a peer has it, with login and heartbeat done, lines in and frames out.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use client::boop::{ScannerConfig, VendorConfig};
use client::modulus::{PosConfig, TerminalConfig};
use client::{
    BadEndpoint, CheckFailure, Ended as Over, Endpoint, LinesEvent, Login, Lost, Preset, RawClient, RawSender, State,
    check,
};
use model::Dialect;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::exit::{Ended, Exit};
use crate::running::{self, Signals};
use crate::secret_file::KeySource;
use crate::talk;

pub(crate) const AFTER: &str = "\
Every line of stdin is sent as a frame; every frame that comes is a line of stdout. The login, its answer and the
heartbeat are left out. Everything else is said on stderr. After the end of stdin it says goodbye once nothing has come for
as long as --linger says; Ctrl-C says goodbye at once.

  TILLGATE_KEY=sk_… tillgate connect boop --url ws://127.0.0.1:8080/ws/vendor --vendor ven_1
  TILLGATE_KEY=dk_… tillgate connect boop --url ws://127.0.0.1:8080/ws/pvs --device pvs_1
  TILLGATE_KEY=sk_… tillgate connect boop --url wss://gateway.example/ws/vendor --vendor ven_1 --check
  TILLGATE_KEY=mk_… tillgate connect modulus --url ws://127.0.0.1:8080/v1
  TILLGATE_KEY=mt_… tillgate connect modulus --url ws://127.0.0.1:8080/v1 --device TERM-001

Exit codes: 0 done; 1 another failure; 2 the command line is wrong; 10 the credentials were refused; 11 they are good but
not for this; 12 the network: not reached, hung up or lost; 13 no trusted TLS connection; 14 the ping was not answered;
15 displaced by another connection with the same credentials.";

#[derive(Args)]
pub(crate) struct Connect {
    /// Which protocol: boop or modulus
    dialect: Dialect,
    /// The server's address, such as wss://gateway.example/ws/vendor
    #[arg(long)]
    url: String,
    /// boop: log in as this vendor
    #[arg(long, value_name = "ID", conflicts_with = "device")]
    vendor: Option<String>,
    /// boop: log in as this scanner; modulus: be this terminal, without it a till
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// modulus: the key's group, for a server that wants it said
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// Log in, ping once, print the milliseconds of the ping, and end
    #[arg(long)]
    check: bool,
    /// Connect again when the connection is lost, as long as there is any point
    #[arg(long, conflicts_with = "check")]
    reconnect: bool,
    /// After the end of stdin, go on until nothing has come for so long; the default outlives a context
    #[arg(long, value_name = "DURATION", default_value = "35s", value_parser = duration, conflicts_with = "check")]
    linger: Duration,
    #[command(flatten)]
    pub(crate) key: KeySource,
    #[command(flatten)]
    pub(crate) way: Way,
}

fn duration(text: &str) -> Result<Duration, String> {
    model::setting::parse_duration(text).ok_or_else(|| "expected a duration such as 500ms, 35s or 2m".to_owned())
}

/// How a server is reached.
#[derive(Args)]
pub(crate) struct Way {
    /// Trust the certificates of this PEM file beside those the world trusts
    #[arg(long, value_name = "FILE")]
    extra_ca: Option<PathBuf>,
    /// Show the certificates of this PEM file, one's own first, to a server that asks for one
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
    /// Send the key unencrypted over a network that is trusted; ws:// works only to this machine without it
    #[arg(long)]
    dangerous_plaintext: bool,
}

impl Way {
    pub(crate) fn to(&self, url: &str) -> Endpoint {
        let mut endpoint = Endpoint::new(url);
        if let Some(pem) = &self.extra_ca {
            endpoint = endpoint.extra_ca(pem);
        }
        if let (Some(pem), Some(key)) = (&self.certificate, &self.certificate_key) {
            endpoint = endpoint.certificate(pem, key);
        }
        if self.dangerous_plaintext { endpoint.dangerous_plaintext_over_the_network() } else { endpoint }
    }
}

pub(crate) fn run(connect: &Connect) -> anyhow::Result<()> {
    match connect.dialect {
        Dialect::Boop => boop(connect),
        Dialect::Modulus => modulus(connect),
        other @ (Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay) => {
            Err(Ended::usage(format!("this version speaks no {other} yet, only boop and modulus")))
        }
    }
}

fn boop(connect: &Connect) -> anyhow::Result<()> {
    if connect.group.is_some() {
        return Err(Ended::usage("--group is for modulus; a boop vendor is its own group"));
    }
    match (&connect.vendor, &connect.device) {
        (Some(vendor), None) => go(connect, VendorConfig::new(vendor, connect.key.read()?)),
        (None, Some(device)) => go(connect, ScannerConfig::new(device, connect.key.read()?)),
        (Some(_), Some(_)) | (None, None) => Err(Ended::usage("boop logs in with --vendor or --device")),
    }
}

fn modulus(connect: &Connect) -> anyhow::Result<()> {
    if connect.vendor.is_some() {
        return Err(Ended::usage("--vendor is for boop; a modulus key says itself whose it is"));
    }
    let (key, group_id) = (connect.key.read()?, connect.group.clone());
    match &connect.device {
        Some(device) => go(connect, TerminalConfig { group_id, ..TerminalConfig::new(key, device) }),
        None => go(connect, PosConfig { group_id, ..PosConfig::new(key) }),
    }
}

fn go(connect: &Connect, mut login: impl Login) -> anyhow::Result<()> {
    let endpoint = connect.way.to(&connect.url);
    if connect.check {
        return running::block_on(check_once(endpoint, login));
    }
    if !connect.reconnect {
        login.preset_mut().attempts_most = Preset::once().attempts_most;
    }
    running::block_on(carry_lines(endpoint, login, connect.linger))
}

async fn check_once(endpoint: Endpoint, login: impl Login) -> anyhow::Result<()> {
    let checked = check(endpoint, login).await.map_err(|failure| {
        let exit = match &failure {
            CheckFailure::Endpoint(bad) => of_endpoint(bad),
            CheckFailure::Refused(_) => Exit::Refused,
            CheckFailure::Forbidden(_) => Exit::Forbidden,
            CheckFailure::Network(_) => Exit::Network,
            CheckFailure::Tls(_) => Exit::Tls,
            CheckFailure::NoPong => Exit::NoPong,
            CheckFailure::Displaced => Exit::Displaced,
        };
        Ended::told(exit, &failure.to_string())
    })?;
    talk::say(format_args!("logged in within {} ms", millis(checked.login)));
    Ok(talk::data(millis(checked.ping))?)
}

/// Milliseconds with two digits after the point.
fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

/// What is wrong with an address is the command line's mistake; that TLS or randomness is missing is not.
pub(crate) const fn of_endpoint(bad: &BadEndpoint) -> Exit {
    match bad {
        BadEndpoint::Url { .. }
        | BadEndpoint::Plaintext { .. }
        | BadEndpoint::Header { .. }
        | BadEndpoint::ExtraCa { .. }
        | BadEndpoint::Certificate { .. } => Exit::Usage,
        BadEndpoint::Tls(_) => Exit::Tls,
        BadEndpoint::Randomness(_) => Exit::Failed,
    }
}

async fn carry_lines(endpoint: Endpoint, login: impl Login, linger: Duration) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let mut raw = RawClient::connect(endpoint, login).map_err(|bad| Ended::with(of_endpoint(&bad), bad.to_string()))?;
    let mut stdin = tokio::spawn(send_stdin(raw.sender()));
    let mut stdin_ended = false;
    let mut unread = Ok(());
    loop {
        let event = tokio::select! {
            event = raw.next() => event,
            () = signals.next() => {
                raw.close();
                continue;
            }
            _ = &mut stdin, if !stdin_ended => {
                stdin_ended = true;
                continue;
            }
            // Every frame that comes starts the wait again.
            () = tokio::time::sleep(linger), if stdin_ended => {
                raw.close();
                continue;
            }
        };
        match event {
            Some(LinesEvent::Frame(frame)) => {
                unread = talk::data(frame);
                if unread.is_err() {
                    raw.close();
                }
            }
            Some(LinesEvent::State(State::Closed(over))) => {
                return unread.map_err(Into::into).and_then(|()| verdict(over));
            }
            Some(LinesEvent::State(state)) => talk::say(format_args!("tillgate: {}", state.label())),
            Some(LinesEvent::Lost(lost)) => talk::say(format_args!("tillgate: {lost}")),
            Some(LinesEvent::NotSent { why, .. }) => talk::say(format_args!("tillgate: a line was not sent: {why}")),
            None => return Err(anyhow!("the connection ended without a word")),
        }
    }
}

/// Sends stdin line by line, until it ends or nobody takes lines any more.
async fn send_stdin(sender: RawSender) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        match lines.next_line().await {
            Ok(Some(line)) if line.trim().is_empty() => {}
            Ok(Some(line)) => {
                if !sender.send(&line).await {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return talk::say(format_args!("tillgate: stdin cannot be read: {error}")),
        }
    }
}

/// How a connection that is over for good ends the command.
pub(crate) fn verdict(over: Over) -> anyhow::Result<()> {
    let exit = match &over {
        Over::Finished => return Ok(()),
        Over::Refused(_) => Exit::Refused,
        Over::Forbidden(_) => Exit::Forbidden,
        Over::Displaced => Exit::Displaced,
        Over::GaveUp { last: Lost::Tls(_), .. } => Exit::Tls,
        Over::GaveUp { last: Lost::PingTimeout, .. } => Exit::NoPong,
        Over::GaveUp { .. } => Exit::Network,
    };
    Err(Ended::told(exit, &over.to_string()))
}
