//! How deliveries are signed: the secret and the signature.

pub mod ed25519;
pub mod key;
pub mod secret;
pub mod signature;
