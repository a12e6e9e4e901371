//! Messages of use cases are made for the command line: here they are said to somebody who has a form before them.

/// The message with fields in place of flags, and without commands for what the portal does itself.
pub(super) fn for_people(message: &str) -> String {
    let mut text = message.to_owned();
    for (flag, words) in WORDS {
        text = text.replace(flag, words);
    }
    // The box is on the same page, and ticked it forces.
    if let Some(start) = text.find(TRY_IT)
        && let Some(end) = text.get(start..).and_then(|rest| rest.find(WITHIN))
    {
        text.replace_range(start..start + end + WITHIN.len(), "or tick the box, and it ");
    }
    without_commands(&text)
}

/// Takes out commands behind a colon or a semicolon, and those in parentheses.
fn without_commands(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, lead)) = LEADS.iter().filter_map(|lead| Some((rest.find(lead)?, *lead))).min() {
        let (before, behind) = rest.split_at(at);
        let verb = behind.get(lead.len()..).unwrap_or_default();
        let (command, after) = behind.split_at(if lead.contains('(') {
            behind.find(')').map_or(behind.len(), |end| end + 1)
        } else {
            end_of_command(behind)
        });
        kept.push_str(before);
        if KEPT.iter().any(|word| verb.starts_with(word)) || before.ends_with("on the machine") {
            kept.push_str(command);
        }
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// Where a command ends: at the end of its sentence or of its part of it.
fn end_of_command(text: &str) -> usize {
    // The first letters are those that lead to the command.
    let from = LEADS.iter().filter(|lead| text.starts_with(*lead)).map(|lead| lead.len()).max().unwrap_or(0);
    let rest = text.get(from..).unwrap_or_default();
    let ends = [". ", "; ", ", or "].iter().flat_map(|end| rest.match_indices(end));
    let ends = ends.filter(|(at, end)| *end != ", or " || !rest[at + end.len()..].starts_with("portward "));
    // "NAME..." is a part of a command.
    let ends = ends.filter(|(at, _)| !rest[..*at].ends_with('.'));
    let last = if rest.ends_with('.') { rest.len() - 1 } else { rest.len() };
    from + ends.map(|(at, _)| at).min().unwrap_or(last)
}

/// What messages say of flags, and what is said of fields instead.
const WORDS: &[(&str, &str)] = &[
    (", or take it nevertheless with --allow-expired", ", or take it nevertheless"),
    ("; go back to it nevertheless with --allow-expired", ""),
    ("; give it with --password-file FILE or --password-stdin", "; type it below"),
    ("; to make it the newest version: --replace ", "; to make it the newest version, store it as a version of "),
    ("import it again with --replace ", "import it again as a version of "),
    ("; read them, and add --accept-terms", "; read them, and tick the box"),
    ("; portward acme issuer add letsencrypt --contact ADDR --accept-terms", "; add one under Issuers and DNS"),
    ("say which: --issuer ", "say which: "),
    (
        "Say who writes the TXT records: portward acme dns add KIND, then --dns PROVIDER; or place them by hand: --challenge dns-01",
        "Choose a DNS provider that writes the TXT records, or the challenge by DNS to place them by hand",
    ),
    ("; leave --challenge out", "; choose another challenge"),
    (" Another port: --https-port N", " Choose another port."),
    ("at which port one should be: --port 443", "at which port one should be"),
    ("; to have it managed: portward ", ". Have it managed first: portward "),
    ("portward status says ", "Problems says "),
    (": portward oidc set --role GROUP=ROLE", " on the page OpenID Connect"),
    (": portward oidc set --issuer ", ", the issuer is "),
    ("; once the provider answers again: portward oidc test", ""),
];
/// How a command begins.
const LEADS: &[&str] = &[": portward ", "; portward ", " (portward "];
/// Commands for what is done on the machine alone.
const KEPT: &[&str] = &["setup-link", "recover", "init", "serve", "restore"];
const TRY_IT: &str = "or try it: ";
const WITHIN: &str = "--confirm-within 60s ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_in_a_browser_is_told_of_fields() {
        for (message, expected) in [
            (
                "an account needs your agreement to the CA's terms of service (see https://ca.test); read them, and add --accept-terms",
                "an account needs your agreement to the CA's terms of service (see https://ca.test); read them, and tick the box",
            ),
            (
                "there is no issuer yet; portward acme issuer add letsencrypt --contact ADDR --accept-terms",
                "there is no issuer yet; add one under Issuers and DNS",
            ),
            ("there are several, so say which: --issuer a or b", "there are several, so say which: a or b"),
            (
                "Switch that redirect off first (portward site edit SITE --force-https off), or import another certificate over it: portward certificate import FILE --replace shop. Nothing was removed",
                "Switch that redirect off first, or import another certificate over it. Nothing was removed",
            ),
            (
                "without the binding \"https-443\" the portal has no other way in. Add another way in first, or try it: portward binding remove https-443 --force --confirm-within 60s goes back by itself unless you confirm. Nothing was removed",
                "without the binding \"https-443\" the portal has no other way in. Add another way in first, or tick the box, and it goes back by itself unless you confirm. Nothing was removed",
            ),
            (
                "Add another one first: portward site add NAME --upstream portal; or try it: --force --confirm-within 60s goes back by itself unless you confirm. Nothing was changed",
                "Add another one first; or tick the box, and it goes back by itself unless you confirm. Nothing was changed",
            ),
            (
                "there is no https binding; say at which port one should be: --port 443. Nothing was changed",
                "there is no https binding; say at which port one should be. Nothing was changed",
            ),
            (
                "Answer that first: portward confirm abc, or portward confirm abc --back. Nothing was changed",
                "Answer that first. Nothing was changed",
            ),
            (
                "Add one first: portward binding add https://[::]:443. Nothing was changed",
                "Add one first. Nothing was changed",
            ),
            (
                "the certificate \"shop\" is not managed; to have it managed: portward certificate request NAME... --replace shop --issuer I",
                "the certificate \"shop\" is not managed. Have it managed first",
            ),
            (
                "there are 64 tokens already; revoke one: portward token revoke ID.",
                "there are 64 tokens already; revoke one.",
            ),
            (
                "An administrator maps one of them: portward oidc set --role GROUP=ROLE",
                "An administrator maps one of them on the page OpenID Connect",
            ),
            (
                "if that is the right one: portward oidc set --issuer https://a.test",
                "if that is the right one, the issuer is https://a.test",
            ),
            (
                "Whoever has a password here signs in with it meanwhile; once the provider answers again: portward oidc test",
                "Whoever has a password here signs in with it meanwhile",
            ),
            // What is done on the machine is said as it is typed there.
            (
                "get a fresh one on the machine: portward setup-link",
                "get a fresh one on the machine: portward setup-link",
            ),
            (
                "Open https://a.test and confirm there, or on the machine: portward confirm abc. Nothing was confirmed",
                "Open https://a.test and confirm there, or on the machine: portward confirm abc. Nothing was confirmed",
            ),
            ("nothing of that", "nothing of that"),
        ] {
            assert_eq!(for_people(message), expected);
        }
    }
}
