//! Certificates made for a test, and servers that show them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::scene::Scene;

/// Somebody who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its private key.
pub struct Certified {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// A new one, whom nobody trusts yet.
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed"))
    }

    /// Its own certificate, as `scenes/ca.pem` of a scene.
    pub fn put(&self, scene: &Scene) {
        fs::write(scene.path("scenes/ca.pem"), self.0.pem()).expect("written");
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server of this name; valid until the end of a year, if one is given.
    pub fn server(&self, name: &str, until: Option<i32>) -> Certified {
        self.sign(name, ExtendedKeyUsagePurpose::ServerAuth, until)
    }

    /// A certificate for a client.
    pub fn client(&self, name: &str) -> Certified {
        self.sign(name, ExtendedKeyUsagePurpose::ClientAuth, None)
    }

    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose, until: Option<i32>) -> Certified {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.extended_key_usages = vec![purpose];
        if let Some(year) = until {
            params.not_after = date_time_ymd(year, 12, 31);
        }
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.0).expect("signed");
        Certified { certificate: signed.der().clone(), pem: signed.pem(), key }
    }

    /// How a server shows a certificate and, if `asks`, wants one of a client that this authority has signed.
    pub fn shows(&self, shown: &Certified, asks: bool, protocols: &[&str]) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let versions = versions.expect("versions");
        let authenticated = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(self.0.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            versions.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            versions.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(shown.key.serialize_der()).expect("a key");
        let mut config = authenticated.with_single_cert(vec![shown.certificate.clone()], key).expect("a pair");
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Certified {
    /// As two files of a folder: the certificate, and its private key.
    pub fn write(&self, folder: &Path) -> [PathBuf; 2] {
        let files = [folder.join("shown.pem"), folder.join("shown.key")];
        fs::write(&files[0], &self.pem).expect("written");
        fs::write(&files[1], self.key.serialize_pem()).expect("written");
        files
    }

    /// As `scenes/client.pem` and `scenes/client.key` of a scene.
    pub fn put(&self, scene: &Scene) {
        fs::write(scene.path("scenes/client.pem"), &self.pem).expect("written");
        fs::write(scene.path("scenes/client.key"), self.key.serialize_pem()).expect("written");
    }
}
