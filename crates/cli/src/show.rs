//! The API's views as text for people.

mod access;
mod agent;
mod applied;
mod attempt;
mod audit;
mod binding;
mod certificate;
mod change;
mod channel;
mod delivery;
mod explain;
mod foreign;
mod identity;
mod inspection;
mod issuer;
mod oidc;
mod outlook;
mod renewal;
mod settings;
mod site;
mod status;
mod store;
mod upgrade;

use portward_api::{Effect, Removed};

pub(crate) use access::{token_created, tokens, user, users};
pub(crate) use agent::{
    agent, agent_rotated, agent_trusted, agents, agents_checked, join_created, join_dry, waiting_agents,
};
pub(crate) use applied::applied;
pub(crate) use attempt::{attempt, attempts, attempts_with_newest, words_of_ca};
pub(crate) use audit::{audit, audit_verified};
pub(crate) use binding::bindings;
use certificate::date;
pub(crate) use certificate::{certificate, certificates, taken};
pub(crate) use change::{answered, confirmations, https_settings, impacts, recovered, waiting};
pub(crate) use channel::{channel, channel_added, channel_kinds, channel_tested, channels};
pub(crate) use delivery::{deliveries, delivery, delivery_added, delivery_retried};
pub(crate) use explain::explained;
pub(crate) use foreign::{import_ended, imported};
pub(crate) use identity::{
    followed_by_themselves, identity, identity_changed, identity_compromised, identity_edited, identity_written,
};
pub(crate) use inspection::inspection;
pub(crate) use issuer::{added, dns_kinds, dns_provider, dns_providers, issuer, issuers};
pub(crate) use oidc::{oidc, oidc_set, oidc_tested};
pub(crate) use outlook::{check, simulated};
pub(crate) use renewal::{
    being_ordered, issued, lets_encrypt, renewal, renewals, requested, revoked, rolled_over, unmanaged,
};
pub(crate) use settings::settings;
pub(crate) use site::{presets, site, site_with_upstreams, sites, traffic, upstreams};
pub(crate) use status::status;
pub(crate) use store::findings;
pub(crate) use upgrade::upgraded;

/// Tells that a thing is gone, and what follows from it.
pub(crate) fn removed(noun: &str, removed: &Removed) -> String {
    let mut text = format!("The {noun} {} is removed.", removed.id);
    for warning in &removed.warnings {
        text.push_str("\nWarning: ");
        text.push_str(warning);
    }
    text
}

/// Tells that a thing is gone, or in a dry run that it would be, and what follows from it.
pub(crate) fn removed_or_would_be(noun: &str, gone: &Removed, effect: Effect) -> String {
    match effect {
        Effect::Apply => removed(noun, gone),
        Effect::DryRun => {
            let warnings: String = gone.warnings.iter().map(|warning| format!("\nWarning: {warning}")).collect();
            format!("The {noun} {} would be removed. Nothing was changed.{warnings}", gone.id)
        }
    }
}

/// Tells what a removal does, or would do in a dry run, to everything else.
pub(crate) fn removal(noun: &str, changed: &portward_api::Changed<Removed>, is_dry: bool) -> String {
    if !is_dry {
        return removed(noun, changed);
    }
    format!("Nothing was removed. Without the {noun} {}:\n{}", changed.id, impacts(&changed.impacts).trim_end())
}

/// Names the first few; `-o json` has all.
fn shortened(names: &[String]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        names => names.join(", "),
    }
}

/// Names all, or says that there is none.
fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Numbers a thing: `no site`, `1 site`, `2 sites`.
fn counted(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
