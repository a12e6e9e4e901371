//! The OpenID provider for people.

use portward_api::{Effect, OidcTested, OidcView};

use crate::table::{Cell, Colour, Table, Tone};

/// One line for each setting.
pub(crate) fn oidc(oidc: &OidcView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["issuer".into(), (&oidc.issuer).into()]);
    table.row(["client id".into(), (&oidc.client_id).into()]);
    table.row(["client secret".into(), if oidc.client_secret { "(secret)" } else { "none" }.into()]);
    table.row(["scopes".into(), oidc.scopes.join(" ").into()]);
    table.row(["groups claim".into(), (&oidc.groups_claim).into()]);
    table.row(["name claim".into(), (&oidc.name_claim).into()]);
    for (group, role) in &oidc.roles {
        table.row(["role".into(), format!("{group} = {role}").into()]);
    }
    let authority = if oidc.authority.is_some() { "given" } else { "those of the machine" };
    table.row(["authorities".into(), authority.into()]);
    table.row(["button".into(), format!("Sign in with {}", oidc.label).into()]);
    table.render(colour)
}

/// Tells what became of the settings.
pub(crate) fn oidc_set(oidc: &OidcView, effect: Effect) -> String {
    match effect {
        Effect::Apply => {
            format!("Users sign in at {} from now on. See whether it answers: portward oidc test", oidc.issuer)
        }
        Effect::DryRun => format!("Users would sign in at {}. Nothing was changed.", oidc.issuer),
    }
}

/// One line for each thing that was found.
pub(crate) fn oidc_tested(tested: &OidcTested, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["issuer".into(), (&tested.issuer).into()]);
    table.row(["sends browsers to".into(), (&tested.authorization_endpoint).into()]);
    table.row(["redeems codes at".into(), (&tested.token_endpoint).into()]);
    table.row(["tells of users at".into(), tested.userinfo_endpoint.as_deref().unwrap_or("nowhere").into()]);
    for key in &tested.keys {
        table.row(["signs with".into(), key.into()]);
    }
    for uri in &tested.redirect_uris {
        table.row(["redirect URI".into(), uri.into()]);
    }
    for warning in &tested.warnings {
        table.row(["warning".into(), Cell::toned(warning, Tone::Warning)]);
    }
    table.render(colour)
}
