//! Functions that verify a signature, in eight languages.

use shared::domain::signing::secret::Algorithm;

macro_rules! snippets {
    ($folder:literal) => {
        [
            ("JavaScript", include_str!(concat!($folder, "/javascript.txt"))),
            ("Python", include_str!(concat!($folder, "/python.txt"))),
            ("Go", include_str!(concat!($folder, "/go.txt"))),
            ("Java", include_str!(concat!($folder, "/java.txt"))),
            ("C#", include_str!(concat!($folder, "/csharp.txt"))),
            ("PHP", include_str!(concat!($folder, "/php.txt"))),
            ("Ruby", include_str!(concat!($folder, "/ruby.txt"))),
            ("Rust", include_str!(concat!($folder, "/rust.txt"))),
        ]
    };
}

const HMAC: [(&str, &str); 8] = snippets!("hmac");
const ED25519: [(&str, &str); 8] = snippets!("ed25519");

/// The name of each language, and the function that verifies signatures of the algorithm.
pub(super) const fn snippets(algorithm: Algorithm) -> &'static [(&'static str, &'static str)] {
    match algorithm {
        Algorithm::HmacSha256 => &HMAC,
        Algorithm::Ed25519 => &ED25519,
    }
}
