//! A fault as plain text and as a page.

use super::{
    Asked, Fault, date,
    words::{Heading, Words, words},
};

/// The style is inside the page, because a second request to a site that does not answer would not be answered either;
/// the policy allows that one by its hash, and nothing else.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'sha256-ZORw14jasoaWCfQS5/YGER/avkCSqdN+sVaYREnbarQ='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Three lines: status and code, what is, the request's id; and the command that ends it, if there is one.
pub(super) fn text(fault: Fault, asked: &Asked<'_>) -> String {
    let Words { text, operator, command, .. } = words(fault);
    let command = command.map_or_else(String::new, |command| format!("{operator} {command}\n"));
    format!("{} {}\n{text}\n{command}Request ID: {}\n", fault.status(), fault.code(), asked.request_id)
}

pub(super) fn html(fault: Fault, asked: &Asked<'_>) -> String {
    let words = words(fault);
    let host = escape(asked.host.unwrap_or("this address"));
    let heading = match words.heading {
        Heading::Host(is) => format!("{host} {is}"),
        Heading::At(at) => format!("{at} {host}"),
        Heading::Plain(words) => words.to_owned(),
    };
    let drawing = words.application.map_or_else(String::new, drawing);
    let (status, code, said) = (fault.status(), fault.code(), escape(&words.text));
    let (id, time, operator) = (escape(asked.request_id), date::page(asked.now), escape(words.operator));
    let command = words.command.map_or_else(String::new, |command| format!(" <code>{}</code>", escape(command)));
    format!(
        "<!doctype html>\n\
        <html lang=\"en\">\n\
        <head>\n\
        <meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <meta name=\"color-scheme\" content=\"light dark\">\n\
        <title>{status} · {host}</title>\n\
        <meta name=\"robots\" content=\"noindex\">\n\
        <style>{STYLE}</style>\n\
        </head>\n\
        <body>\n\
        <main>\n\
        {drawing}\
        <h1>{heading}</h1>\n\
        <p>{said}</p>\n\
        <p><a class=\"again\" href=\"\">Try again</a></p>\n\
        <dl><dt>Request ID</dt><dd>{id}</dd><dt>Time</dt><dd>{time}</dd><dt>Error</dt><dd>{status}, {code}</dd></dl>\n\
        <p class=\"op\">{operator}{command}</p>\n\
        </main>\n\
        </body>\n\
        </html>\n"
    )
}

/// Browser, door, application, and where the line between them ends.
fn drawing(application: &'static str) -> String {
    format!(
        "<svg viewBox=\"0 0 520 52\" role=\"img\" aria-label=\"Your browser and the front door work. The application behind it {application}.\">\
        <path class=\"line\" d=\"M56 28h164\"/><path class=\"gap\" d=\"M300 28h68M392 28h72\"/><path class=\"cross\" d=\"M374 22l12 12M386 22l-12 12\"/>\
        <path class=\"node\" d=\"M1 11h44v34H1zM1 20h44\"/><path class=\"node\" d=\"M242 46V29a18 18 0 0 1 36 0v17M233 46h54\"/>\
        <path class=\"fill\" d=\"M252 46V30a8 8 0 0 1 16 0v16z\"/><path class=\"node off\" d=\"M475 10h44v15h-44zM475 30h44v15h-44z\"/></svg>\n\
        <ol><li>Your browser<b>works</b></li><li>The front door<b>works</b></li><li class=\"off\">The application<b>{application}</b></li></ol>\n"
    )
}

/// Makes text safe inside an element and inside quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

pub(super) const STYLE: &str = include_str!("error.css");
