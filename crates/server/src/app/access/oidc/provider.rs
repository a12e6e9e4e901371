//! What is asked of a provider: what it says of itself, its keys, and what a code is worth.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portward_core::{OidcIssuer, Revision, Timestamp};
use portward_store::access::StoredOidc;
use serde_json::Value;
use zeroize::Zeroizing;

use super::id_token::{Claims, Keys};
use crate::{
    app::AppError,
    outgoing::{Address, Outgoing, SendError, shortened},
};

/// Remembers what the provider said last, so that it is not asked for each sign-in.
#[derive(Default)]
pub(super) struct Providers {
    known: Mutex<Option<Known>>,
}

struct Known {
    /// Of the settings by which it was asked.
    settings: Revision,
    provider: Arc<Provider>,
    keys: Arc<Keys>,
    /// When it was asked.
    at: Timestamp,
    /// When it was last asked for its keys.
    keys_at: Timestamp,
}

/// Is what a provider says of itself (OpenID Connect Discovery section 3).
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) issuer: OidcIssuer,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    jwks_uri: String,
    /// Whether each answer names the provider (RFC 9207 section 3).
    pub(super) names_itself: bool,
    auth_methods: Option<Vec<String>>,
    /// Whether it says which proofs of the same client it knows, and `S256` is not among them.
    pub(super) lacks_pkce: bool,
    /// What it says that it supports, where that is said.
    pub(super) scopes: Option<Vec<String>>,
    authority: Option<String>,
}

/// Is what a code was worth.
pub(super) struct Tokens {
    pub(super) id_token: Zeroizing<String>,
    access_token: Option<Zeroizing<String>>,
}

impl Providers {
    /// What the provider of the settings says of itself, and its keys.
    pub(super) async fn get(
        &self,
        settings: Revision,
        oidc: &StoredOidc,
        now: Timestamp,
    ) -> Result<(Arc<Provider>, Arc<Keys>), AppError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|known| {
            let counts = known.settings == settings && now.since(known.at) < COUNTS_FOR && known.at <= now;
            counts.then(|| (Arc::clone(&known.provider), Arc::clone(&known.keys)))
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let provider = Arc::new(Provider::discover(oidc).await?);
        let keys = Arc::new(provider.keys().await?);
        let known = Known { settings, provider: Arc::clone(&provider), keys: Arc::clone(&keys), at: now, keys_at: now };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok((provider, keys))
    }

    /// The keys as they are now, for a token whose key is not known; none if they were asked for a moment ago.
    pub(super) async fn newer_keys(
        &self,
        settings: Revision,
        provider: &Provider,
        now: Timestamp,
    ) -> Result<Option<Arc<Keys>>, AppError> {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(known) = known.as_mut().filter(|known| known.settings == settings) else { return Ok(None) };
            if now.since(known.keys_at) < KEYS_AGAIN_AFTER {
                return Ok(None);
            }
            // Before they are asked for, so that many at once ask once.
            known.keys_at = now;
        }
        let keys = Arc::new(provider.keys().await?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_mut().filter(|known| known.settings == settings) {
            known.keys = Arc::clone(&keys);
        }
        Ok(Some(keys))
    }
}

impl Provider {
    /// Asks a provider what it says of itself.
    pub(super) async fn discover(oidc: &StoredOidc) -> Result<Self, AppError> {
        let (issuer, url) = (&oidc.issuer, oidc.issuer.configuration_url());
        let said = get(&url, oidc.issuer.is_plain(), oidc.authority.as_deref(), None).await?;
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        let missing = |name: &str| {
            refused(
                "oidc-provider-unusable",
                format!(
                    "{url} does not say \"{name}\", which sign-ins need; the address may be of something else than an OpenID provider"
                ),
            )
        };
        let own = text("issuer").ok_or_else(|| missing("issuer"))?;
        if own != issuer.as_str() {
            let message = format!(
                "the provider at {issuer} calls itself \"{own}\", and each character counts; if that is the right one: portward oidc set --issuer {own}"
            );
            return Err(refused("oidc-issuer-mismatch", message));
        }
        let endpoint = |name: &str| {
            let url = text(name);
            if let Some(url) = url.as_deref().filter(|url| !issuer.may_name(url)) {
                let message = format!("the provider at {issuer} names \"{url}\" as its {name}, which is no https URL");
                return Err(refused("oidc-provider-unusable", message));
            }
            Ok(url)
        };
        let list = |name: &str| {
            let all = said.get(name)?.as_array()?;
            Some(all.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
        };
        if list("response_types_supported").is_some_and(|all| !all.iter().any(|one| one == "code")) {
            let message = format!(
                "the provider at {issuer} gives out no codes (response type \"code\"), by which users sign in here"
            );
            return Err(refused("oidc-provider-unusable", message));
        }
        let flag = |name: &str| said.get(name).and_then(Value::as_bool).unwrap_or_default();
        Ok(Self {
            issuer: issuer.clone(),
            authorization_endpoint: endpoint("authorization_endpoint")?
                .ok_or_else(|| missing("authorization_endpoint"))?,
            token_endpoint: endpoint("token_endpoint")?.ok_or_else(|| missing("token_endpoint"))?,
            userinfo_endpoint: endpoint("userinfo_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?.ok_or_else(|| missing("jwks_uri"))?,
            names_itself: flag("authorization_response_iss_parameter_supported"),
            auth_methods: list("token_endpoint_auth_methods_supported"),
            lacks_pkce: list("code_challenge_methods_supported")
                .is_some_and(|all| !all.iter().any(|one| one == "S256")),
            scopes: list("scopes_supported"),
            authority: oidc.authority.clone(),
        })
    }

    /// Asks for the keys by which it signs.
    pub(super) async fn keys(&self) -> Result<Keys, AppError> {
        let said = get(&self.jwks_uri, self.issuer.is_plain(), self.authority.as_deref(), None).await?;
        let keys = Keys::parse(&said).filter(|keys| !keys.described().is_empty());
        keys.ok_or_else(|| {
            let message = format!(
                "{} has no key by which a signature with RS256, PS256, ES256 or EdDSA could be checked",
                self.jwks_uri
            );
            refused("oidc-provider-unusable", message)
        })
    }

    /// Redeems a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(super) async fn redeem(
        &self,
        client_id: &str,
        secret: Option<&str>,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<Tokens, AppError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let takes = |method: &str| self.auth_methods.as_ref().is_none_or(|all| all.iter().any(|one| one == method));
        let mut basic = None;
        match secret {
            None => fields.push(("client_id", client_id)),
            // It is what a provider takes that does not say (OpenID Connect Discovery section 3).
            Some(secret) if takes("client_secret_basic") => {
                let pair = Zeroizing::new(format!("{}:{}", encoded(client_id), encoded(secret)));
                basic = Some(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
            }
            Some(secret) => fields.extend([("client_id", client_id), ("client_secret", secret)]),
        }
        let address = address(&self.token_endpoint, self.issuer.is_plain(), self.authority.as_deref())?;
        let mut post = Outgoing::form(&address, form(&fields)).at_most(MOST);
        accept_json(&mut post);
        if let Some(basic) = basic {
            authorize(&mut post, &basic)?;
        }
        let (status, said) = exchange(post, &self.token_endpoint).await?;
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        match (status.is_success(), text("id_token")) {
            (true, Some(id_token)) => Ok(Tokens {
                id_token: Zeroizing::new(id_token.to_owned()),
                access_token: text("access_token").map(|token| Zeroizing::new(token.to_owned())),
            }),
            (true, None) => {
                let message = "the provider gave no ID token for the code; the scope openid is missing, or it is no OpenID provider";
                Err(refused("oidc-provider-unusable", message))
            }
            (false, _) => Err(self.not_redeemed(client_id, status, &said)),
        }
    }

    fn not_redeemed(&self, client_id: &str, status: StatusCode, said: &Value) -> AppError {
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(shown).unwrap_or_default();
        let (error, description) = (text("error"), text("error_description"));
        let said = if description.is_empty() { error.clone() } else { format!("{error}: {description}") };
        if error == "invalid_client" || status == StatusCode::UNAUTHORIZED {
            let message = format!(
                "the provider at {} does not take the client \"{client_id}\" or its secret ({said}); give both as it has them: portward oidc set --client-id ID --client-secret-file FILE",
                self.issuer
            );
            return refused("oidc-client-refused", message);
        }
        if error == "invalid_grant" {
            let message = format!(
                "the provider at {} does not take its code any more ({said}); it took too long, or was used. Sign in again",
                self.issuer
            );
            return refused("oidc-code-refused", message);
        }
        let message = format!("the provider at {} did not redeem the code: {status} {said}", self.issuer);
        refused("oidc-provider-refused", message)
    }

    /// Asks for what is said of a user, of whom a token says less (OpenID Connect Core section 5.3).
    pub(super) async fn userinfo(&self, tokens: &Tokens, subject: &str) -> Result<Option<Claims>, AppError> {
        let (Some(url), Some(token)) = (&self.userinfo_endpoint, &tokens.access_token) else { return Ok(None) };
        let said = get(url, self.issuer.is_plain(), self.authority.as_deref(), Some(token)).await?;
        let Value::Object(claims) = said else { return Ok(None) };
        // Section 5.3.2: else it is of somebody else.
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            let message = format!("{url} told of somebody else than who signs in; nothing of it counts");
            return Err(refused("oidc-provider-unusable", message));
        }
        Ok(Some(claims))
    }
}

/// Asks for JSON.
async fn get(
    url: &str,
    may_be_plain: bool,
    authority: Option<&str>,
    token: Option<&Zeroizing<String>>,
) -> Result<Value, AppError> {
    let address = address(url, may_be_plain, authority)?;
    let mut ask = Outgoing::get(&address).at_most(MOST);
    accept_json(&mut ask);
    if let Some(token) = token {
        authorize(&mut ask, &format!("Bearer {}", token.as_str()))?;
    }
    let (status, said) = exchange(ask, url).await?;
    if !status.is_success() {
        let message = format!("{url} answers with {status}; the issuer may be spelt differently, as {ISSUER_EXAMPLES}");
        return Err(refused("oidc-provider-unusable", message));
    }
    Ok(said)
}

/// What came back, as JSON; null if it is none and no success.
async fn exchange(outgoing: Outgoing<'_>, url: &str) -> Result<(StatusCode, Value), AppError> {
    let sent = tokio::time::timeout(LONGEST, outgoing.send()).await;
    let late = || SendError::new(format!("there was no answer within {} s", LONGEST.as_secs()));
    let answer = sent.unwrap_or_else(|_| Err(late())).map_err(|error| down(url, &error.said))?;
    match serde_json::from_slice(&answer.body) {
        Ok(said) => Ok((answer.status, said)),
        Err(_) if !answer.is_success() => Ok((answer.status, Value::Null)),
        Err(_) => {
            let message = format!(
                "{url} does not answer with JSON; the address may be of something else than an OpenID provider"
            );
            Err(refused("oidc-provider-unusable", message))
        }
    }
}

fn address(url: &str, may_be_plain: bool, authority: Option<&str>) -> Result<Address, AppError> {
    Address::parse(url, may_be_plain, authority).map_err(|(setting, expected)| {
        let message = format!("{}: \"{}\" is not {expected}", setting.unwrap_or("issuer"), shown(url));
        AppError::refused("invalid-value", message)
    })
}

fn accept_json(outgoing: &mut Outgoing<'_>) {
    outgoing.headers.push((header::ACCEPT, HeaderValue::from_static("application/json")));
}

fn authorize(outgoing: &mut Outgoing<'_>, text: &str) -> Result<(), AppError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| refused("oidc-provider-unusable", "what proves a request cannot stand in a header"))?;
    value.set_sensitive(true);
    outgoing.headers.push((header::AUTHORIZATION, value));
    Ok(())
}

/// Fields as a form has them.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    fields.join("&")
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// What somebody else says, as far as it is worth showing.
pub(super) fn shown(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shortened(plain.trim(), SHOWN)
}

fn down(url: &str, said: &str) -> AppError {
    let message = format!(
        "the provider cannot be asked at {}: {}. Whoever has a password here signs in with it meanwhile; once the provider answers again: portward oidc test",
        shown(url),
        said.trim_end_matches('.')
    );
    AppError::new(StatusCode::BAD_GATEWAY, "oidc-provider-down", message)
}

/// The provider is not as it must be; it is not who asks whose fault that is.
pub(super) fn refused(code: &'static str, message: impl Into<String>) -> AppError {
    AppError::new(StatusCode::BAD_GATEWAY, code, message)
}

/// All but what RFC 3986 section 2.3 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ISSUER_EXAMPLES: &str = "https://HOST/realms/REALM of Keycloak, or https://HOST/application/o/SLUG/ of Authentik";
/// What a provider says of itself seldom changes; an hour is what many say it may be kept.
const COUNTS_FOR: Duration = Duration::from_secs(3600);
/// Providers change keys some times a year, and strangers can make up ids of keys.
const KEYS_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Somebody looks at an empty window meanwhile.
const LONGEST: Duration = Duration::from_secs(10);
/// The keys of a large provider have some 20 KB.
const MOST: usize = 256 * 1024;
const SHOWN: usize = 200;
