//! The server's identity for people.

use portward_api::{Effect, IdentityChanged, IdentityView, RotationView};

use super::or_none;
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each thing that is known of the identity.
pub(crate) fn identity(identity: &IdentityView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["thumbprint".into(), (&identity.thumbprint).into()]);
    table.row(["SHA-1".into(), (&identity.sha1).into()]);
    table.row(["subject".into(), (&identity.subject).into()]);
    table.row(["in use since".into(), (&identity.since).into()]);
    table.row(["agents dial".into(), or_none(&identity.addresses).into()]);
    if !identity.bindings.is_empty() {
        table.row(["agents alone".into(), identity.bindings.join(", ").into()]);
    }
    for other in identity.identities.iter().filter(|other| other.thumbprint != identity.thumbprint) {
        let text = format!("{} (since {})", other.thumbprint, other.created);
        table.row([(&other.state).into(), text.into()]);
    }
    if let Some(rotation) = &identity.rotation {
        let tone = if rotation.laggards.is_empty() { Tone::Good } else { Tone::Warning };
        table.row(["rotation".into(), Cell::toned(&progress(rotation), tone)]);
        for laggard in &rotation.laggards {
            let heard = laggard.last_heard.as_deref().unwrap_or("never");
            table.row(["".into(), format!("{} is missing; last heard: {heard}", laggard.name).into()]);
        }
        let unnamed = rotation.agents.saturating_sub(rotation.acknowledged + rotation.laggards.len());
        if unnamed > 0 {
            table.row(["".into(), format!("and {unnamed} more").into()]);
        }
    }
    table.render(colour)
}

/// Tells where agents dial now, and are let in.
pub(crate) fn identity_edited(identity: &IdentityView, effect: Effect) -> String {
    if effect == Effect::DryRun {
        return "Agents would dial, and be let in, as you say. Nothing was changed.".to_owned();
    }
    let alone = match identity.bindings.as_slice() {
        [] => String::new(),
        bindings => format!(", and at {} for them alone", bindings.join(", ")),
    };
    format!("Agents dial {}. They are let in at every https binding{alone}.", or_none(&identity.addresses))
}

/// Tells what follows what.
pub(crate) fn identity_changed(changed: &IdentityChanged) -> String {
    format!(
        "The identity {} is followed by {}.\n{}",
        changed.old_thumbprint,
        changed.new_thumbprint,
        followed_by_themselves(changed)
    )
}

/// Tells that nobody has to do anything.
pub(crate) fn followed_by_themselves(changed: &IdentityChanged) -> String {
    match &changed.rotation {
        Some(rotation) => format!(
            "Nothing is restarted, and agents follow by themselves: {}. See how far it is: portward identity show",
            progress(rotation)
        ),
        None => "Nothing is restarted, and no agent has to follow.".to_owned(),
    }
}

/// Tells what became of a key that is in other hands.
pub(crate) fn identity_compromised(changed: &IdentityChanged) -> String {
    format!(
        "The identity {} counts no more; {} is in its place.\nAgents that were connected follow by themselves. One that was away has to join anew: portward agent list shows who, portward agent add NAME prints a line for it.",
        changed.old_thumbprint, changed.new_thumbprint
    )
}

/// Tells where an identity was written to.
pub(crate) fn identity_written(thumbprint: &str, path: &str, is_new: bool) -> String {
    if is_new {
        format!(
            "A new identity is in {path}: {thumbprint}. It is not used until it is imported: portward identity import {path}"
        )
    } else {
        format!(
            "The identity {thumbprint} is in {path}. Whoever has the file and its password is Portward to every agent."
        )
    }
}

fn progress(rotation: &RotationView) -> String {
    let did = match rotation.phase.as_str() {
        "announce" => "agents told of the next identity",
        "switch" => "agents that came by the new identity",
        "retire" => "agents that have forgotten the old identity",
        other => other,
    };
    format!("{did}: {} of {}", rotation.acknowledged, rotation.agents)
}
