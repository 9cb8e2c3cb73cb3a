//! References to URIs (RFC 3986), as far as schemas need them: which document a reference names, and the fragment.

/// Resolves a reference against a base. Returns the URI without its fragment, and the fragment.
pub(crate) fn resolve(base: &str, reference: &str) -> (String, String) {
    let (reference, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    (absolute(base, reference), percent_decoded(fragment))
}

fn absolute(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    let (scheme, authority, path) = split(reference);
    if scheme.is_some() {
        return joined(scheme, authority, &without_dots(path));
    }
    let (base_scheme, base_authority, base_path) = split(base);
    if authority.is_some() {
        return joined(base_scheme, authority, &without_dots(path));
    }
    let base_path = base_path.split('?').next().unwrap_or_default();
    if path.starts_with('/') {
        return joined(base_scheme, base_authority, &without_dots(path));
    }
    if path.starts_with('?') {
        return joined(base_scheme, base_authority, &format!("{base_path}{path}"));
    }
    let merged = match base_path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{path}"),
        None if base_authority.is_some() => format!("/{path}"),
        None => path.to_owned(),
    };
    joined(base_scheme, base_authority, &without_dots(&merged))
}

/// Scheme, authority and the rest of a URI or of a relative reference.
fn split(uri: &str) -> (Option<&str>, Option<&str>, &str) {
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    };
    let (scheme, rest) = match uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, uri),
    };
    match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            (scheme, Some(authority), path)
        }
        None => (scheme, None, rest),
    }
}

fn joined(scheme: Option<&str>, authority: Option<&str>, path: &str) -> String {
    let scheme = scheme.map(|scheme| format!("{}:", scheme.to_ascii_lowercase())).unwrap_or_default();
    let authority = authority.map(|authority| format!("//{authority}")).unwrap_or_default();
    format!("{scheme}{authority}{path}")
}

/// Removes the segments `.` and `..` of a path that starts with a slash.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let Some(segments) = path.strip_prefix('/') else { return format!("{path}{query}") };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

/// The text with `%41` read as `A`. Sequences that are not UTF-8 are left as they are.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|d| byte == b'%' && d.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(digits) => {
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_default());
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_against_their_base() {
        let table = [
            ("", "", "", ""),
            ("", "#/a%25b", "", "/a%b"),
            ("", "item.json", "item.json", ""),
            ("http://x/a/b.json", "c.json#d", "http://x/a/c.json", "d"),
            ("http://x/a/b.json", "../c.json", "http://x/c.json", ""),
            ("http://x/a/b.json", "/c.json?q=1#", "http://x/c.json?q=1", ""),
            ("http://x/a/", "b/", "http://x/a/b/", ""),
            ("http://x", "b", "http://x/b", ""),
            ("http://x/a", "//y/z", "http://y/z", ""),
            ("http://x/a", "#z", "http://x/a", "z"),
            ("http://x/a", "urn:uuid:1#z", "urn:uuid:1", "z"),
            ("urn:uuid:1", "#/$defs/x", "urn:uuid:1", "/$defs/x"),
            ("http://x/a", "HTTP://y/./b", "http://y/b", ""),
        ];
        for (base, reference, uri, fragment) in table {
            assert_eq!(resolve(base, reference), (uri.to_owned(), fragment.to_owned()), "{base} {reference}");
        }
    }
}
