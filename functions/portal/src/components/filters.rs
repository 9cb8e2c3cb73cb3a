//! The filters of a list, which are in its URL.

use axum::extract::FromRequestParts;
use http::request::Parts;
use shared::wire::error::Problem;
use shared::wire::query::Query;
use url::form_urlencoded;

use super::Entered;

/// The parameters of a list. Empty ones, as forms send them, are left out.
#[derive(Debug)]
pub(crate) struct Filters(Vec<(String, String)>);

impl Filters {
    fn new(query: &str) -> Self {
        let all = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self(all.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The parameters as those of the API. A time without an offset, which the fields of forms have, is in UTC.
    pub(crate) fn query(&self) -> Query {
        let all = self.0.iter().map(|(name, value)| match name.as_str() {
            "since" | "until" => (name.as_str(), in_utc(value)),
            _ => (name.as_str(), value.clone()),
        });
        Query::new(&form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish())
    }

    /// The value of a parameter; empty if it is absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Whether the list is filtered.
    pub(crate) fn are_set(&self) -> bool {
        self.0.iter().any(|(name, _)| name != "cursor" && name != "limit")
    }

    /// What the form of the filters shows.
    pub(crate) fn entered(&self, problems: Vec<Problem>) -> Entered {
        let values = self.0.iter().map(|(name, value)| match name.as_str() {
            "since" | "until" => (name.as_str(), value.trim_end_matches('Z').to_owned()),
            _ => (name.as_str(), value.clone()),
        });
        Entered::with_problems(values, problems)
    }

    /// The list with the same filters, from the beginning or from a cursor on.
    pub(crate) fn link(&self, path: &str, cursor: Option<&str>) -> String {
        let kept = self.0.iter().filter(|(name, _)| name != "cursor");
        let all = kept.map(|(name, value)| (name.as_str(), value.as_str())).chain(cursor.map(|it| ("cursor", it)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The link to the first page, if this is not the first page.
    pub(crate) fn first(&self, path: &str) -> Option<String> {
        (!self.get("cursor").is_empty()).then(|| self.link(path, None))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Filters {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::new(parts.uri.query().unwrap_or_default()))
    }
}

/// Completes a time such as `2026-03-24T20:00`, as browsers send it.
pub(crate) fn in_utc(text: &str) -> String {
    let time = text.split_once('T').map(|(_, time)| time).unwrap_or_default();
    let is_local = time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':' || byte == b'.');
    match (is_local, time.matches(':').count()) {
        (true, 1) => format!("{text}:00Z"),
        (true, 2) => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_in_utc() {
        for (entered, expected) in [
            ("2026-03-24T20:00", "2026-03-24T20:00:00Z"),
            ("2026-03-24T20:00:01", "2026-03-24T20:00:01Z"),
            ("2026-03-24T20:00:01.5", "2026-03-24T20:00:01.5Z"),
            ("2026-03-24T20:00:00Z", "2026-03-24T20:00:00Z"),
            ("2026-03-24T20:00:00+01:00", "2026-03-24T20:00:00+01:00"),
            ("yesterday", "yesterday"),
        ] {
            assert_eq!(in_utc(entered), expected);
        }
    }

    #[test]
    fn links_keep_the_filters_and_leave_out_empty_ones() {
        let filters = Filters::new("type=a.b&channel=&external_id=%3Cx%26y%3E&cursor=old");
        assert_eq!(filters.link("/list", Some("new")), "/list?type=a.b&external_id=%3Cx%26y%3E&cursor=new");
        assert_eq!(filters.first("/list").as_deref(), Some("/list?type=a.b&external_id=%3Cx%26y%3E"));
        assert!(filters.are_set());
        let none = Filters::new("type=");
        assert_eq!((none.link("/list", None).as_str(), none.first("/list"), none.are_set()), ("/list", None, false));
    }
}
