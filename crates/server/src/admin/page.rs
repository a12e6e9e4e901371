//! The status page, until there is a portal: plain HTML without script, made of text that is escaped.

use std::fmt::{self, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_api::Severity;
use portward_core::{CertificateStatus, Thumbprint, Timestamp};

use crate::{
    app::sites,
    problem::{Problem, Subject},
    served::ServedState,
};

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
    let (mark, verdict) = verdict(served);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{} · Portward</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<style>{STYLE}</style>\n</head>\n<body>\n{SYMBOLS}\n<main>\n\
         <header>{}<div><h1>{}</h1>\n<p class=\"dots\"><span>Revision <b>{}</b> is served</span>\
         <span>As of <time>{now}</time></span><span>Portward {}</span></p></div></header>\n",
        Escaped(&verdict),
        mark.shape(),
        Escaped(&verdict),
        desired.revision,
        env!("CARGO_PKG_VERSION"),
    )?;
    if !served.problems.is_empty() {
        writeln!(page, "<section><h2>Needs attention <small>{}</small></h2>\n<ul>", served.problems.len())?;
        for problem in &served.problems {
            let mark = match problem.severity {
                Severity::Error => Mark::Bad,
                Severity::Warning => Mark::Warn,
            };
            writeln!(
                page,
                "<li>{}<div><b>{}</b><p>{}</p><p class=\"todo\">{}</p></div></li>",
                mark.shape(),
                Escaped(&sentence(&problem.subject.to_string(), "")),
                Escaped(&sentence(&problem.message, ".")),
                Escaped(&sentence(&problem.remedy, "")),
            )?;
        }
        page.write_str("</ul></section>\n")?;
    }
    section(
        page,
        "Bindings",
        &["id", "URL", "state"],
        "No binding yet. A binding is where Portward listens. Add one: portward binding add https://[::]:443",
        desired.bindings.iter().map(|stored| {
            let state = match served.binding(&stored.value.id).map(|report| &report.result) {
                Some(Ok(address)) => Cell::State(Mark::Ok, format!("bound to {address}")),
                Some(Err(_)) => Cell::State(Mark::Bad, "not bound".to_owned()),
                None => Cell::State(Mark::Warn, "not served yet".to_owned()),
            };
            vec![Cell::Code(stored.value.id.to_string()), Cell::Code(stored.value.url()), state]
        }),
    )?;
    section(
        page,
        "Sites",
        &["id", "names", "upstreams"],
        "No site yet. A site is a set of host names and the application behind them. Add one: portward site add NAME --upstream URL",
        desired.sites.iter().map(|stored| {
            let view = sites::view(&stored.value, &desired.settings);
            vec![Cell::Code(view.id), Cell::Code(view.names.join(", ")), Cell::Code(view.upstreams.join(", "))]
        }),
    )?;
    section(
        page,
        "Certificates",
        &["id", "names", "valid until", "state"],
        "No certificate yet. Import one: portward certificate import FILE",
        desired.certificates.iter().map(|stored| {
            let id = Cell::Code(stored.value.id.to_string());
            let Some(version) = stored.value.current_version() else {
                let state = Cell::State(Mark::Bad, "cannot be read".to_owned());
                return vec![id, Cell::Text(String::new()), Cell::Text(String::new()), state];
            };
            let names = version.facts.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let state = match version.facts.validity.status(now, desired.settings.warning) {
                CertificateStatus::Valid => Cell::State(Mark::Ok, "valid".to_owned()),
                CertificateStatus::ExpiresSoon => Cell::State(Mark::Warn, "expires soon".to_owned()),
                CertificateStatus::NotYetValid => Cell::State(Mark::Bad, "not valid yet".to_owned()),
                CertificateStatus::Expired => Cell::State(Mark::Bad, "expired".to_owned()),
            };
            vec![id, Cell::Code(names), Cell::Text(version.facts.validity.not_after.date()), state]
        }),
    )?;
    page.write_str("</main>\n</body>\n</html>\n")
}

/// What is true now, in one sentence, and how bad it is.
fn verdict(served: &ServedState) -> (Mark, String) {
    let desired = &served.desired;
    if !served.is_published {
        return (Mark::Warn, "Nothing is served yet.".to_owned());
    }
    let errors = served.problems.iter().filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<&Problem> = errors.collect();
    if errors.is_empty() {
        let all = [
            counted(desired.bindings.len(), "binding"),
            counted(desired.sites.len(), "site"),
            counted(desired.certificates.len(), "certificate"),
        ]
        .join(", ");
        return match served.problems.len() {
            0 => (Mark::Ok, format!("Everything is served: {all}.")),
            1 => (Mark::Warn, format!("Everything is served, but 1 thing should be looked at: {all}.")),
            some => (Mark::Warn, format!("Everything is served, but {some} things should be looked at: {all}.")),
        };
    }
    let unbound = served.bindings.iter().filter(|report| report.result.is_err()).count();
    let expired = errors.iter().filter(|problem| problem.code == "certificate-expired").count();
    let others = errors.len().saturating_sub(unbound + expired);
    let is = |count: usize| if count == 1 { "is" } else { "are" };
    let has = |count: usize| if count == 1 { "has" } else { "have" };
    let mut parts = Vec::new();
    if unbound > 0 {
        parts.push(format!("{} of {} {} not bound", unbound, counted(desired.bindings.len(), "binding"), is(unbound)));
    }
    if expired > 0 {
        let days: Vec<String> = errors.iter().filter_map(|problem| expiry(problem, served)).collect();
        parts.push(match days.as_slice() {
            [day] => format!("1 certificate expired on {day}"),
            _ => format!("{} {} expired", counted(expired, "certificate"), has(expired)),
        });
    }
    match (others, parts.is_empty()) {
        (0, _) => {}
        (others, true) => parts.push(format!("{} {} to be solved", counted(others, "problem"), has(others))),
        (1, false) => parts.push("there is 1 other problem".to_owned()),
        (others, false) => parts.push(format!("there are {others} other problems")),
    }
    (Mark::Bad, format!("{}.", parts.join(", and ")))
}

/// The day on which the certificate expired that a problem is about.
fn expiry(problem: &Problem, served: &ServedState) -> Option<String> {
    let Subject::Certificate(id) = &problem.subject else { return None };
    let stored = served.desired.certificates.iter().find(|stored| stored.value.id == *id)?;
    let not_after = stored.value.current_version()?.facts.validity.not_after;
    (problem.code == "certificate-expired").then(|| not_after.date())
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Begins with a capital letter, and ends with that unless it ends so already.
fn sentence(text: &str, end: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let mut whole: String = first.chain(characters).collect();
    if !whole.ends_with(end) {
        whole.push_str(end);
    }
    whole
}

/// Tells how good or bad something is, by a shape of its own beside the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Ok,
    Warn,
    Bad,
}

impl Mark {
    fn shape(self) -> String {
        let name = match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        };
        format!("<svg class=\"m {name}\" aria-hidden=\"true\"><use href=\"#{name}\"/></svg>")
    }
}

/// Is what a cell of a table shows.
enum Cell {
    /// Words for people.
    Text(String),
    /// What a machine reads: names, addresses, commands.
    Code(String),
    /// How it stands.
    State(Mark, String),
}

/// Writes a heading and a table, or what to do where there would be no row.
fn section(
    page: &mut String,
    title: &str,
    columns: &[&str],
    empty: &str,
    rows: impl Iterator<Item = Vec<Cell>>,
) -> fmt::Result {
    writeln!(page, "<section><h2>{title}</h2>")?;
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return writeln!(page, "<p class=\"empty\">{}</p></section>", Escaped(empty));
    }
    page.write_str("<div class=\"scroll\"><table>\n<thead><tr>")?;
    for column in columns {
        write!(page, "<th scope=\"col\">{}</th>", Escaped(&sentence(column, "")))?;
    }
    page.write_str("</tr></thead>\n<tbody>\n")?;
    for row in rows {
        page.write_str("<tr>")?;
        for cell in row {
            match cell {
                Cell::Text(text) => write!(page, "<td>{}</td>", Escaped(&text))?,
                Cell::Code(text) => write!(page, "<td class=\"code\">{}</td>", Escaped(&text))?,
                Cell::State(mark, words) => {
                    let class = match mark {
                        Mark::Ok => "calm",
                        Mark::Warn => "warn",
                        Mark::Bad => "bad",
                    };
                    let words = sentence(&words, "");
                    write!(page, "<td><span class=\"st {class}\">{}{}</span></td>", mark.shape(), Escaped(&words))?;
                }
            }
        }
        page.write_str("</tr>\n")?;
    }
    page.write_str("</tbody></table></div></section>\n")
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

/// The shapes of the marks: circle, triangle, octagon.
const SYMBOLS: &str = "\
<svg width=\"0\" height=\"0\" hidden aria-hidden=\"true\">\
<symbol id=\"ok\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"7.25\"/><path class=\"cut\" d=\"M4.9 8.3l2.1 2.1 4.2-4.6\"/></symbol>\
<symbol id=\"warn\" viewBox=\"0 0 16 16\"><path d=\"M8 1.1c.5 0 .9.25 1.15.7l6 10.9c.5.9-.1 2-1.15 2H2c-1.05 0-1.65-1.1-1.15-2l6-10.9c.25-.45.65-.7 1.15-.7z\"/><path class=\"cut\" d=\"M8 5.6v3.6M8 11.9v.05\"/></symbol>\
<symbol id=\"bad\" viewBox=\"0 0 16 16\"><path d=\"M5 .75h6L15.25 5v6L11 15.25H5L.75 11V5z\"/><path class=\"cut\" d=\"M5.5 5.5l5 5M10.5 5.5l-5 5\"/></symbol>\
</svg>";

/// The colours, sizes and spaces of the portal.
const STYLE: &str = "\
:root{color-scheme:light dark;--surface:light-dark(#ffffff,#171b1f);--line:light-dark(#e3e6ea,#272d33);--line-2:light-dark(#ccd2d8,#38414a);\
--ink:light-dark(#14181d,#e9edf0);--ink-2:light-dark(#434c57,#b3bcc5);--ink-3:light-dark(#5f6975,#8f9aa5);\
--ok-mark:light-dark(#1a8a4f,#4fbd80);--warn:light-dark(#835200,#ecba5a);--warn-mark:light-dark(#b87400,#dea53a);\
--bad:light-dark(#ae1f1a,#ff9a91);--bad-mark:light-dark(#c8352d,#f0766b);\
--mono:ui-monospace,'SF Mono','Cascadia Mono','Adwaita Mono','JetBrains Mono','Noto Sans Mono','Ubuntu Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace}\
*{box-sizing:border-box}\
body{margin:0;background:var(--surface);color:var(--ink);font:400 .875rem/1.5 -apple-system,'Segoe UI Variable Text','Segoe UI','Adwaita Sans',Inter,Roboto,'Noto Sans',Ubuntu,Cantarell,system-ui,'Liberation Sans',sans-serif;font-variant-numeric:tabular-nums}\
main{max-width:64rem;margin:0 auto;padding:2.5rem 2rem 5rem}\
h1,h2,p,ul{margin:0;padding:0}ul{list-style:none}\
header{display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 1rem}header>.m{width:30px;height:30px;margin-top:.25rem}\
h1{font-size:1.75rem;font-weight:600;line-height:1.22;letter-spacing:-.021em;max-width:27em;text-wrap:balance}\
.dots{display:flex;flex-wrap:wrap;gap:0 1.5rem;margin-top:.5rem;color:var(--ink-2)}b{font-weight:600}\
section{margin-top:2rem}h2{padding-bottom:.5rem;border-bottom:1px solid var(--line-2);font-size:1rem;font-weight:600;letter-spacing:-.008em}\
h2 small{margin-left:.5rem;font-size:.8125rem;font-weight:400;color:var(--ink-3)}\
li{display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 .75rem;padding:.75rem 0;border-bottom:1px solid var(--line)}li>.m{margin-top:.1875rem}\
li p{color:var(--ink-2);font-size:.8125rem;overflow-wrap:anywhere}li .todo{color:var(--ink)}\
.empty{padding-top:.75rem;color:var(--ink-2);font-size:.8125rem}\
.scroll{overflow-x:auto}table{width:100%;border-collapse:collapse;font-size:.8125rem}\
th{padding:.5rem 1rem .5rem 0;text-align:start;font-weight:500;font-size:.75rem;color:var(--ink-3);border-bottom:1px solid var(--line-2)}\
td{height:2.375rem;padding:.25rem 1rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:middle}\
.code{font-family:var(--mono);font-size:.93em;font-variant-ligatures:none;overflow-wrap:anywhere}\
.m{display:block;width:16px;height:16px;flex:none;fill:currentColor}.cut{fill:none;stroke:var(--surface);stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round}\
.m.ok{color:var(--ok-mark)}.m.warn{color:var(--warn-mark)}.m.bad{color:var(--bad-mark)}\
.st{display:inline-flex;vertical-align:middle;align-items:center;gap:.4375rem;white-space:nowrap}.st.warn{color:var(--warn);font-weight:500}.st.bad{color:var(--bad);font-weight:500}\
@media(max-width:40rem){main{padding:1.25rem 1rem 4rem}h1{font-size:1.375rem}}";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portward_store::desired::Desired;

    use super::*;

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

    #[test]
    fn the_verdict_says_how_it_stands_in_one_sentence() {
        let bad = |code: &'static str| Problem::error(code, Subject::Store, "m", "r");
        let soon = || Problem::warning("certificate-expires-soon", Subject::Store, "m", "r");
        let all = "0 bindings, 0 sites, 0 certificates.";
        for (problems, mark, expected) in [
            (vec![], Mark::Ok, format!("Everything is served: {all}")),
            (vec![soon()], Mark::Warn, format!("Everything is served, but 1 thing should be looked at: {all}")),
            (
                vec![soon(), soon()],
                Mark::Warn,
                format!("Everything is served, but 2 things should be looked at: {all}"),
            ),
            (vec![bad("certificate-expired"), soon()], Mark::Bad, "1 certificate has expired.".to_owned()),
            (
                vec![bad("x"), bad("certificate-expired")],
                Mark::Bad,
                "1 certificate has expired, and there is 1 other problem.".to_owned(),
            ),
            (vec![bad("x"), bad("y")], Mark::Bad, "2 problems have to be solved.".to_owned()),
        ] {
            let state = ServedState { problems, is_published: true, ..ServedState::default() };
            assert_eq!(verdict(&state), (mark, expected));
        }
        assert_eq!(verdict(&ServedState::default()).1, "Nothing is served yet.");
    }
}
