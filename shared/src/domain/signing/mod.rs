//! How deliveries are signed: the secret and the signature.

pub mod secret;
pub mod signature;
