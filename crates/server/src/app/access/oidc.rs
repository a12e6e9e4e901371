//! Signing in at an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core section 3.1, RFC 9700).
//!
//! A user of a provider is who its `iss` and `sub` say, never who has some name; what role they have, their groups say
//! at each sign-in. Whoever has a password here needs nothing of this.

mod claims;
#[cfg(test)]
pub(crate) mod fake;
mod flows;
mod id_token;
mod provider;
mod returned;
#[cfg(test)]
mod signer;

use std::sync::atomic::Ordering;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use portward_api::SecretText;
use portward_core::{ActorKind, Identity, Role, User};
use portward_store::{
    access::{self, StoredOidc, StoredUser},
    change::{Change, Expected},
    desired::Stored,
    sealing::Sealer,
};
use serde_json::Value;
use zeroize::Zeroizing;

pub(crate) use self::returned::OidcReturn;

use self::{
    claims::{claim, name_of, role_of},
    flows::{Flow, Flows},
    id_token::{Claims, IdTokenError},
    provider::{Provider, Providers, form},
    returned::{check_issuer, code_of},
};
use super::{
    sha256,
    sign_in::{NewSession, Origin, too_many},
    throttle::{Guess, network},
};
use crate::app::{App, AppError, random_secret, users::new_user_id};

/// Is what is remembered of providers and of sign-ins there.
#[derive(Default)]
pub(super) struct Oidc {
    providers: Providers,
    flows: Flows,
}

/// Is a sign-in that has begun.
pub(crate) struct OidcBegun {
    /// Where the browser goes: to the provider.
    pub(crate) location: String,
    /// What it must show when it comes back.
    pub(crate) browser: SecretText,
}

/// Is what a provider is found to be.
pub(in crate::app) struct Found {
    provider: Provider,
    keys: Vec<String>,
}

impl Found {
    pub(in crate::app) fn view(&self, redirect_uris: Vec<String>, oidc: &StoredOidc) -> portward_api::OidcTested {
        let provider = &self.provider;
        let mut warnings = Vec::new();
        if provider.lacks_pkce {
            warnings.push("the provider does not say that it checks PKCE with S256, so a stolen code is worth more than it should be; turn it on for this client".to_owned());
        }
        let unknown = |scope: &&String| provider.scopes.as_ref().is_some_and(|all| !all.contains(*scope));
        for scope in oidc.scopes.iter().filter(unknown) {
            warnings.push(format!("the provider does not list the scope \"{scope}\", and may refuse it"));
        }
        if redirect_uris.is_empty() {
            warnings.push("the portal has no name with https yet, so people elsewhere cannot come back from the provider: portward site add NAME --upstream portal".to_owned());
        }
        portward_api::OidcTested {
            issuer: provider.issuer.to_string(),
            authorization_endpoint: provider.authorization_endpoint.clone(),
            token_endpoint: provider.token_endpoint.clone(),
            userinfo_endpoint: provider.userinfo_endpoint.clone(),
            keys: self.keys.clone(),
            redirect_uris,
            warnings,
        }
    }
}

impl App {
    /// What the button for signing in elsewhere says; none if there is no provider. Nobody is asked for it.
    pub(crate) async fn oidc_label(&self) -> Option<String> {
        match access::read_oidc(&*self.parts.store).await {
            Ok(stored) => stored.map(|stored| stored.value.label),
            Err(error) => {
                tracing::error!(error = crate::app::chain_text(&error), "the OpenID provider is left out");
                None
            }
        }
    }

    /// Asks a provider what it says of itself, and for its keys, whatever is remembered of it.
    pub(in crate::app) async fn ask_provider(&self, oidc: &StoredOidc) -> Result<Found, AppError> {
        let provider = Provider::discover(oidc).await?;
        let keys = provider.keys().await?.described();
        Ok(Found { provider, keys })
    }

    /// Begins a sign-in at the provider, for a browser that sees the portal at `here`, as in `https://portal.test`.
    pub(crate) async fn begin_oidc(&self, here: &str, next: String, origin: &Origin) -> Result<OidcBegun, AppError> {
        let now = self.now();
        let wait = self.access.throttle.wait(&Guess::from_there(origin.address), now);
        if !wait.is_zero() {
            return Err(too_many(wait));
        }
        let Stored { value: oidc, revision } = self.oidc().await?;
        let (provider, _) = self.access.oidc.providers.get(revision, &oidc, now).await?;
        let (state, nonce, verifier, browser) =
            (random_secret()?, random_secret()?, random_secret()?, random_secret()?);
        let challenge = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(challenge.as_ref());
        let redirect_uri = format!("{here}{CALLBACK}");
        let fields = form(&[
            ("response_type", "code"),
            ("client_id", &oidc.client_id),
            ("redirect_uri", &redirect_uri),
            ("scope", &oidc.scopes.join(" ")),
            ("state", state.expose()),
            ("nonce", nonce.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &provider.authorization_endpoint;
        let location = format!("{endpoint}{}{fields}", if endpoint.contains('?') { '&' } else { '?' });
        let flow = Flow {
            browser: sha256(browser.expose()),
            nonce,
            verifier,
            redirect_uri,
            next,
            settings: revision,
            network: origin.address.map(network),
            expires: now.plus(flows::LIFETIME),
        };
        self.access.oidc.flows.begin(sha256(state.expose()), flow, now);
        Ok(OidcBegun { location, browser })
    }

    /// Ends a sign-in at the provider: gives the session, and where to go on.
    pub(crate) async fn finish_oidc(
        &self,
        returned: &OidcReturn<'_>,
        origin: &Origin,
    ) -> Result<(NewSession, String), AppError> {
        // A state that nobody was given is nobody's guess, as it has 256 bits: any page can have its visitors' browsers ask
        // with one, and that must not shut their address out.
        let flow = self.take_flow(returned)?;
        let guess = Guess::from_there(origin.address);
        self.access.throttle.begin(&guess, self.now()).map_err(too_many)?;
        let finished = self.finish_flow(flow, returned, origin).await;
        match &finished {
            Ok(_) => self.access.throttle.succeeded(&guess),
            // It is nobody's guess that the provider is down.
            Err(error) if error.status().is_server_error() => self.access.throttle.succeeded(&guess),
            Err(error) => {
                self.access.refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    error.code = error.code(),
                    error = %error,
                    address = origin.address.map(tracing::field::display),
                    "a sign-in at the OpenID provider was refused"
                );
            }
        }
        finished
    }

    /// Takes out the sign-in that was begun in this browser.
    fn take_flow(&self, returned: &OidcReturn<'_>) -> Result<Flow, AppError> {
        let browser = returned.browser.map(sha256);
        let flow = self.access.oidc.flows.take(&sha256(returned.state), browser.as_ref(), self.now());
        flow.ok_or_else(|| {
            let message = "this sign-in is over: it took more than 10 minutes, was finished already, or was begun in another browser. Sign in again";
            AppError::new(StatusCode::FORBIDDEN, "oidc-state-expired", message)
        })
    }

    async fn finish_flow(
        &self,
        flow: Flow,
        returned: &OidcReturn<'_>,
        origin: &Origin,
    ) -> Result<(NewSession, String), AppError> {
        let now = self.now();
        let Stored { value: oidc, revision } = self.oidc().await?;
        if revision != flow.settings {
            let message = "how one signs in was changed meanwhile. Sign in again";
            return Err(AppError::new(StatusCode::FORBIDDEN, "oidc-state-expired", message));
        }
        let (provider, keys) = self.access.oidc.providers.get(revision, &oidc, now).await?;
        check_issuer(&provider, returned.issuer)?;
        let code = code_of(&provider, returned)?;
        let secret = self.oidc_secret(&oidc).await?;
        let tokens = provider
            .redeem(
                &oidc.client_id,
                secret.as_ref().map(|s| s.as_str()),
                code,
                flow.verifier.expose(),
                &flow.redirect_uri,
            )
            .await?;
        let expected = id_token::Expected {
            issuer: oidc.issuer.as_str(),
            client_id: &oidc.client_id,
            nonce: flow.nonce.expose(),
            // Asking took its time.
            now: self.now(),
        };
        let mut checked = id_token::verify(&tokens.id_token, &keys, &expected);
        if checked == Err(IdTokenError::UnknownKey)
            && let Some(newer) = self.access.oidc.providers.newer_keys(revision, &provider, now).await?
        {
            checked = id_token::verify(&tokens.id_token, &newer, &expected);
        }
        let mut claims = checked.map_err(|error| of_token(&provider, error))?;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        let has = |claims: &Claims, name: &str| claim(claims, name).is_some();
        if !(has(&claims, &oidc.groups_claim) && has(&claims, &oidc.name_claim))
            && let Some(more) = provider.userinfo(&tokens, &subject).await?
        {
            // What is signed counts more.
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        let identity = Identity { issuer: oidc.issuer.to_string(), subject };
        let session = self.begin_external(&oidc, &identity, &claims, origin).await?;
        Ok((session, flow.next))
    }

    /// Begins the session of somebody whom the provider vouches for; who comes for the first time becomes a user.
    async fn begin_external(
        &self,
        oidc: &StoredOidc,
        identity: &Identity,
        claims: &Claims,
        origin: &Origin,
    ) -> Result<NewSession, AppError> {
        let store = &*self.parts.store;
        let _deciding = self.decide().await;
        let found = access::find_identity(store, identity).await?;
        if let Some(known) = &found {
            super::refuse_disabled(&known.value)
                .map_err(|error| AppError::new(StatusCode::FORBIDDEN, error.code(), error.to_string()))?;
        }
        let role = role_of(oidc, claims)?;
        let (user, what, expected) = match found {
            Some(Stored { value: user, .. }) if user.user.role == role => (user, String::new(), None),
            Some(Stored { value: mut user, revision }) => {
                let what = format!(", change the role of user {} from {} to {role}", user.user.name, user.user.role);
                user.user.role = role;
                user.epoch += 1;
                (user, what, Some(Expected::At(revision)))
            }
            None => {
                let user = self.new_external(oidc, identity, claims, role).await?;
                let what = format!(", add user {} as {role}", user.user.name);
                (user, what, Some(Expected::Absent))
            }
        };
        let name = &user.user.name;
        let what = format!("sign in at {}{what}", oidc.issuer);
        let mut change = Change::new(name.to_string(), what, self.now()).by(ActorKind::User, origin.address);
        if let Some(expected) = expected {
            change.put_user(&user, expected);
            if expected == Expected::Absent {
                change.forget_sign_ins(name);
            }
        }
        let session = self.put_session(None, &mut change, &user, origin).await?;
        if let Some(address) = origin.address {
            self.parts.notices.sign_in(name.as_str(), address).await;
        }
        Ok(session)
    }

    async fn new_external(
        &self,
        oidc: &StoredOidc,
        identity: &Identity,
        claims: &Claims,
        role: Role,
    ) -> Result<StoredUser, AppError> {
        let name = name_of(oidc, claims)?;
        if let Some(other) = access::read_user(&*self.parts.store, &name).await? {
            let whose = match &other.value.identity {
                None => "signs in with a password here".to_owned(),
                Some(other) if other.issuer == identity.issuer => "is somebody else at the same provider".to_owned(),
                Some(other) => format!("signs in at {}", other.issuer),
            };
            let message = format!(
                "there is a user \"{name}\" already, who {whose}, and nobody becomes them by having their name. Have the provider send another name, or remove that user first: portward user remove {name}"
            );
            return Err(AppError::new(StatusCode::FORBIDDEN, "oidc-name-taken", message));
        }
        let user = User { name, role, email: None, is_disabled: false, created: self.now() };
        let (id, identity) = (new_user_id()?, Some(identity.clone()));
        Ok(StoredUser { user, id, epoch: 1, password: None, identity, second_factor: None })
    }

    /// The provider; 404 if there is none.
    pub(in crate::app) async fn oidc(&self) -> Result<Stored<StoredOidc>, AppError> {
        access::read_oidc(&*self.parts.store).await?.ok_or_else(|| {
            let message = "users sign in here alone; to have them sign in at an OpenID provider: portward oidc set --issuer URL --client-id ID --role GROUP=ROLE";
            AppError::new(StatusCode::NOT_FOUND, "not-found", message)
        })
    }

    /// What seals that secret; it is the same whatever else is desired.
    pub(in crate::app) async fn oidc_sealer(&self) -> Result<Sealer, AppError> {
        let served = self.served();
        match served.desired.cluster {
            Some(_) => self.sealer(&served.desired),
            // Nothing is served yet.
            None => self.sealer(&*self.desired().await?),
        }
    }

    /// The secret of the client, if it has one.
    pub(in crate::app) async fn oidc_secret(&self, oidc: &StoredOidc) -> Result<Option<Zeroizing<String>>, AppError> {
        let sealer = self.oidc_sealer().await?;
        let secret = access::open_oidc_secret(&sealer, oidc).map_err(|error| {
            let message =
                "the secret of the OpenID client does not open; give it again: portward oidc set --client-secret-file FILE";
            AppError::internal(message, error)
        })?;
        Ok(secret.map(|secret| Zeroizing::new(String::from_utf8_lossy(secret.expose()).into_owned())))
    }
}

/// What it means that a token does not count.
fn of_token(provider: &Provider, error: IdTokenError) -> AppError {
    let issuer = &provider.issuer;
    match error {
        IdTokenError::Time { .. } => {
            let message = format!(
                "the clocks of {issuer} and of this server differ: of its ID token it is said that {error}. Set both by NTP; timedatectl shows the one here"
            );
            AppError::new(StatusCode::FORBIDDEN, "oidc-clock", message)
        }
        IdTokenError::UnknownKey => {
            let message = format!("the ID token of {issuer} does not count: {error}. Sign in again in a minute");
            AppError::new(StatusCode::FORBIDDEN, "oidc-token-refused", message)
        }
        error => {
            let message = format!("the ID token of {issuer} does not count: {error}");
            AppError::new(StatusCode::FORBIDDEN, "oidc-token-refused", message)
        }
    }
}

/// Where a browser comes back to.
pub(crate) const CALLBACK: &str = "/sign-in/oidc/callback";

#[cfg(test)]
mod tests;
