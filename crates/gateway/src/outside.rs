//! Where our own HTTP calls go: names, connections and whom to trust there, and a trait so that tests can be all of that.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use rustls::RootCertStore;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};

/// What somebody outside answers, in its own time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A connection to somebody outside.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The world our own calls are made in. None of it is believed: where an address may be called, and for how long, is
/// looked at by whoever calls.
pub trait Outside: Send + Sync {
    /// The addresses of a name.
    fn look_up<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<IpAddr>>;

    /// Connects to an address.
    fn connect(&self, address: SocketAddr) -> Answer<'_, Box<dyn Stream>>;

    /// Whose certificates count.
    fn trusted(&self) -> RootCertStore;
}

/// The machine's network, and the roots that browsers trust.
#[derive(Clone, Copy, Debug)]
pub struct Internet;

impl Outside for Internet {
    fn look_up<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<IpAddr>> {
        Box::pin(async move { Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }

    fn connect(&self, address: SocketAddr) -> Answer<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let stream: Box<dyn Stream> = Box::new(TcpStream::connect(address).await?);
            Ok(stream)
        })
    }

    fn trusted(&self) -> RootCertStore {
        RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
    }
}
