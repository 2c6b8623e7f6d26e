//! Whom we trust, and what we show. Verification cannot be turned off; an extra CA is how a server of one's own is
//! trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::endpoint::{BadEndpoint, Shown};

/// The roots that browsers trust, and those of the extra file; the certificate to be shown where a server asks for one.
pub(super) fn config(extra_ca: Option<&Path>, shown: Option<&Shown>) -> Result<Arc<ClientConfig>, BadEndpoint> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = extra_ca {
        let bad = |what: String| BadEndpoint::ExtraCa { file: file.to_owned(), what };
        let mut found = 0_usize;
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))? {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            found += 1;
        }
        if found == 0 {
            return Err(bad("there is none".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BadEndpoint::Tls(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match shown {
        None => config.with_no_client_auth(),
        Some(shown) => {
            let (chain, key) = read(shown)?;
            let unfit = |error: rustls::Error| bad_certificate(&shown.key, "the certificate's private key", &error);
            config.with_client_auth_cert(chain, key).map_err(unfit)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificate and its key, as their files hold them.
fn read(shown: &Shown) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), BadEndpoint> {
    const CERTIFICATE: &str = "a certificate";
    let bad = |error: &dyn std::fmt::Display| bad_certificate(&shown.chain, CERTIFICATE, error);
    let chain = CertificateDer::pem_file_iter(&shown.chain).map_err(|error| bad(&error))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| bad(&error))?;
    if chain.is_empty() {
        return Err(bad(&"there is none"));
    }
    let key = PrivateKeyDer::from_pem_file(&shown.key);
    Ok((chain, key.map_err(|error| bad_certificate(&shown.key, "a private key", &error))?))
}

fn bad_certificate(file: &Path, expected: &'static str, what: &dyn std::fmt::Display) -> BadEndpoint {
    BadEndpoint::Certificate { file: file.to_owned(), expected, what: what.to_string() }
}
