//! Use cases of the OpenID provider at which users sign in.
//!
//! Whoever says which group gives which role gives roles, so nobody maps, or looks after, a role that may more than
//! they do.

use portward_api::{OidcSet, OidcTested, OidcView, Removed};
use portward_core::{Authority, GroupRoles, OidcIssuer};
use portward_store::{
    access::{self, StoredOidc},
    change::Expected,
    desired::Stored,
    sealing::Secret,
};

use super::{Actor, Allowed, App, AppError, Apply, Precondition, Revised, access::oidc::CALLBACK, right};
use crate::outgoing::Address;

impl App {
    /// Shows at which provider users sign in.
    pub(crate) async fn show_oidc(&self, _by: &Allowed<right::UserView>) -> Result<Revised<OidcView>, AppError> {
        let Stored { value, revision } = self.oidc().await?;
        Ok(Revised { view: view(&value), revision: Some(revision) })
    }

    /// The same for the page that changes it, which asks for its own right; none if there is no provider.
    pub(crate) async fn oidc_settings(&self) -> Result<Option<OidcView>, AppError> {
        Ok(access::read_oidc(&*self.parts.store).await?.map(|stored| view(&stored.value)))
    }

    /// Says at which provider users sign in, instead of what was said before.
    pub(crate) async fn set_oidc(
        &self,
        by: &Allowed<right::UserChange>,
        input: &OidcSet,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Revised<OidcView>, AppError> {
        let mut oidc = parse(input)?;
        let _deciding = self.decide().await;
        let before = access::read_oidc(&*self.parts.store).await?;
        if let Some(before) = &before {
            precondition.check("provider", before.value.issuer.as_str(), before.revision)?;
            demand_roles(by.actor(), &before.value.roles)?;
        }
        demand_roles(by.actor(), &oidc.roles)?;
        oidc.generation = before.as_ref().map_or(1, |before| before.value.generation + 1);
        let kept = before.as_ref().map(|before| &before.value).filter(|before| before.secret.is_some());
        let secret = match (&input.client_secret, kept) {
            (Some(secret), _) => Some(secret.expose().trim().as_bytes().to_vec()).filter(|secret| !secret.is_empty()),
            (None, Some(before)) if (&before.issuer, &before.client_id) == (&oidc.issuer, &oidc.client_id) => {
                self.oidc_secret(before).await?.map(|secret| secret.as_bytes().to_vec())
            }
            // Else it would be sent to somebody for whom it is not.
            (None, Some(_)) => {
                let message = "client_secret: it is of another issuer or client, and stays with those alone; give the one of this client, or an empty one for none";
                return Err(AppError::refused("invalid-value", message));
            }
            (None, None) => None,
        };
        let secret = secret.map(Secret::from);
        let shown = OidcView { client_secret: secret.is_some(), ..view(&oidc) };
        let revision = before.as_ref().map(|before| before.revision);
        if apply == Apply::DryRun {
            return Ok(Revised { view: shown, revision });
        }
        let what = format!("have users sign in at {}", oidc.issuer);
        let mut change = self.change_of(by.actor(), what);
        let sealer = self.oidc_sealer().await?;
        change.put_oidc(&oidc, secret.as_ref(), &sealer, revision.map_or(Expected::Absent, Expected::At));
        let revision = self.commit(change).await?;
        Ok(Revised { view: shown, revision: Some(revision) })
    }

    /// Has users sign in here alone.
    pub(crate) async fn remove_oidc(
        &self,
        by: &Allowed<right::UserChange>,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let _deciding = self.decide().await;
        let Stored { value: oidc, revision } = self.oidc().await?;
        let issuer = oidc.issuer.to_string();
        precondition.check("provider", &issuer, revision)?;
        demand_roles(by.actor(), &oidc.roles)?;
        let users = access::users(&*self.parts.store).await?;
        let theirs = users.iter().filter_map(|stored| stored.value.identity.as_ref());
        let warnings = match theirs.filter(|identity| identity.issuer == issuer).count() {
            0 => Vec::new(),
            1 => vec![
                "1 user cannot sign in any more; their session runs on until they are disabled or removed".to_owned(),
            ],
            users => vec![format!(
                "{users} users cannot sign in any more; their sessions run on until they are disabled or removed"
            )],
        };
        if apply == Apply::Now {
            let mut change = self.change_of(by.actor(), format!("have nobody sign in at {issuer} any more"));
            change.remove_oidc(Expected::At(revision));
            self.commit(change).await?;
        }
        Ok(Removed { id: issuer, warnings })
    }

    /// Asks the provider what it says of itself.
    pub(crate) async fn test_oidc(&self, _by: &Allowed<right::UserChange>) -> Result<OidcTested, AppError> {
        let Stored { value: oidc, .. } = self.oidc().await?;
        Ok(self.ask_provider(&oidc).await?.view(self.redirect_uris(), &oidc))
    }

    /// What the provider must be told of this server.
    pub(crate) fn redirect_uris(&self) -> Vec<String> {
        let public = crate::portal::public_url(&self.served());
        public.into_iter().map(|url| format!("{url}{CALLBACK}")).collect()
    }
}

fn parse(input: &OidcSet) -> Result<StoredOidc, AppError> {
    let issuer = OidcIssuer::parse(input.issuer.trim()).map_err(|error| AppError::invalid("issuer", &error))?;
    let pairs = input.roles.iter().map(|(group, role)| (group.as_str(), role.as_str()));
    let roles = GroupRoles::parse(pairs).map_err(|error| AppError::invalid("roles", &error))?;
    let mut scopes = vec!["openid".to_owned()];
    let usual = ["profile".to_owned()];
    for scope in input.scopes.as_deref().unwrap_or(&usual) {
        let is_scope = !scope.is_empty() && scope.len() <= LONGEST && scope.bytes().all(|b| b.is_ascii_graphic());
        if !is_scope {
            let message = format!("scopes: \"{scope}\" is no scope, which is one word, as in profile");
            return Err(AppError::refused("invalid-value", message));
        }
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    let authority = input.authority.as_deref().map(str::trim).filter(|pem| !pem.is_empty()).map(str::to_owned);
    if authority.is_some() {
        Address::parse("https://shop.example", false, authority.as_deref())
            .map_err(|(_, expected)| AppError::refused("invalid-value", format!("authority: it is not {expected}")))?;
    }
    let host = || {
        let rest = issuer.as_str().split("://").nth(1).unwrap_or_default();
        let authority = Authority::parse(rest.split('/').next().unwrap_or_default());
        authority.map_or_else(|_| "OpenID Connect".to_owned(), |authority| authority.host.to_string())
    };
    Ok(StoredOidc {
        client_id: line("client_id", Some(&input.client_id), "")?,
        secret: None,
        generation: 1,
        scopes,
        groups_claim: line("groups_claim", input.groups_claim.as_deref(), "groups")?,
        name_claim: line("name_claim", input.name_claim.as_deref(), "preferred_username")?,
        roles,
        authority,
        label: line("label", input.label.as_deref(), &host())?,
        issuer,
    })
}

/// One line of text; the default stands in for what is not given.
fn line(field: &str, text: Option<&str>, default: &str) -> Result<String, AppError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(default);
    if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        let message = format!("{field}: it is one line of 1 to {LONGEST} characters");
        return Err(AppError::refused("invalid-value", message));
    }
    Ok(text.to_owned())
}

fn view(oidc: &StoredOidc) -> OidcView {
    OidcView {
        issuer: oidc.issuer.to_string(),
        client_id: oidc.client_id.clone(),
        client_secret: oidc.secret.is_some(),
        scopes: oidc.scopes.clone(),
        groups_claim: oidc.groups_claim.clone(),
        name_claim: oidc.name_claim.clone(),
        roles: oidc.roles.iter().map(|(group, role)| (group.to_owned(), role.to_string())).collect(),
        authority: oidc.authority.clone(),
        label: oidc.label.clone(),
    }
}

/// Refuses whoever may less than one of the roles.
fn demand_roles(actor: &Actor, roles: &GroupRoles) -> Result<(), AppError> {
    let Some((group, role)) = roles.iter().find(|(_, role)| !actor.may_all_of(*role)) else { return Ok(()) };
    Err(AppError::not_permitted(format!(
        "the group \"{group}\" gives the role {role}, which may more than {actor}; ask an owner"
    )))
}

/// Of names that people type.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests;
