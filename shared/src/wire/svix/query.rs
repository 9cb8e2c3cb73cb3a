//! Query strings of this dialect. Unknown parameters are ignored; of a repeated one the last counts.

use utoipa::IntoParams;

use super::error::QUERY;
use crate::domain::Invalid;
use crate::domain::time::Timestamp;
use crate::domain::walk::Walk;
use crate::wire::error::Problem;

/// Most items of a page.
const MAX_LIMIT: usize = 250;
/// The number of items of a page by default.
const DEFAULT_LIMIT: usize = 50;
/// The text before an identifier that walks back.
const BACK: char = '-';

/// The parameters of a query string.
#[derive(Debug)]
pub struct Parameters {
    all: Vec<(String, String)>,
    problems: Vec<Problem>,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// The requested page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging<P> {
    /// Most items of the page.
    pub limit: usize,
    /// Where it begins.
    pub walk: Walk<P>,
}

/// The parameters of [`Parameters::paging`] for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PagingParameters {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 250, default = 50)]
    pub limit: Option<u32>,
    /// An identifier, after which the page begins, or `-` and one, before which it ends.
    pub iterator: Option<String>,
}

impl Parameters {
    /// Parses a query string.
    pub fn new(query: &str) -> Self {
        Self { all: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(), problems: Vec::new() }
    }

    /// The last value of a parameter; `None` if it is absent or empty.
    fn last(&self, name: &str) -> Option<&str> {
        let found = self.all.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Parses a parameter; `None` if it is absent, empty or invalid.
    pub fn take<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        match parse(self.last(name)?) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.problem(name, invalid);
                None
            }
        }
    }

    /// Records a problem of a parameter.
    pub fn problem(&mut self, name: &str, message: impl ToString) {
        self.problems.push(Problem::new(format!("{QUERY}{name}"), message));
    }

    /// Parses a parameter that is true or false.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        let parse = |text: &str| text.parse().map_err(|_| Invalid::new("must be true or false"));
        self.take(name, parse).unwrap_or(default)
    }

    /// The entries of a list: `a=x,y`, `a[]=x`, `a[0]=x`, and repetitions of them.
    pub fn list(&self, name: &str) -> Vec<String> {
        let is_named = |key: &str| {
            let index = key.strip_prefix(name).map(|rest| rest.strip_prefix('[').and_then(|it| it.strip_suffix(']')));
            key == name || index.flatten().is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let values = self.all.iter().filter(|(key, _)| is_named(key)).flat_map(|(_, value)| value.split(','));
        values.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// Parses a time.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.take(name, time)
    }

    /// Parses `order`.
    pub fn order(&mut self, default: Order) -> Order {
        let parse = |text: &str| match text {
            "ascending" => Ok(Order::Ascending),
            "descending" => Ok(Order::Descending),
            _ => Err(Invalid::new("must be ascending or descending")),
        };
        self.take("order", parse).unwrap_or(default)
    }

    /// Parses `limit` and `iterator`.
    pub fn paging<P>(&mut self, parse: impl FnOnce(&str) -> Option<P>) -> Paging<P> {
        let limit = self.take("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
            limit.ok_or_else(|| Invalid::new(format!("must be 1 to {MAX_LIMIT}")))
        });
        let walk = self.take("iterator", |text| {
            let (id, walk): (_, fn(P) -> Walk<P>) = match text.strip_prefix(BACK) {
                Some(id) => (id, Walk::Before),
                None => (text, Walk::After),
            };
            parse(id).map(walk).ok_or_else(|| Invalid::new("must be an identifier of this list, or - and one"))
        });
        Paging { limit: limit.unwrap_or(DEFAULT_LIMIT), walk: walk.unwrap_or(Walk::First) }
    }

    /// Returns the value that was built from the parameters, if there are no problems.
    ///
    /// # Errors
    /// All problems.
    pub fn finish<T>(self, built: T) -> Result<T, Vec<Problem>> {
        if self.problems.is_empty() { Ok(built) } else { Err(self.problems) }
    }
}

/// Parses a time: RFC 3339, one without an offset, which is UTC, or `2026-08-21 22:24:36.123456 UTC`. An unencoded `+` of an
/// offset arrives as a space.
fn time(text: &str) -> Result<Timestamp, Invalid> {
    let text = match text.strip_suffix(" UTC") {
        Some(text) => format!("{}Z", text.replacen(' ', "T", 1)),
        None if text.contains('T') => text.replace(' ', "+"),
        None => text.replacen(' ', "T", 1),
    };
    Timestamp::parse(&text).or_else(|invalid| Timestamp::parse(&format!("{text}Z")).map_err(|_| invalid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_walks_in_both_directions() {
        let number = |text: &str| text.parse::<u32>().ok();
        for (query, limit, walk) in [
            ("", 50, Walk::First),
            ("limit=250&iterator=7", 250, Walk::After(7)),
            ("limit=1&iterator=-7", 1, Walk::Before(7)),
            ("limit=1&limit=2&iterator=&unknown=1", 2, Walk::First),
        ] {
            let mut parameters = Parameters::new(query);
            let paging = parameters.paging(number);
            assert_eq!(parameters.finish(paging).unwrap(), Paging { limit, walk }, "{query}");
        }
        for (query, name) in
            [("limit=0", "limit"), ("limit=251", "limit"), ("limit=x", "limit"), ("iterator=x", "iterator")]
        {
            let mut parameters = Parameters::new(query);
            let _ = parameters.paging(number);
            assert_eq!(parameters.finish(()).unwrap_err()[0].name, format!("query.{name}"));
        }
    }

    #[test]
    fn a_list_has_four_spellings() {
        for query in ["t=a,b", "t[]=a&t[]=b", "t[0]=a&t[1]=b", "t=a&t=b", "t%5B0%5D=a&t%5B1%5D=b&ta=x&t[x]=y&t="] {
            assert_eq!(Parameters::new(query).list("t"), ["a", "b"], "{query}");
        }
        assert!(Parameters::new("").list("t").is_empty());
    }

    #[test]
    fn times_have_several_spellings() {
        let expected = Timestamp::parse("2026-08-21T22:24:36.123456Z").unwrap();
        for text in [
            "2026-08-21T22:24:36.123456Z",
            "2026-08-21 22:24:36.123456 UTC",
            "2026-08-21T22:24:36.123456",
            "2026-08-21T22:24:36.123456+00:00",
            "2026-08-22T00:24:36.123456 02:00",
        ] {
            assert_eq!(time(text), Ok(expected), "{text}");
        }
        assert!(time("yesterday").is_err());
    }
}
