//! Classification of a failed exchange as a cause and a detail.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;
use rustls::{AlertDescription, CertificateError};

use super::certificates::SelfSigned;
use super::client_certificates::Requested;
use super::connection::NoAnswer;
use super::resolver::{RefusedAddress, Unresolved};
use crate::domain::delivery::attempt::{Cause, Detail, Failure};

/// Whether the connection ended without a byte of a response, before or after the request was written.
pub(super) fn is_without_answer(error: &legacy::Error) -> bool {
    find::<NoAnswer>(error).is_some() || find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled)
}

/// Why no head of a response was received, from the error and the errors that it wraps.
pub(super) fn of(error: &legacy::Error) -> Failure {
    if find::<RefusedAddress>(error).is_some() {
        return Cause::RefusedAddress.into();
    }
    let (cause, detail) = if let Some(unresolved) = find::<Unresolved>(error) {
        (Cause::Dns, unresolved.detail())
    } else if let Some(tls) = find::<rustls::Error>(error) {
        (Cause::Tls, of_tls(tls, find::<Requested>(error).is_some()))
    } else if error.is_connect() {
        (Cause::Connect, of_connection(error))
    } else {
        let parsing = find::<hyper::Error>(error).and_then(of_parsing);
        (Cause::InvalidResponse, parsing.or_else(|| of_connection(error)))
    };
    Failure { cause, detail }
}

fn of_tls(error: &rustls::Error, certificate_requested: bool) -> Option<Detail> {
    match error {
        rustls::Error::InvalidCertificate(error) => Some(of_certificate(error)),
        rustls::Error::NoCertificatesPresented => Some(Detail::CertificateInvalid),
        // This client sends no certificate, so an alert about a certificate means that the receiver requires one.
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown,
        ) => Some(Detail::ClientCertificateWanted),
        // OpenSSL and BoringSSL send this alert in TLS 1.2 if they require a certificate and get none.
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) if certificate_requested => {
            Some(Detail::ClientCertificateWanted)
        }
        rustls::Error::AlertReceived(_)
        | rustls::Error::DecryptError
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. }
        | rustls::Error::InvalidMessage(_)
        | rustls::Error::NoApplicationProtocol
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::PeerMisbehaved(_)
        | rustls::Error::PeerSentOversizedRecord => Some(Detail::HandshakeRefused),
        _ => None,
    }
}

fn of_certificate(error: &CertificateError) -> Detail {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Detail::CertificateExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Detail::CertificateNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Detail::CertificateWrongName
        }
        CertificateError::UnknownIssuer => Detail::CertificateUnknownIssuer,
        _ if SelfSigned::caused(error) => Detail::CertificateSelfSigned,
        _ => Detail::CertificateInvalid,
    }
}

fn of_parsing(error: &hyper::Error) -> Option<Detail> {
    if error.is_parse_too_large() {
        Some(Detail::TooLarge)
    } else if error.is_parse_status() || error.is_parse_version_h2() || is_parse_version(error) {
        Some(Detail::BadStatusLine)
    } else if error.is_parse() {
        Some(Detail::BadHeader)
    } else {
        None
    }
}

/// `hyper` has neither a type nor a method that distinguishes an invalid version from an invalid header, so this compares
/// the error's text.
fn is_parse_version(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string() == "invalid HTTP version parsed"
}

/// Why the connection failed or ended.
fn of_connection(error: &legacy::Error) -> Option<Detail> {
    let of_io =
        chain(error).find_map(|error| error.downcast_ref::<io::Error>().and_then(|error| of_kind(error.kind())));
    let is_end = |error: &hyper::Error| error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    of_io.or_else(|| find::<hyper::Error>(error).filter(|error| is_end(error)).map(|_| Detail::ClosedBeforeAnswer))
}

fn of_kind(kind: io::ErrorKind) -> Option<Detail> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(Detail::ConnectionRefused),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Some(Detail::ConnectionReset)
        }
        io::ErrorKind::UnexpectedEof => Some(Detail::ClosedBeforeAnswer),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::TimedOut => Some(Detail::Unreachable),
        _ => None,
    }
}

/// The outermost wrapped error of this type.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The error and the errors that it wraps, from the outermost to the innermost.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error))
}

/// The error that an error wraps. The source of an `io::Error` is the source of its content, so the content is
/// taken instead.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(content) => Some(content),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No address is unreachable on every machine, so this is a unit test. The other causes are tested over
    /// sockets.
    #[test]
    fn addresses_without_a_route_are_unreachable() {
        use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, Other, TimedOut};
        for kind in [HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut] {
            assert_eq!(of_kind(kind), Some(Detail::Unreachable), "{kind}");
        }
        assert_eq!(of_kind(Other), None);
    }

    /// The records of a handshake that cannot be decrypted do not depend on the receiver alone, so this is a unit test.
    #[test]
    fn records_that_cannot_be_read_refuse_the_handshake() {
        for error in [rustls::Error::DecryptError, rustls::Error::PeerSentOversizedRecord] {
            assert_eq!(of_tls(&error, false), Some(Detail::HandshakeRefused), "{error}");
        }
        assert_eq!(of_tls(&rustls::Error::EncryptError, false), None);
    }
}
