//! `tillgate simulate scanner`: a palm scanner that follows a script.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use client::boop::{ScannerConfig, ScannerEvent};
use client::{Preset, State};
use devices::palm::{Act, Event, Script};
use model::MemberId;
use serde_json::{Value, json};

use crate::connect::{Way, of_endpoint, verdict};
use crate::exit::Ended;
use crate::running::{self, Signals};
use crate::secret_file::KeySource;
use crate::talk;

pub(super) const AFTER: &str = "\
A script has one step a line, one for each context that opens:

  palm USER [left|right] [quality N]   a palm that the network knows as USER
  unregistered [left|right]            a palm nobody knows
  poor quality                         a palm that cannot be read; the context goes on with the next step
  device error                         the scanner reports a fault; the context goes on with the next step
  decline                              the customer presses cancel
  late [USER]                          the palm comes only when the context is over
  silence                              nobody comes
  garbage                              a frame that means nothing; the context goes on with the next step
  drop connection                      the line breaks

Any of them may end in `after DURATION`, such as `after 800ms`. A last line `otherwise STEP` says what happens when the
others are used up. Users are named instead of palms shown, which a server believes only with boop.test_user_ids.

What the scanner hears and does is printed as JSON, one object a line; everything else is said on stderr.

Exit codes: those of `tillgate connect`.";

#[derive(Args)]
pub(crate) struct Scanner {
    /// The server's address, such as wss://gateway.example/ws/pvs
    #[arg(long)]
    url: String,
    /// The scanner's id
    #[arg(long, value_name = "ID")]
    device: String,
    /// What happens at the glass
    #[arg(long, value_name = "FILE", conflicts_with = "user", required_unless_present = "user")]
    script: Option<PathBuf>,
    /// Instead of a script: show the palm of this user to every context
    #[arg(long, value_name = "USER", value_parser = MemberId::parse)]
    user: Option<MemberId>,
    /// Give up after the first lost connection
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    key: KeySource,
    #[command(flatten)]
    way: Way,
}

/// How long after a context opens `--user` shows the palm.
const USER_AFTER: Duration = Duration::from_millis(500);

pub(super) fn run(scanner: &Scanner) -> anyhow::Result<()> {
    let script = match (&scanner.script, &scanner.user) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("the script {}", file.display()))?;
            Script::parse(&text).map_err(|mistakes| Ended::usage(format!("{}:\n{mistakes}", file.display())))?
        }
        (None, Some(user)) => Script::presenting(user.clone(), USER_AFTER),
        (None, None) => return Err(Ended::usage("either --script or --user")),
    };
    let mut config = ScannerConfig::new(&scanner.device, scanner.key.read()?);
    if scanner.once {
        config.preset.attempts_most = Preset::once().attempts_most;
    }
    let endpoint = scanner.way.to(&scanner.url);
    running::block_on(async move {
        let mut signals = Signals::listen()?;
        let (gone, reader_gone) = tokio::sync::oneshot::channel::<std::io::Error>();
        let mut gone = Some(gone);
        let told = |event| {
            let Some(line) = line(event) else { return };
            if let Err(error) = talk::data(line)
                && let Some(gone) = gone.take()
            {
                // Whoever waits for it has ended already.
                let _ = gone.send(error);
            }
        };
        let mut unread = Ok(());
        let shutdown = async {
            tokio::select! {
                () = signals.next() => {}
                Ok(error) = reader_gone => unread = Err(error),
            }
        };
        let ended = devices::palm::run(endpoint, config, script, shutdown, told).await;
        unread?;
        verdict(ended.map_err(|bad| Ended::with(of_endpoint(&bad), bad.to_string()))?)
    })
}

/// An event as a line of data; what is only talk is said.
fn line(event: Event) -> Option<Value> {
    Some(match event {
        Event::Did { context_id, act } => {
            json!({"event": "did", "context_id": context_id.as_str(), "act": words(&act)})
        }
        Event::Heard(ScannerEvent::Opened(context)) => json!({
            "event": "opened",
            "context_id": context.context_id.as_str(),
            "auth_type": context.auth_type,
            "vendor_name": context.vendor_name,
            "amount": context.amount,
            "currency": context.currency,
        }),
        Event::Heard(ScannerEvent::Closed { context_id, reason }) => {
            json!({"event": "closed", "context_id": context_id.as_str(), "reason": format!("{reason:?}").to_lowercase()})
        }
        Event::Heard(ScannerEvent::Settled { context_id, result }) => {
            let context_id = context_id.as_str();
            match result {
                Ok(status) => {
                    json!({"event": "scanned", "context_id": context_id, "status": format!("{status:?}").to_lowercase()})
                }
                Err(failure) => json!({"event": "scanned", "context_id": context_id, "failure": failure.to_string()}),
            }
        }
        Event::Heard(ScannerEvent::State(State::Closed(_))) => return None,
        Event::Heard(ScannerEvent::State(state)) => return say(state.label()),
        Event::Heard(ScannerEvent::Lost(lost)) => return say(&lost.to_string()),
        Event::Heard(ScannerEvent::Problem { problem, .. }) => return say(&format!("the server complains: {problem}")),
        Event::Heard(ScannerEvent::Unknown { kind, .. }) => return say(&format!("a frame of unknown type {kind:?}")),
        Event::Heard(ScannerEvent::Malformed { .. }) => return say("a frame that cannot be read"),
    })
}

fn say(text: &str) -> Option<Value> {
    talk::say(format_args!("tillgate: {text}"));
    None
}

/// A step in the words of a script.
fn words(act: &Act) -> String {
    match act {
        Act::Palm { user, side, quality } => format!("palm {user} {} quality {quality}", side.name()),
        Act::Unregistered { side } => format!("unregistered {}", side.name()),
        Act::PoorQuality => "poor quality".to_owned(),
        Act::DeviceError => "device error".to_owned(),
        Act::Decline => "decline".to_owned(),
        Act::Late { user: Some(user) } => format!("late {user}"),
        Act::Late { user: None } => "late".to_owned(),
        Act::Silence => "silence".to_owned(),
        Act::Garbage => "garbage".to_owned(),
        Act::DropConnection => "drop connection".to_owned(),
    }
}
