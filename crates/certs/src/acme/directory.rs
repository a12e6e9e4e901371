//! A CA over HTTPS, found by the URL of its directory.
//!
//! instant-acme makes the requests that it has: new orders, reading and finalizing them, downloads, revocation. For the
//! others there are [`jws`] and [`objects`]. All of them go through a [`call::Call`], which sees every answer.
#![allow(
    clippy::result_large_err,
    reason = "it is the error of the trait, made at most once in a call of milliseconds"
)]

mod account;
mod authorizations;
mod call;
mod certificates;
mod failed;
mod jws;
mod objects;
mod orders;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portward_core::{
    HostPattern,
    acme::{CaError, ChallengeKind, DirectoryTrust},
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::{
    call::{Call, Nonces},
    jws::Signer,
    objects::{Meta, Urls},
};
use super::{
    AccountKey, Authorization, CertificateAuthority, DirectoryFacts, IssuedChain, NewAccount, NewOrder, Order,
    RegisteredAccount, RenewalAnswer, RevocationReason, RollOverError,
    http::{HttpTimeouts, HttpsClient, TrustError},
};

/// Is a CA over HTTPS.
///
/// Calls may run beside each other. Connections and nonces are kept between them, and the directory for an hour.
pub struct Directory {
    url: String,
    https: Arc<HttpsClient>,
    nonces: Arc<Nonces>,
    read: Mutex<Option<(Arc<Urls>, Instant)>>,
}

/// Says where a directory is, and how it is asked.
#[derive(Clone, Debug)]
pub struct DirectoryOptions {
    /// Its URL; https only.
    pub url: String,
    /// Who vouches for the certificate of its server.
    pub trust: DirectoryTrust,
    /// How long it may take.
    pub timeouts: HttpTimeouts,
}

/// Says why a directory cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It is no https URL with a host.
    #[error("the directory \"{0}\" is not a URL like https://ca.example/directory")]
    Url(String),
    /// Nobody can vouch for it.
    #[error("the certificate of the directory {url} could not be verified")]
    Trust {
        /// The directory.
        url: String,
        /// Why.
        #[source]
        source: TrustError,
    },
}

impl DirectoryOptions {
    /// Takes a URL and who vouches for it, with the time-outs that suit public CAs.
    pub fn new(url: impl Into<String>, trust: DirectoryTrust) -> Self {
        Self { url: url.into(), trust, timeouts: HttpTimeouts::default() }
    }
}

impl Directory {
    /// Takes the options; nothing is asked yet.
    pub fn new(options: DirectoryOptions) -> Result<Self, DirectoryError> {
        let DirectoryOptions { url, trust, timeouts } = options;
        let parsed = url.parse::<::http::Uri>().ok();
        let usable = parsed.is_some_and(|parsed| {
            parsed.scheme() == Some(&::http::uri::Scheme::HTTPS) && parsed.host().is_some_and(|host| !host.is_empty())
        });
        if !usable {
            return Err(DirectoryError::Url(url));
        }
        let https = HttpsClient::new(&trust, timeouts);
        let https = https.map_err(|source| DirectoryError::Trust { url: url.clone(), source })?;
        Ok(Self { url, https: Arc::new(https), nonces: Arc::default(), read: Mutex::default() })
    }

    async fn facts(&self) -> Result<DirectoryFacts, CaError> {
        let call = self.call_without_directory("reading the directory");
        let answer = call.get(&self.url).await?;
        let urls: Urls = call.read(&answer)?;
        #[derive(serde::Deserialize)]
        struct WithMeta {
            #[serde(default)]
            meta: Meta,
        }
        let WithMeta { meta } = call.read(&answer)?;
        let facts = DirectoryFacts {
            terms_of_service: meta.terms_of_service,
            website: meta.website,
            caa_identities: meta.caa_identities,
            external_account_required: meta.external_account_required,
            profiles: meta
                .profiles
                .into_iter()
                .map(|(name, description)| {
                    let description = description.as_str().map_or_else(|| description.to_string(), str::to_owned);
                    (name, description)
                })
                .collect(),
            has_renewal_info: urls.renewal_info.is_some(),
            date: answer.date(),
        };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::new(urls), Instant::now()));
        Ok(facts)
    }

    /// The URLs of the directory, which is read if that was not done in the last hour.
    async fn urls(&self) -> Result<Arc<Urls>, CaError> {
        let read = || self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match read() {
            Some((urls, since)) if since.elapsed() < KEEP_DIRECTORY => return Ok(urls),
            _ => self.facts().await?,
        };
        // Set by the line above.
        read().map(|(urls, _)| urls).ok_or_else(|| failed::unsupported("reading the directory", &self.url, ""))
    }

    fn call_without_directory(&self, doing: &'static str) -> Arc<Call> {
        Call::new(doing, &self.https, &self.nonces, "")
    }

    fn call(&self, doing: &'static str, urls: &Urls) -> Arc<Call> {
        Call::new(doing, &self.https, &self.nonces, &urls.new_nonce)
    }

    fn signer(call: &Call, key: &AccountKey) -> Result<Signer, CaError> {
        Signer::new(key).map_err(|error| call.unsupported("", error.to_string()))
    }

    /// The library's account for one call. That costs no request, because it is given the URLs of the directory.
    async fn library_account(
        call: &Arc<Call>,
        urls: &Urls,
        account: &RegisteredAccount,
    ) -> Result<instant_acme::Account, CaError> {
        let failed = |error: &dyn fmt::Display| call.unsupported("", format!("the account cannot be used: {error}"));
        let text = |value: &str| serde_json::to_string(value).map_err(|error| failed(&error));
        let (id, urls) = (text(&account.url)?, serde_json::to_string(urls).map_err(|error| failed(&error))?);
        let key = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(account.key.as_pkcs8_der()));
        let credentials =
            Zeroizing::new(format!(r#"{{"id":{id},"key_pkcs8":"{}","directory":null,"urls":{urls}}}"#, *key));
        let credentials = serde_json::from_str(&credentials).map_err(|error| failed(&error))?;
        let builder = instant_acme::Account::builder_with_http(call.http_client());
        builder.from_credentials(credentials).await.map_err(|error| call.error(Some(&error)))
    }
}

#[async_trait]
impl CertificateAuthority for Directory {
    async fn directory(&self) -> Result<DirectoryFacts, CaError> {
        self.facts().await
    }

    async fn register(&self, new: &NewAccount) -> Result<RegisteredAccount, CaError> {
        self.register_account(new).await
    }

    async fn roll_over(&self, account: &RegisteredAccount, new: &AccountKey) -> Result<(), RollOverError> {
        self.change_key(account, new).await
    }

    async fn new_order(&self, account: &RegisteredAccount, new: &NewOrder) -> Result<Order, CaError> {
        self.ask_for_order(account, new).await
    }

    async fn find_order(&self, account: &RegisteredAccount, names: &[HostPattern]) -> Result<Option<Order>, CaError> {
        self.find_open_order(account, names).await
    }

    async fn order(&self, account: &RegisteredAccount, url: &str) -> Result<Order, CaError> {
        self.read_order("reading the order", account, url).await
    }

    async fn authorization(&self, account: &RegisteredAccount, url: &str) -> Result<Authorization, CaError> {
        self.read_authorization(account, url).await
    }

    async fn answer(
        &self,
        account: &RegisteredAccount,
        authorization: &str,
        kind: ChallengeKind,
    ) -> Result<(), CaError> {
        self.answer_challenge(account, authorization, kind).await
    }

    async fn finalize(&self, account: &RegisteredAccount, order: &str, csr_der: &[u8]) -> Result<Order, CaError> {
        self.finalize_order(account, order, csr_der).await
    }

    async fn certificate(&self, account: &RegisteredAccount, order: &str) -> Result<Vec<IssuedChain>, CaError> {
        self.download(account, order).await
    }

    async fn revoke(
        &self,
        account: &RegisteredAccount,
        leaf_der: &[u8],
        reason: RevocationReason,
    ) -> Result<(), CaError> {
        self.revoke_certificate(account, leaf_der, reason).await
    }

    async fn renewal_info(&self, leaf_der: &[u8]) -> Result<RenewalAnswer, CaError> {
        self.ask_when_to_renew(leaf_der).await
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A directory changes with the software of its CA; an hour later the new one is used at the latest.
const KEEP_DIRECTORY: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
