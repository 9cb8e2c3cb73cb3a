//! The page of an endpoint's signing secrets.

pub(crate) const KEYS: &str = "Keys";
pub(crate) const KEY: &str = "Key";
pub(crate) const ALGORITHM: &str = "Signature";
pub(crate) const PUBLIC_KEY: &str = "Public key";
pub(crate) const NO_PUBLIC_KEY: &str = "None: the secret is shared";
pub(crate) const SECRET: &str = "Secret";
pub(crate) const SIGNS_UNTIL: &str = "Signs until";
pub(crate) const NEWEST: &str = "It is rotated";
pub(crate) const REVEAL: &str = "Show the secrets";
pub(crate) const REVEAL_HELP: &str = "Who shows them is recorded.";
pub(crate) const NEW_SECRET: &str = "The new secret";
pub(crate) const SECRET_ONCE: &str =
    "Give it to your receiver now. It is not shown again. Until the overlap ends, both secrets sign each request.";
pub(crate) const ROTATE: &str = "Rotate the secret";
pub(crate) const ROTATE_HELP: &str =
    "A new secret is generated. The present one signs beside it for a while, so that no delivery is refused.";
pub(crate) const ROTATE_QUESTION: &str = "Rotate the secret? The receiver needs the new one before the overlap ends.";
pub(crate) const OVERLAP: &str = "The former secret also signs";
pub(crate) const OVERLAP_NONE: &str = "no longer";
pub(crate) const OVERLAP_HOUR: &str = "for an hour";
pub(crate) const OVERLAP_DAY: &str = "for a day";
pub(crate) const OVERLAP_DAYS: &str = "for three days";
pub(crate) const OVERLAP_WEEK: &str = "for a week";
pub(crate) const VERIFY: &str = "Verify signatures";
pub(crate) const VERIFY_HELP: &str = "Verify each request before you trust it, with the raw body. A request that is older \
    than five minutes may be a copy that somebody sends again.";
