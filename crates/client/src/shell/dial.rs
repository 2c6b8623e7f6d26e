//! Opening a stream of bytes: TCP, and TLS on top of it when the address says so.

use std::pin::Pin;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::Target;
use crate::link::Lost;

/// A stream of bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An attempt to open a stream. Dropping it gives up.
pub type Dialing = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, Lost>> + Send>>;

/// A way to open streams to a server.
pub trait Dial: Send + Sync + 'static {
    /// Begins to open one.
    fn dial(&self, target: &Target) -> Dialing;
}

/// The ordinary way.
pub(super) struct Network {
    tls: Option<TlsConnector>,
}

impl Network {
    pub(super) fn plain() -> Self {
        Self { tls: None }
    }

    pub(super) fn encrypted(config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(TlsConnector::from(config)) }
    }
}

impl Dial for Network {
    fn dial(&self, target: &Target) -> Dialing {
        let (host, port, tls) = (target.host().to_owned(), target.port(), self.tls.clone());
        Box::pin(async move {
            let unreachable = |error: std::io::Error| Lost::Unreachable(error.to_string());
            let stream = TcpStream::connect((host.as_str(), port)).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            let Some(tls) = tls else { return Ok(Box::new(stream) as Box<dyn Stream>) };
            let name = ServerName::try_from(host).map_err(|error| Lost::Tls(error.to_string()))?;
            let stream = tls.connect(name, stream).await.map_err(|error| Lost::Tls(error.to_string()))?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
