//! The errors of this dialect: a code and a sentence, or a list of invalid fields.

use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::error::{ErrorCode, Problem};

/// The name before that of a query parameter in a problem. Other names are those of fields of the body.
pub(super) const QUERY: &str = "query.";

/// The body of an error response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = svix::Error)]
#[serde(untagged)]
pub enum ErrorOut {
    /// An error with a code.
    Coded {
        /// The reason for programs.
        code: &'static str,
        /// The reason for people.
        detail: String,
    },
    /// The invalid fields of a request, with status 422.
    Invalid {
        /// All invalid fields.
        detail: Vec<IssueOut>,
    },
}

/// An invalid field or parameter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = svix::Issue)]
pub struct IssueOut {
    /// `body` or `query`, and the name.
    loc: Vec<String>,
    /// The reason.
    msg: String,
    /// The kind of the fault.
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The status and the body of an error.
pub fn of_error(code: ErrorCode, message: &str, problems: &[Problem]) -> (u16, ErrorOut) {
    if code == ErrorCode::ValidationFailed && !problems.is_empty() {
        return (422, ErrorOut::Invalid { detail: problems.iter().map(issue).collect() });
    }
    let (status, name) = match code {
        ErrorCode::ValidationFailed | ErrorCode::InvalidJson | ErrorCode::QuotaExceeded => (400, "generic_error"),
        ErrorCode::Unauthorized => (401, "authentication_failed"),
        ErrorCode::Forbidden => (403, "insufficient access"),
        ErrorCode::Conflict | ErrorCode::ReplayOpen | ErrorCode::IdempotencyConflict => (409, "conflict"),
        ErrorCode::Internal => (500, "server_error"),
        other => (other.status(), other.as_str()),
    };
    (status, ErrorOut::Coded { code: name, detail: message.to_owned() })
}

fn issue(problem: &Problem) -> IssueOut {
    let (place, name) = match problem.name.strip_prefix(QUERY) {
        Some(name) => ("query", name.to_owned()),
        None => ("body", own_name(problem.name.trim_start_matches('/'))),
    };
    let path = name.split('/').map(str::to_owned);
    IssueOut {
        loc: [place.to_owned()].into_iter().chain(path).collect(),
        msg: format!("{name} {}", problem.message),
        kind: "value_error",
    }
}

/// The name of a field that the services name as the canonical dialect does.
fn own_name(name: &str) -> String {
    match name.strip_prefix("data") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => return format!("payload{rest}"),
        _ => {}
    }
    let own = match name {
        "external_id" => "uid",
        "event_types" => "filterTypes",
        "type" => "eventType",
        "schema_version" => "eventType",
        "cursor" => "iterator",
        other => other,
    };
    own.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: ErrorCode, problems: &[Problem]) -> (u16, String) {
        let (status, body) = of_error(code, "because", problems);
        (status, serde_json::to_string(&body).unwrap())
    }

    #[test]
    fn an_error_has_a_code_or_lists_the_invalid_fields() {
        assert_eq!(shown(ErrorCode::NotFound, &[]), (404, r#"{"code":"not_found","detail":"because"}"#.to_owned()));
        assert_eq!(shown(ErrorCode::Unauthorized, &[]).1, r#"{"code":"authentication_failed","detail":"because"}"#);
        let problems = [
            Problem::new("url", "is required"),
            Problem::new("query.limit", "must be 1 to 250"),
            Problem::new("/data/a", "is missing"),
        ];
        let (status, body) = shown(ErrorCode::ValidationFailed, &problems);
        assert_eq!(status, 422);
        assert_eq!(
            body,
            concat!(
                r#"{"detail":[{"loc":["body","url"],"msg":"url is required","type":"value_error"},"#,
                r#"{"loc":["query","limit"],"msg":"limit must be 1 to 250","type":"value_error"},"#,
                r#"{"loc":["body","payload","a"],"msg":"payload/a is missing","type":"value_error"}]}"#
            )
        );
        for code in ErrorCode::ALL {
            assert!((400..600).contains(&of_error(*code, "", &[]).0));
        }
    }
}
