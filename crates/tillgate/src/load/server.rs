//! What the machine says about the server under load: its memory and its time, from the outside.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server(pub(super) u32);

impl Server {
    /// Resident memory in bytes.
    pub(super) fn resident(self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.0);
        let status = fs::read_to_string(&path).with_context(|| format!("there is no process {} to look at", self.0))?;
        field(&status, "VmRSS:").map(|kib| kib * 1024).with_context(|| format!("{path} has no VmRSS"))
    }

    /// Time its threads have run, those that have ended left out.
    pub(super) fn ran(self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        let tasks = format!("/proc/{}/task", self.0);
        for task in fs::read_dir(&tasks).with_context(|| format!("there is no process {} to look at", self.0))? {
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanos += text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }
}

/// What the kernel counts for the whole machine: connects that had to be tried again, and lines before listeners that
/// were too short.
pub(super) fn kernel() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    let of = |wanted: &str| {
        names.clone().zip(values.clone()).find(|(name, _)| *name == wanted).and_then(|(_, value)| value.parse().ok())
    };
    Some((of("TCPSynRetrans")?, of("ListenOverflows")?))
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_has_run() {
        let this = Server(std::process::id());
        assert!(this.resident().unwrap() > 0);
        assert!(this.ran().is_ok());
        assert!(Server(u32::MAX).resident().is_err());
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        assert_eq!(field("VmPeak:\t 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(field("", "VmRSS:"), None);
    }
}
