//! The status page, until there is a portal: plain HTML without script, made of text that is escaped.

use std::fmt::{self, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_api::Severity;
use portward_core::{Thumbprint, Timestamp};

use crate::{app::sites, served::ServedState};

/// Writes the page.
pub(super) fn status(served: &ServedState, now: Timestamp) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut page, served, now);
    page
}

/// Permits the page its own style sheet and nothing else.
pub(super) fn content_security_policy() -> String {
    // A thumbprint is a SHA-256, whatever it is of.
    let hash = BASE64_STANDARD.encode(Thumbprint::of(STYLE.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn write(page: &mut String, served: &ServedState, now: Timestamp) -> fmt::Result {
    let desired = &served.desired;
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Portward</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Portward {}</h1>\n<p>Serving revision {} at {now}.</p>\n",
        env!("CARGO_PKG_VERSION"),
        desired.revision,
    )?;

    section(
        page,
        "Problems",
        &["severity", "what", "message", "remedy"],
        served.problems.iter().map(|problem| {
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            vec![severity.to_owned(), problem.subject.to_string(), problem.message.clone(), problem.remedy.clone()]
        }),
    )?;
    section(
        page,
        "Bindings",
        &["id", "URL", "bound"],
        desired.bindings.iter().map(|stored| {
            let bound = match served.binding(&stored.value.id).map(|report| &report.result) {
                Some(Ok(address)) => address.to_string(),
                Some(Err(error)) => format!("no: {error}"),
                None => "no".to_owned(),
            };
            vec![stored.value.id.to_string(), stored.value.url(), bound]
        }),
    )?;
    section(
        page,
        "Sites",
        &["id", "names", "upstreams"],
        desired.sites.iter().map(|stored| {
            let view = sites::view(&stored.value, &desired.settings);
            vec![view.id, view.names.join(", "), view.upstreams.join(", ")]
        }),
    )?;
    section(
        page,
        "Certificates",
        &["id", "names", "valid until", "status"],
        desired.certificates.iter().map(|stored| {
            let id = stored.value.id.to_string();
            let Some(version) = stored.value.current_version() else { return vec![id, "(cannot be read)".to_owned()] };
            let names = version.facts.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let status = version.facts.validity.status(now, desired.settings.warning);
            vec![id, names, version.facts.validity.not_after.to_string(), status.to_string()]
        }),
    )?;
    page.write_str("</main>\n</body>\n</html>\n")
}

/// Writes a heading and a table; "none" if it has no rows.
fn section(page: &mut String, title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> fmt::Result {
    writeln!(page, "<h2>{title}</h2>")?;
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return page.write_str("<p>none</p>\n");
    }
    page.write_str("<table>\n<tr>")?;
    for column in columns {
        write!(page, "<th scope=\"col\">{column}</th>")?;
    }
    page.write_str("</tr>\n")?;
    for row in rows {
        page.write_str("<tr>")?;
        for cell in row {
            write!(page, "<td>{}</td>", Escaped(&cell))?;
        }
        page.write_str("</tr>\n")?;
    }
    page.write_str("</table>\n")
}

/// Shows text as itself in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
main{max-width:72rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8884;overflow-wrap:anywhere}";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portward_store::desired::Desired;

    use super::*;
    use crate::problem::{Problem, Subject};

    #[test]
    fn text_is_escaped() {
        let problem = Problem::error("code", Subject::Store, "<script>\"&'", "remedy");
        let state =
            ServedState { desired: Arc::new(Desired::default()), problems: vec![problem], ..ServedState::default() };
        let page = status(&state, Timestamp::EPOCH);
        assert!(page.contains("&lt;script&gt;&quot;&amp;&#39;"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn the_policy_permits_the_style_sheet_and_no_script() {
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    }
}
