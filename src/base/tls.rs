//! TLS for whoever connects, and its errors in words: whom we trust, who we are, which HTTP we offer.

use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::text;

/// Whom a client trusts, and who it is. By default: whom the system trusts, and nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// The certificates that are trusted, as PEM, instead of those of the system.
    pub ca: Option<&'a [u8]>,
    /// Our own certificate with those that lead to its root, and its private key, both as PEM.
    pub identity: Option<(&'a [u8], &'a [u8])>,
    /// Any certificate is taken, from anybody.
    pub insecure: bool,
}

/// What a connection within TLS begins with; `offered` are the protocols of ALPN, the one that is liked best first.
pub fn client(trust: Trust<'_>, offered: &[&str]) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let trusting = if trust.insecure {
        versions.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        versions.with_root_certificates(roots(trust.ca)?)
    };
    let mut config = match trust.identity {
        None => trusting.with_no_client_auth(),
        Some((cert, key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
            let chain = chain.map_err(|e| format!("`tls.cert` cannot be read: {e}"))?;
            let key = PrivateKeyDer::from_pem_slice(key);
            let key = key.map_err(|e| format!("`tls.key` cannot be read: {e}"))?;
            let ours = trusting.with_client_auth_cert(chain, key);
            ours.map_err(|e| format!("`tls.cert` and `tls.key` do not belong together: {e}"))?
        }
    };
    config.alpn_protocols = offered.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    // Every connection stands for a client of its own: none profits from what another has agreed on.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Those whose word counts: of a file of our own, or of the system.
fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| format!("`tls.ca` cannot be read: {e}"))?;
            roots.add(certificate).map_err(|e| format!("`tls.ca` holds a certificate that nobody can trust: {e}"))?;
        }
        return Ok(roots);
    }
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    match roots.is_empty() {
        false => Ok(roots),
        true => Err("this system trusts no certificate at all: install its ca-certificates, or name a file as \
             `tls: { ca: FILE }`"
            .into()),
    }
}

/// Who is expected at the other end, as a host or an IP address.
pub fn name(name: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is no name that a certificate can have"))
}

/// Takes any certificate from anybody who holds its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// An error with what TLS has to say of it in words; its kind is `InvalidData` when it is about TLS.
pub fn explained(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return io::Error::new(error.kind(), "the connection closed without taking leave as TLS does");
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(why) => io::Error::new(io::ErrorKind::InvalidData, words(why)),
        None => error,
    }
}

/// Why there was no agreement, in words.
pub fn refused(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(why) => words(why),
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            "the connection closed before TLS was agreed on: is it a TLS port?".into()
        }
        None => error.to_string(),
    }
}

/// What is said when they are.
pub const UNASKED: &str = "what answers speaks TLS: write https://";

/// Whether bytes that were to be a reply are a record of TLS: an alert, or a handshake.
pub fn is_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, 0x00..=0x04, ..])
}

fn words(error: &Error) -> String {
    use AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::InvalidMessage(_) => "what answers does not speak TLS: write http://, or the port that does".into(),
        Error::NoApplicationProtocol | Error::AlertReceived(Alert::NoApplicationProtocol) => {
            "it does not speak the HTTP that is asked for (ALPN): see `http`".into()
        }
        Error::AlertReceived(Alert::CertificateRequired) => {
            "it asks for a certificate of ours: name one as `tls: { cert: FILE, key: FILE }`".into()
        }
        Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => format!("it refuses our certificate: {alert:?}"),
        Error::AlertReceived(Alert::UnrecognisedName) => {
            "it does not know the name that is asked for (SNI): see `tls: { name: … }`".into()
        }
        Error::AlertReceived(alert @ (Alert::ProtocolVersion | Alert::HandshakeFailure)) => {
            format!("no version of TLS or no cipher suits both sides: {alert:?}")
        }
        Error::PeerIncompatible(why) => format!("no version of TLS or no cipher suits both sides: {why:?}"),
        other => format!("TLS: {other}"),
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "its certificate has expired".into(),
        CertificateError::ExpiredContext { not_after, .. } => format!("its certificate expired on {}", day(*not_after)),
        CertificateError::NotValidYet => "its certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is not valid before {}", day(*not_before))
        }
        CertificateError::NotValidForName => "its certificate is for somebody else: see `tls: { name: … }`".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // They come as `DnsName("api.example")`.
            let bare = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
            let presented: Vec<String> = presented.iter().map(bare).collect();
            format!(
                "its certificate is for {}, not for {}: see `tls: {{ name: … }}`",
                if presented.is_empty() { "nobody".into() } else { text::list(presented.iter().map(String::as_str)) },
                expected.to_str()
            )
        }
        CertificateError::UnknownIssuer => {
            "its certificate is signed by nobody whom we trust: name who is as `tls: { ca: FILE }`".into()
        }
        CertificateError::Revoked => "its certificate has been revoked".into(),
        other => format!("its certificate is not valid: {other}"),
    }
}

fn day(at: UnixTime) -> String {
    let at = i64::try_from(at.as_secs()).ok().and_then(|secs| jiff::Timestamp::from_second(secs).ok());
    at.map_or_else(|| "a day beyond reckoning".into(), |at| at.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words_a_person_understands() {
        let at = |secs| UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs));
        let of = |why| words(&Error::InvalidCertificate(why));
        let expired = of(CertificateError::ExpiredContext { time: at(2_000_000_000), not_after: at(1_600_000_000) });
        assert_eq!(expired, "its certificate expired on 2020-09-13");
        let expected = ServerName::try_from("api.example").expect("a name");
        let presented = vec!["DnsName(\"other.example\")".to_owned(), "IpAddress(10.0.0.1)".to_owned()];
        let other = of(CertificateError::NotValidForNameContext { expected, presented });
        assert!(other.contains("for other.example, IpAddress(10.0.0.1), not for api.example"), "{other}");
        assert!(of(CertificateError::UnknownIssuer).contains("`tls: { ca: FILE }`"));
    }

    #[test]
    fn a_record_of_tls_is_told_from_a_reply() {
        assert!(is_record(&[0x15, 0x03, 0x03, 0x00, 0x02]) && is_record(&[0x16, 0x03, 0x01]));
        assert!(!is_record(b"HTTP/1.1 200") && !is_record(&[0x15, 0x03]) && !is_record(b""));
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let ca = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let why = client(Trust { ca: Some(ca), ..Trust::default() }, &["http/1.1"]);
        assert!(why.is_err_and(|why| why.contains("`tls.ca`")));
        assert!(name("not a name").is_err_and(|why| why.contains("not a name")));
        assert!(name("127.0.0.1").is_ok() && name("::1").is_ok());
    }
}
