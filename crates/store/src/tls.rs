//! TLS to PostgreSQL. Whoever asks for it gets it verified: certificate and host name.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::target::OpenError;

/// What a URL asks for: whose certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    System,
    File(PathBuf),
}

/// A verified way to connect.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
}

/// Takes `sslmode` and `sslrootcert` out of a URL; `None` when a plain line will do.
pub(crate) fn split(url: &str) -> Result<(String, Option<Roots>), OpenError> {
    let Some((before, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let mut mode = "prefer";
    let mut roots = Roots::System;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", it)) => mode = it,
            Some(("sslrootcert", "system")) => roots = Roots::System,
            Some(("sslrootcert", it)) => roots = Roots::File(PathBuf::from(it.replace("%2F", "/"))),
            _ => rest.push(pair),
        }
    }
    let url = match rest.is_empty() {
        true => before.to_owned(),
        false => format!("{before}?{}", rest.join("&")),
    };
    match mode {
        "disable" | "allow" | "prefer" => Ok((url, None)),
        "require" | "verify-ca" | "verify-full" => Ok((url, Some(roots))),
        other => Err(OpenError::Tls(format!(
            "sslmode={other} is unknown; write disable, require or verify-full"
        ))),
    }
}

/// The URL for an error message.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((who, place)) => {
            let user = who.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}")
        }
        None => url.to_owned(),
    }
}

impl Tls {
    pub(crate) fn new(roots: Roots) -> Result<Self, OpenError> {
        let wrong = |text: String| OpenError::Tls(text);
        let mut store = RootCertStore::empty();
        match roots {
            Roots::System => {
                let found = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(found.certs);
            }
            Roots::File(path) => {
                let file = || path.display();
                let certs = CertificateDer::pem_file_iter(&path)
                    .map_err(|error| wrong(format!("sslrootcert {}: {error}", file())))?;
                for cert in certs {
                    let cert =
                        cert.map_err(|error| wrong(format!("sslrootcert {}: {error}", file())))?;
                    store.add(cert).map_err(|error| wrong(error.to_string()))?;
                }
            }
        }
        if store.is_empty() {
            return Err(wrong("no root certificate is trusted; name one by sslrootcert".into()));
        }
        // The provider is named, so that another library's choice can't make this one panic.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    pub(crate) fn connect(&self) -> MakeRustlsConnect {
        MakeRustlsConnect::new(ClientConfig::clone(&self.config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_whether_the_line_is_encrypted() {
        let plain = split("postgres://a@b/c?application_name=x").unwrap();
        assert_eq!(plain, ("postgres://a@b/c?application_name=x".to_owned(), None));
        let file = split("postgres://a@b/c?sslmode=verify-full&sslrootcert=/etc/ca.pem").unwrap();
        let roots = Some(Roots::File(PathBuf::from("/etc/ca.pem")));
        assert_eq!(file, ("postgres://a@b/c".to_owned(), roots));
        assert!(split("postgres://a@b/c?sslmode=maybe").is_err());
    }

    #[test]
    fn a_password_shows_in_no_message() {
        assert_eq!(without_password("postgres://ann:s3@cret@host/db"), "postgres://ann@host/db");
        assert_eq!(without_password("postgres://host/db"), "postgres://host/db");
    }

    #[test]
    fn a_root_certificate_that_is_not_there_is_named() {
        let error = Tls::new(Roots::File(PathBuf::from("no-such-file.pem"))).err().unwrap();
        assert!(error.to_string().contains("no-such-file.pem"));
    }
}
