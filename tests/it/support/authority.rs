//! A certificate authority for a test, and TLS servers with its certificates.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Issues certificates that are currently valid. A test can change them before they are signed.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::certified(|params, key| params.self_signed(key).unwrap())
    }

    /// An authority whose certificate this one issued.
    pub(crate) fn intermediate(&self) -> Self {
        Self::certified(|params, key| params.signed_by(key, &self.issuer).unwrap())
    }

    fn certified(sign: impl FnOnce(&CertificateParams, &KeyPair) -> Certificate) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Clients cannot distinguish authorities of the same name.
        params.distinguished_name.push(DnType::CommonName, hex::encode(key.public_key_raw()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = sign(&params, &key).der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// The root certificate for a client's trust store.
    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// A server at 127.0.0.1. `change` modifies its certificate before it is signed.
    pub(crate) fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(change);
        Self::server_of(vec![certificate], &key)
    }

    /// A server at 127.0.0.1 that sends the authority's certificate after its own.
    pub(crate) fn server_with_chain(&self) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(|_| {});
        Self::server_of(vec![certificate, self.certificate.clone()], &key)
    }

    /// A server with these certificates, its own first.
    pub(crate) fn server_of(certificates: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<ServerConfig> {
        let config = server_config(rustls::ALL_VERSIONS).with_no_client_auth();
        Arc::new(config.with_single_cert(certificates, private(key)).unwrap())
    }

    /// A server that supports only this TLS version and requires a client certificate of this authority.
    pub(crate) fn server_for_known_clients(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let (certificate, key) = self.issue(|_| {});
        let config = server_config(&[version]).with_client_cert_verifier(verifier);
        Arc::new(config.with_single_cert(vec![certificate], private(&key)).unwrap())
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key)
    }
}

fn server_config(
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    config.with_protocol_versions(versions).unwrap()
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}
