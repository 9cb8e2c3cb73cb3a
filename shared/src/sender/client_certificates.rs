//! Client certificates, of which the sender has none. A receiver may end a handshake by an alert that does not say that it
//! requires one. That it requested one explains the alert.

use std::cell::Cell;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use tower::BoxError;

/// A connection could not be opened, and the receiver had requested a client certificate.
#[derive(Debug, thiserror::Error)]
#[error("the connection failed after the receiver requested a client certificate")]
pub(super) struct Requested(#[source] BoxError);

tokio::task_local! {
    static IS_REQUESTED: Cell<bool>;
}

/// Has no certificate for any receiver, and notes that one was requested.
#[derive(Debug)]
pub(super) struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let _ = IS_REQUESTED.try_with(|requested| requested.set(true));
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Opens a connection by this future.
///
/// # Errors
/// The future's error; [`Requested`] with it if the receiver had requested a client certificate.
pub(super) async fn observed<T>(opening: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    let opening = async {
        let explained = |error| if IS_REQUESTED.with(Cell::get) { Requested(error).into() } else { error };
        opening.await.map_err(explained)
    };
    IS_REQUESTED.scope(Cell::new(false), opening).await
}
