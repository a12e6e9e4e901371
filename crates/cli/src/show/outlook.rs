//! Advice and renewals to come for people.

use portward_api::acme::{CheckView, SimulateView};

use super::certificate::date;
use crate::table::{Cell, Colour, Table, Tone};

/// What would be answered, and one line for each finding.
pub(crate) fn check(check: &CheckView, colour: Colour) -> String {
    let mut out = match &check.challenge {
        Some(challenge) => format!("A CA would be answered with {challenge} for {}.\n", check.name),
        None => Tone::Bad.paint(&format!("No challenge can be answered for {}.", check.name), colour) + "\n",
    };
    let mut table = Table::of_fields();
    for advice in &check.advice {
        let (mark, tone) = match advice.verdict.as_str() {
            "good" => ('+', Tone::Good),
            "warning" => ('!', Tone::Warning),
            _ => ('?', Tone::Plain),
        };
        let verdict = Cell::toned(&format!("{mark} {}", advice.verdict), tone);
        table.row([verdict, (&advice.check).into(), (&advice.message).into()]);
        if let Some(remedy) = &advice.remedy {
            table.row(["".into(), "".into(), remedy.into()]);
        }
    }
    if !check.advice.is_empty() {
        out.push('\n');
        out.push_str(&table.render(colour));
    }
    out
}

/// What is renewed when, and how near that comes to what is allowed.
pub(crate) fn simulated(view: &SimulateView, colour: Colour) -> String {
    let (from, until) = (date(&view.from), date(&view.until));
    let mut out = if view.renewals.is_empty() {
        format!("Nothing is renewed from {from} until {until}.\n")
    } else {
        let mut table = Table::new(&["AT", "CERTIFICATE", "ISSUER", "LIVES", "WHY"]);
        for renewal in &view.renewals {
            let lives = format!("{} days", renewal.lifetime_days);
            let [at, certificate, issuer] = [&renewal.at, &renewal.certificate, &renewal.issuer];
            table.row([at.into(), certificate.into(), issuer.into(), lives.into(), (&renewal.why).into()]);
        }
        table.render(colour)
    };
    if !view.budgets.is_empty() {
        let mut table = Table::new(&["BUDGET", "LIMIT", "USED AT MOST", "ALLOWED"]);
        for budget in &view.budgets {
            let tone = if budget.used > budget.allowed { Tone::Bad } else { Tone::Plain };
            table.row([
                (&budget.what).into(),
                (&budget.limit).into(),
                Cell::toned(&budget.used.to_string(), tone),
                budget.allowed.to_string().into(),
            ]);
        }
        out.push('\n');
        out.push_str(&table.render(colour));
    }
    if !view.announced.is_empty() {
        let mut table = Table::of_fields();
        for change in &view.announced {
            let text = format!("certificates of {} live {} days", change.issuer, change.lifetime_days);
            table.row([format!("From {}", date(&change.from)).into(), text.into()]);
        }
        out.push('\n');
        out.push_str(&table.render(colour));
    }
    out
}
