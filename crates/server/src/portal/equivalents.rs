//! The equivalents of a form: what one types, sends or keeps in a file to have the same.
//!
//! A page that has a form puts an [`Equivalents`] into its template as `equivalents` and includes
//! `equivalents.html` (a drawer that opens) or `equivalents-drawer.html` (the drawer itself, beside the form).
//! A token is in none of them: it goes from `$PORTWARD_TOKEN` through a pipe, so that nobody sees it among the processes.

pub(super) mod certificates;

use http::Method;
use serde_json::Value;

/// Is what does the same as a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Equivalents {
    /// On the command line.
    pub(super) cli: String,
    /// Through the API; [`curl`] writes it.
    pub(super) curl: String,
    /// In a file for `portward apply -f`; empty where there is none.
    pub(super) yaml: String,
    /// What changes; empty where nothing is there before.
    pub(super) difference: Vec<DifferenceLine>,
}

/// Is one line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DifferenceLine {
    /// It stays.
    Same(String),
    /// It goes.
    Removed(String),
    /// It comes.
    Added(String),
}

/// The difference between two values of a field of a thing; no lines if they are the same.
pub(super) fn difference(thing: &str, fields: &[(&str, &str, &str)]) -> Vec<DifferenceLine> {
    let mut lines = Vec::new();
    for (name, before, after) in fields.iter().filter(|(_, before, after)| before != after) {
        if lines.is_empty() {
            lines.push(DifferenceLine::Same(thing.to_owned()));
        }
        if !before.is_empty() {
            lines.push(DifferenceLine::Removed(format!("{name}: {before}")));
        }
        if !after.is_empty() {
            lines.push(DifferenceLine::Added(format!("{name}: {after}")));
        }
    }
    lines
}

/// The request as a command; `path` begins with `/api/`.
pub(super) fn curl(method: &Method, path: &str, body: Option<&Value>) -> String {
    let mut text = String::from("printf 'Authorization: Bearer %s' \"$PORTWARD_TOKEN\" |\n  curl ");
    if !matches!((method, body), (&Method::GET, _) | (&Method::POST, Some(_))) {
        text.push_str(&format!("-X {method} "));
    }
    text.push_str("-H @- \\\n  ");
    if let Some(body) = body {
        text.push_str(&format!("--json {} \\\n  ", word(&body.to_string())));
    }
    text.push_str(&format!("\"$PORTWARD_URL{path}\""));
    text
}

/// The same with a body out of a file, where something secret is in it.
pub(super) fn curl_of_file(method: &Method, path: &str, file: &str) -> String {
    curl(method, path, Some(&Value::String(String::new()))).replace("--json '\"\"'", &format!("--json @{file}"))
}

/// A text as one word of a shell command.
pub(super) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_each_value_as_it_is() {
        for (text, expected) in [
            ("https://[::]:443", "'https://[::]:443'"),
            ("shop.example", "shop.example"),
            ("*.shop.example", "'*.shop.example'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), expected, "{text}");
        }
    }

    #[test]
    fn a_request_is_a_command_without_a_token() {
        let body = serde_json::json!({ "force_https": "all" });
        assert_eq!(
            curl(&Method::PATCH, "/api/v1/sites/shop", Some(&body)),
            "printf 'Authorization: Bearer %s' \"$PORTWARD_TOKEN\" |\n  curl -X PATCH -H @- \\\n  --json '{\"force_https\":\"all\"}' \\\n  \"$PORTWARD_URL/api/v1/sites/shop\""
        );
        assert!(!curl(&Method::POST, "/api/v1/sites", Some(&body)).contains("-X"));
        assert!(curl(&Method::DELETE, "/api/v1/sites/shop", None).contains("-X DELETE"));
    }

    #[test]
    fn a_difference_has_what_changes_and_no_more() {
        let lines = difference("site: wiki", &[("force_https", "browsers", "all"), ("hsts", "off", "off")]);
        assert_eq!(
            lines,
            [
                DifferenceLine::Same("site: wiki".to_owned()),
                DifferenceLine::Removed("force_https: browsers".to_owned()),
                DifferenceLine::Added("force_https: all".to_owned())
            ]
        );
        assert_eq!(difference("site: wiki", &[("hsts", "off", "off")]), []);
    }
}
