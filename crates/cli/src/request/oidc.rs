//! `portward oidc`.

use std::path::PathBuf;

use anyhow::anyhow;
use portward_api::{Client, ClientError, Effect, OidcSet, OidcView, SecretText};
use portward_core::{GroupRoles, OidcIssuer};

use super::{authorities, bad, effect};
use crate::{
    args::{OidcCommand, OidcSetArgs, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    secret_file, show,
    terminal::Terminal,
};

/// Is what is asked for about signing in at an OpenID provider.
#[derive(Debug, PartialEq)]
pub(crate) enum OidcRequest {
    /// Which provider it is.
    Show,
    /// Another one, or other settings of it.
    Set(Box<OidcChange>),
    /// What it says of itself.
    Test,
    /// None any more.
    Remove,
}

/// Is what changes; what is not named stays. Files are not read yet.
#[derive(Debug, PartialEq)]
pub(crate) struct OidcChange {
    issuer: Option<String>,
    client_id: Option<String>,
    secret: Kept<PathBuf>,
    roles: Vec<(String, String)>,
    without: Vec<String>,
    scopes: Vec<String>,
    groups_claim: Option<String>,
    name_claim: Option<String>,
    authority: Kept<PathBuf>,
    label: Option<String>,
    effect: Effect,
}

/// Says what becomes of something that may be there.
#[derive(Debug, PartialEq)]
enum Kept<T> {
    Stays,
    Goes,
    Becomes(T),
}

impl OidcRequest {
    pub(super) fn parse(command: OidcCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        use OidcCommand as C;
        Ok(match command {
            C::Show(args) => (Self::Show, args.server, args.output),
            C::Test(args) => (Self::Test, args.server, args.output),
            C::Remove(args) => (Self::Remove, args.server, args.output),
            C::Set(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::Set(Box::new(OidcChange::parse(*args)?)), server, output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Show => {
                let oidc = client.show_oidc().await?;
                terminal.result(&oidc, |colour| show::oidc(&oidc, colour))
            }
            Self::Set(change) => {
                let before = match client.show_oidc().await {
                    Ok(view) => Some(view),
                    Err(ClientError::Problem(problem)) if problem.status == 404 => None,
                    Err(error) => return Err(error.into()),
                };
                let effect = change.effect;
                let oidc = client.set_oidc(&change.over(before)?, effect).await?;
                terminal.result(&oidc, |colour| show::oidc(&oidc, colour))?;
                terminal.tell(&show::oidc_set(&oidc, effect));
                Ok(Exit::Done)
            }
            Self::Test => {
                let tested = client.test_oidc().await?;
                terminal.result(&tested, |colour| show::oidc_tested(&tested, colour))
            }
            Self::Remove => {
                let removed = client.remove_oidc().await?;
                terminal.told(&removed, &show::removed("provider", &removed))
            }
        }
    }
}

impl OidcChange {
    fn parse(args: OidcSetArgs) -> Result<Self, Failure> {
        if let Some(issuer) = &args.issuer {
            OidcIssuer::parse(issuer).map_err(bad("--issuer"))?;
        }
        // A group may have a = in it, as the distinguished names of directories do; no role has.
        let pair = |text: &String| {
            let (group, role) = text
                .rsplit_once('=')
                .ok_or_else(|| Failure::usage(anyhow!("--role takes GROUP=ROLE, as in admins=administrator")))?;
            Ok((group.to_owned(), role.to_owned()))
        };
        let roles = args.role.iter().map(pair).collect::<Result<Vec<_>, Failure>>()?;
        if !roles.is_empty() {
            GroupRoles::parse(roles.iter().map(|(group, role)| (group.as_str(), role.as_str())))
                .map_err(bad("--role"))?;
        }
        let kept = |file: Option<PathBuf>, goes: bool| match (file, goes) {
            (Some(file), _) => Kept::Becomes(file),
            (None, true) => Kept::Goes,
            (None, false) => Kept::Stays,
        };
        let change = Self {
            issuer: args.issuer,
            client_id: args.client_id,
            secret: kept(args.client_secret_file, args.no_client_secret),
            roles,
            without: args.unset_role,
            scopes: args.scope,
            groups_claim: args.groups_claim,
            name_claim: args.name_claim,
            authority: kept(args.authority_file, args.no_authority),
            label: args.label,
            effect: effect(args.dry_run),
        };
        let nothing = Self {
            issuer: None,
            client_id: None,
            secret: Kept::Stays,
            roles: Vec::new(),
            without: Vec::new(),
            scopes: Vec::new(),
            groups_claim: None,
            name_claim: None,
            authority: Kept::Stays,
            label: None,
            effect: change.effect,
        };
        if change == nothing {
            return Err(Failure::usage(anyhow!("nothing to change was named; see: portward oidc set --help")));
        }
        Ok(change)
    }

    /// All settings, over those that are there.
    fn over(self, before: Option<OidcView>) -> Result<OidcSet, Failure> {
        let missing = |flag: &str| {
            Failure::usage(anyhow!("no provider is set yet, so {flag} is needed; see: portward oidc set --help"))
        };
        let (issuer, client_id) = match &before {
            Some(before) => (
                self.issuer.unwrap_or_else(|| before.issuer.clone()),
                self.client_id.unwrap_or_else(|| before.client_id.clone()),
            ),
            None => {
                (self.issuer.ok_or_else(|| missing("--issuer"))?, self.client_id.ok_or_else(|| missing("--client-id"))?)
            }
        };
        let mut roles = before.as_ref().map(|before| before.roles.clone()).unwrap_or_default();
        roles.retain(|group, _| !self.without.contains(group));
        roles.extend(self.roles);
        let client_secret = match self.secret {
            Kept::Stays => None,
            Kept::Goes => Some(SecretText::new(String::new())),
            Kept::Becomes(file) => Some(secret_file::read(&file, "the secret of the client")?),
        };
        let authority = match self.authority {
            Kept::Stays => before.as_ref().and_then(|before| before.authority.clone()),
            Kept::Goes => None,
            Kept::Becomes(file) => Some(authorities::read(&file, "--authority-file")?),
        };
        let stays =
            |new: Option<String>, old: fn(&OidcView) -> &String| new.or_else(|| before.as_ref().map(old).cloned());
        Ok(OidcSet {
            issuer,
            client_id,
            client_secret,
            scopes: match self.scopes.is_empty() {
                true => before.as_ref().map(|before| before.scopes.clone()),
                false => Some(self.scopes),
            },
            groups_claim: stays(self.groups_claim, |view| &view.groups_claim),
            name_claim: stays(self.name_claim, |view| &view.name_claim),
            roles,
            authority,
            label: stays(self.label, |view| &view.label),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn change(words: &[&str]) -> Result<OidcChange, Failure> {
        let args = Args::try_parse_from([&["portward", "oidc", "set"], words].concat()).unwrap();
        let Command::Oidc(OidcCommand::Set(args)) = args.command else { panic!("{words:?}") };
        OidcChange::parse(*args)
    }

    fn view() -> OidcView {
        OidcView {
            issuer: "https://login.test".to_owned(),
            client_id: "portward".to_owned(),
            client_secret: true,
            scopes: vec!["openid".to_owned(), "groups".to_owned()],
            groups_claim: "groups".to_owned(),
            name_claim: "email".to_owned(),
            roles: [("ops".to_owned(), "operator".to_owned())].into(),
            authority: None,
            label: "Northmole".to_owned(),
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        let set = change(&["--role", "CN=Admins,DC=shop=owner", "--unset-role", "ops"]).unwrap().over(Some(view()));
        let set = set.unwrap();
        assert_eq!(set.roles, [("CN=Admins,DC=shop".to_owned(), "owner".to_owned())].into());
        assert_eq!((set.issuer.as_str(), set.name_claim.as_deref()), ("https://login.test", Some("email")));
        assert_eq!((set.client_secret, set.scopes), (None, Some(view().scopes)));
    }

    #[test]
    fn the_first_provider_is_named_whole() {
        let refused = change(&["--issuer", "https://login.test"]).unwrap().over(None).unwrap_err().to_string();
        assert!(refused.contains("--client-id is needed"), "{refused}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
        for words in [&[][..], &["--issuer", "http://login.test"], &["--role", "ops"], &["--role", "ops=root"]] {
            assert!(change(words).is_err(), "{words:?}");
        }
    }
}
