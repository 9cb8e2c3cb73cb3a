//! Verification of receivers' certificates. The system's verifier decides; this module only explains a refusal that has
//! several causes.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::EndEntityCert;

/// The certificate was refused, and its issuer is its own subject.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is self-signed")]
pub(super) struct SelfSigned;

impl SelfSigned {
    /// Whether a verifier refused a certificate for this reason.
    pub(super) fn caused(error: &CertificateError) -> bool {
        matches!(error, CertificateError::Other(OtherError(error)) if error.is::<Self>())
    }
}

/// A verifier that reports [`SelfSigned`] if the inner verifier refuses a self-signed certificate. It accepts exactly
/// what the inner verifier accepts.
#[derive(Debug)]
pub(super) struct Explained<V>(pub(super) V);

impl<V: ServerCertVerifier> ServerCertVerifier for Explained<V> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match &error {
            Error::InvalidCertificate(refusal) if is_about_issuer(refusal) && is_self_signed(end_entity) => {
                CertificateError::Other(OtherError(Arc::new(SelfSigned))).into()
            }
            _ => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Whether the certificate was refused because of its issuer. Most tools mark a self-signed certificate as an authority's
/// own, which is then refused as a server's certificate before its issuer is looked for.
fn is_about_issuer(refusal: &CertificateError) -> bool {
    match refusal {
        CertificateError::UnknownIssuer => true,
        CertificateError::Other(OtherError(error)) => {
            matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// Whether the certificate names itself as its issuer. Its signature is not verified, because the certificate is refused
/// in any case.
fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}
