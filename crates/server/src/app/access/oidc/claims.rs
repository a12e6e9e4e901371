//! What a provider says of somebody: their groups, which give their role, and their name.

use http::StatusCode;
use portward_core::{Role, UserName};
use portward_store::access::StoredOidc;
use serde_json::Value;

use super::{id_token::Claims, provider::shown};
use crate::app::AppError;

/// The role that the groups give.
pub(super) fn role_of(oidc: &StoredOidc, claims: &Claims) -> Result<Role, AppError> {
    let missing = || missing_claim(oidc, &oidc.groups_claim, "--groups-claim", claims);
    let groups: Vec<&str> = match claim(claims, &oidc.groups_claim).ok_or_else(missing)? {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => return Err(missing()),
    };
    oidc.roles.role_of(groups.iter().copied()).ok_or_else(|| {
        let came = match groups.len() {
            0 => "no group came".to_owned(),
            _ => {
                let named: Vec<String> =
                    groups.iter().take(GROUPS_SHOWN).map(|group| format!("\"{}\"", shown(group))).collect();
                let more = if groups.len() > GROUPS_SHOWN { ", and more" } else { "" };
                format!("the groups that came are {}{more}", named.join(", "))
            }
        };
        let message = format!(
            "none of your groups gives a role here: {came}. An administrator maps one of them: portward oidc set --role GROUP=ROLE"
        );
        AppError::new(StatusCode::FORBIDDEN, "oidc-groups-unmapped", message)
    })
}

/// The name of a new user.
pub(super) fn name_of(oidc: &StoredOidc, claims: &Claims) -> Result<UserName, AppError> {
    let named = claim(claims, &oidc.name_claim).and_then(Value::as_str);
    let named = named.ok_or_else(|| missing_claim(oidc, &oidc.name_claim, "--name-claim", claims))?;
    UserName::parse(named).map_err(|error| {
        let message = format!(
            "{error}; the provider sent it as the claim \"{}\". Have it send another one, or name another claim: portward oidc set --name-claim CLAIM",
            oidc.name_claim
        );
        AppError::new(StatusCode::FORBIDDEN, "oidc-claim-unusable", message)
    })
}

/// Says which claim did not come, and which did.
fn missing_claim(oidc: &StoredOidc, name: &str, flag: &str, claims: &Claims) -> AppError {
    let came: Vec<String> = claims.keys().take(GROUPS_SHOWN).map(|name| shown(name)).collect();
    let message = format!(
        "{} sent no usable claim \"{name}\"; what it sent is {}. Have it send that claim, which may need another scope (portward oidc set --scope SCOPE), or name another one: portward oidc set {flag} CLAIM",
        oidc.issuer,
        came.join(", ")
    );
    AppError::new(StatusCode::FORBIDDEN, "oidc-claim-missing", message)
}

/// A claim by its name, else by the path that the name is, as in `realm_access.roles`.
pub(super) fn claim<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

const GROUPS_SHOWN: usize = 20;
