//! What an address says after the question mark; what a route does not know is refused.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use portward_api::{PAGE_DEFAULT, PAGE_MOST};
use portward_core::ConfirmWithin;

use super::doc::Takes;
use crate::app::{AppError, Apply, Within};

/// Is a query that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Whether anything is changed: `?dry_run=true`.
    pub(super) apply: Apply,
    /// Which part of a list is asked for: `?limit=` and `?cursor=`.
    pub(super) part: Part,
    /// What else the route knows, by name.
    pub(super) others: BTreeMap<&'static str, String>,
}

/// Is the part of a list that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// At most so many items.
    pub(super) limit: usize,
    /// Those that come after the one with this key; from the first one if there is none.
    pub(super) after: Option<String>,
}

impl Query {
    /// Reads a query of which the route takes so much.
    pub(super) fn parse(query: &str, takes: &Takes) -> Result<Self, AppError> {
        let part = Part { limit: PAGE_DEFAULT, after: None };
        let (mut confirm, mut is_forced) = (None, false);
        let mut read = Self { apply: Apply::Now, part, others: BTreeMap::new() };
        for field in query.split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| unusable(name, "it is not UTF-8"))?;
            match name {
                "dry_run" if takes.dry_run => {
                    read.apply = if is_true("dry_run", &value)? { Apply::DryRun } else { Apply::Now };
                }
                "confirm_within" if takes.safely => {
                    let within = ConfirmWithin::parse(&value);
                    confirm = Some(within.map_err(|error| unusable("confirm_within", &error.to_string()))?);
                }
                "force" if takes.safely => is_forced = is_true("force", &value)?,
                "limit" if takes.part => read.part.limit = limit(&value)?,
                "cursor" if takes.part => read.part.after = Some(value.into_owned()),
                name => {
                    let known = takes.others.iter().find(|(known, ..)| *known == name);
                    let (known, ..) = known.ok_or_else(|| unknown(name, takes))?;
                    read.others.insert(known, value.into_owned());
                }
            }
        }
        read.apply = within(read.apply, confirm, is_forced)?;
        Ok(read)
    }
}

/// Has a change wait to be confirmed, where that is asked for.
fn within(apply: Apply, confirm: Option<ConfirmWithin>, is_forced: bool) -> Result<Apply, AppError> {
    match (apply, confirm) {
        (Apply::DryRun, _) => Ok(Apply::DryRun),
        (_, Some(confirm)) => Ok(Apply::Within(Within { confirm, is_forced })),
        (_, None) if is_forced => Err(AppError::refused(
            "force-without-confirmation",
            "force goes together with confirm_within, as in ?force=true&confirm_within=60, so that what breaks comes back unless it is confirmed",
        )),
        (apply, None) => Ok(apply),
    }
}

fn is_true(name: &str, value: &str) -> Result<bool, AppError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(unusable(name, "it is true or false")),
    }
}

fn limit(value: &str) -> Result<usize, AppError> {
    let limit = value.parse().ok().filter(|limit| (1..=PAGE_MOST).contains(limit));
    limit.ok_or_else(|| unusable("limit", &format!("it is a number from 1 to {PAGE_MOST}")))
}

fn unusable(name: &str, why: &str) -> AppError {
    AppError::malformed("invalid-parameter", format!("the parameter {name} cannot be used: {why}"))
}

/// A dry run that is misspelt must not become a real one, so no parameter is ignored.
fn unknown(name: &str, takes: &Takes) -> AppError {
    let mut known: Vec<&str> = takes.others.iter().map(|(name, ..)| *name).collect();
    known.extend(takes.dry_run.then_some("dry_run"));
    known.extend(takes.safely.then_some(["confirm_within", "force"]).into_iter().flatten());
    known.extend(takes.part.then_some(["limit", "cursor"]).into_iter().flatten());
    let known = match known.as_slice() {
        [] if name == "dry_run" => "there is no dry run of this".to_owned(),
        [] => "none is known here".to_owned(),
        known => format!("known here: {}", known.join(", ")),
    };
    AppError::malformed("unknown-parameter", format!("the query has \"{name}\"; {known}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_what_a_route_knows_is_taken() {
        let all = Takes { dry_run: true, part: true, others: &[("since", "", "")], ..Takes::default() };
        let read = |query: &str| Query::parse(query, &all).map_err(|error| error.code());
        assert_eq!(read("").unwrap().apply, Apply::Now);
        assert_eq!(read("dry_run=false").unwrap().apply, Apply::Now);
        assert_eq!(read("dry_run=true").unwrap().apply, Apply::DryRun);
        assert_eq!(read("since=a%20b").unwrap().others["since"], "a b");
        assert_eq!(read("limit=2&cursor=shop").unwrap().part, Part { limit: 2, after: Some("shop".to_owned()) });
        for (query, code) in [
            ("dryrun=true", "unknown-parameter"),
            ("dry_run=1", "invalid-parameter"),
            ("dry_run", "invalid-parameter"),
            ("dry_run=true&x=y", "unknown-parameter"),
            ("limit=0", "invalid-parameter"),
            ("limit=1001", "invalid-parameter"),
            ("limit=-1", "invalid-parameter"),
            ("since=%ff", "invalid-parameter"),
        ] {
            assert_eq!(read(query), Err(code), "{query}");
        }
        for query in ["dry_run=true", "limit=1", "cursor=", "since=1"] {
            assert_eq!(Query::parse(query, &Takes::default()).unwrap_err().code(), "unknown-parameter", "{query}");
        }
    }

    #[test]
    fn a_change_waits_where_that_is_asked_for() {
        let safely = Takes { dry_run: true, safely: true, ..Takes::default() };
        let within = |is_forced| Apply::Within(Within { confirm: ConfirmWithin::USUAL, is_forced });
        for (query, expected) in [
            ("", Ok(Apply::Now)),
            ("confirm_within=60", Ok(within(false))),
            ("confirm_within=60s&force=true", Ok(within(true))),
            ("confirm_within=60&dry_run=true", Ok(Apply::DryRun)),
            ("confirm_within=1", Err("invalid-parameter")),
            ("force=true", Err("force-without-confirmation")),
            ("force=1&confirm_within=60", Err("invalid-parameter")),
            ("confirm-within=60", Err("unknown-parameter")),
        ] {
            let read = Query::parse(query, &safely).map(|query| query.apply);
            assert_eq!(read.map_err(|error| error.code()), expected, "{query}");
        }
        let refused = Query::parse("confirm_within=60", &Takes { dry_run: true, ..Takes::default() });
        assert_eq!(refused.unwrap_err().code(), "unknown-parameter");
    }
}
