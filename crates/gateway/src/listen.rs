//! Listening sockets: what is spoken on each, one per core so that the kernel spreads connections, and a long line
//! before us.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::str::FromStr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

/// One place to listen at. As a text it is an address and words: `127.0.0.1:8080`, `0.0.0.0:8443 tls`,
/// `127.0.0.1:8081 proxy-protocol`, `127.0.0.1:9090 operators`.
///
/// ```
/// let listen: gateway::Listen = "0.0.0.0:8443 tls".parse()?;
/// assert_eq!(listen.speaks, gateway::Speaks::Tls);
/// assert_eq!(listen.to_string(), "0.0.0.0:8443 tls");
/// # Ok::<(), gateway::BadListen>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where; port 0 lets the kernel choose.
    pub address: SocketAddr,
    /// Whether connections are encrypted.
    pub speaks: Speaks,
    /// Who is at the other end of the socket.
    pub front: Front,
    /// For whom it is.
    pub serves: Serves,
}

/// What is spoken below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Nothing.
    Plain,
    /// TLS, with the certificate of [`Tls`](crate::Tls).
    Tls,
}

/// Who opens the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// The peers themselves, or a proxy that only adds headers.
    Direct,
    /// A proxy that begins every connection with a PROXY protocol header, version 1 or 2.
    ProxyProtocol,
}

/// For whom a listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Peers.
    Peers,
    /// Operators only: health, readiness and metrics, without limits on how often.
    Operators,
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self { address, speaks: Speaks::Plain, front: Front::Direct, serves: Serves::Peers }
    }
}

/// A text that names no place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an address and a port, such as 127.0.0.1:8080 or [::]:8443, and then perhaps \
     the words tls, proxy-protocol and operators"
)]
pub struct BadListen;

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(text: &str) -> Result<Self, BadListen> {
        let mut words = text.split_whitespace();
        let address: SocketAddr = words.next().and_then(|word| word.parse().ok()).ok_or(BadListen)?;
        let mut listen = Self::from(address);
        for word in words {
            match word {
                "tls" => listen.speaks = Speaks::Tls,
                "proxy-protocol" => listen.front = Front::ProxyProtocol,
                "operators" => listen.serves = Serves::Operators,
                _ => return Err(BadListen),
            }
        }
        Ok(listen)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.speaks == Speaks::Tls {
            f.write_str(" tls")?;
        }
        if self.front == Front::ProxyProtocol {
            f.write_str(" proxy-protocol")?;
        }
        if self.serves == Serves::Operators {
            f.write_str(" operators")?;
        }
        Ok(())
    }
}

/// One listener per core on the address; with port 0 all share the one the kernel chose.
///
/// The first one listens before it shares: the kernel then refuses a port on which anybody listens, also another
/// gateway of the same user, which would otherwise get every second connection.
pub(crate) fn bind(address: SocketAddr, cores: u8, backlog: u32) -> io::Result<Vec<TcpListener>> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    let claim = socket(address)?;
    claim.bind(&address.into())?;
    claim.listen(backlog)?;
    if cores > 1 {
        claim.set_reuse_port(true)?;
    }
    let claim = TcpListener::from(claim);
    let address = claim.local_addr()?;
    let mut listeners = vec![claim];
    for _ in 1..cores {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port on which connections of an earlier process are still dying is free.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Raises the limit on open files as far as it may go; says how many there may be then, none for no limit.
pub fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn places_read_back_as_written() {
        for text in ["127.0.0.1:8080", "[::]:8443 tls", "127.0.0.1:1 tls proxy-protocol", "127.0.0.1:9090 operators"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "8080", "localhost:8080", "127.0.0.1:8080 ssl", "tls 127.0.0.1:8080"] {
            assert_eq!(text.parse::<Listen>(), Err(BadListen), "{text}");
        }
    }

    #[test]
    fn nobody_else_gets_a_share_of_the_port() {
        for (ours, theirs) in [(1, 1), (2, 1), (1, 2), (3, 3)] {
            let first = bind(SocketAddr::from(([127, 0, 0, 1], 0)), ours, 128).unwrap();
            let address = first[0].local_addr().unwrap();
            let error = bind(address, theirs, 128).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{ours} and {theirs}");
            drop(first);
            bind(address, theirs, 128).unwrap();
        }
    }

    #[test]
    fn every_core_gets_connections() {
        let listeners = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 2, 512).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let _streams: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
        let taken: Vec<usize> = listeners.iter().map(|one| std::iter::from_fn(|| one.accept().ok()).count()).collect();
        assert_eq!(taken.iter().sum::<usize>(), 200);
        assert!(taken.iter().all(|taken| *taken > 20), "{taken:?}");
    }
}
