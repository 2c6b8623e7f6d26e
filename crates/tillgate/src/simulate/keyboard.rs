//! Single keys from whoever sits at the terminal, without waiting for the end of a line.

use std::io::{IsTerminal as _, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

/// Keys are told as they are pressed while this lives. Where stdin is no terminal, its bytes are the keys.
pub(super) struct Keyboard {
    before: Option<Termios>,
}

impl Keyboard {
    /// Listens on stdin; within a runtime.
    pub(super) fn listen(keys: mpsc::Sender<u8>) -> Self {
        tokio::spawn(async move {
            let mut stdin = tokio::io::stdin();
            while let Ok(key) = stdin.read_u8().await {
                if keys.send(key).await.is_err() {
                    return;
                }
            }
        });
        let before = if stdin().is_terminal() { tcgetattr(stdin()).ok() } else { None };
        if let Some(before) = &before {
            let mut single = before.clone();
            // Neither kept until the end of the line, nor shown. Ctrl-C still means what it means.
            single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            let _ = tcsetattr(stdin(), OptionalActions::Now, &single);
        }
        Self { before }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
