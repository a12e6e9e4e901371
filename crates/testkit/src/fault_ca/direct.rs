//! The CA as a [`CertificateAuthority`]: no HTTP, no signatures of requests, no waiting.
//!
//! Faults come out as the errors that the client over HTTP makes of them. A bad nonce is tried again, as it does.

use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use portward_certs::acme::{
    AccountKey, Authorization, AuthorizationStatus, CertificateAuthority, Challenge, DirectoryFacts, IssuedChain,
    NewAccount, NewOrder, Order, RegisteredAccount, RenewalAnswer, RevocationReason, RollOverError,
};
use portward_core::{
    HostPattern, Timestamp,
    acme::{CaError, CaErrorKind, ChallengeKind},
};
use serde_json::{Value, json};

use super::{
    Endpoint, FaultCa, base64url,
    orders::Wish,
    perform::{About, Done, Failure, Refusal, Told},
    signer::certificate_id,
    state::{State, no_account},
    thumbprint,
};

/// Is a call on its way: what for, where, and by whom.
struct Call<'a> {
    doing: &'static str,
    endpoint: Endpoint,
    url: &'a str,
    account: Option<&'a RegisteredAccount>,
}

impl FaultCa {
    /// Takes a call, and again where a nonce was bad.
    #[expect(clippy::result_large_err, reason = "it is the error of the trait")]
    fn call<T>(
        &self,
        call: Call<'_>,
        about: impl Fn() -> About,
        act: impl Fn(&mut State, u64, Timestamp) -> Result<Told<T>, Refusal>,
    ) -> Result<Done<T>, CaError> {
        let thumbprint =
            call.account.map(|account| self.public(&account.key).map(|(thumbprint, _)| thumbprint)).transpose();
        let thumbprint = thumbprint.map_err(|why| call.error(CaErrorKind::Unsupported(why), None, None))?;
        let account = call.account.and_then(|account| last_number(&account.url));
        let mut tries = 0;
        loop {
            let done = self.perform(call.endpoint, account, about(), |state, now| {
                if let Some(thumbprint) = &thumbprint {
                    // The signature would not be that of the account's key.
                    let known = account.and_then(|id| state.accounts.get(&id));
                    known.filter(|known| known.thumbprint == *thumbprint).ok_or_else(no_account)?;
                }
                act(state, account.unwrap_or_default(), now)
            });
            tries += 1;
            match done {
                Ok(done) if done.cut => {
                    let why = "EOF while parsing a value".to_owned();
                    let kind = CaErrorKind::Malformed { why, body: "{\"status\": \"".to_owned() };
                    return Err(call.error(kind, Some(200), None));
                }
                Ok(done) => return Ok(done),
                Err(Failure::Refused(refusal)) if refusal.problem.word() == "badNonce" && tries < NONCE_TRIES => {}
                Err(failure) => return Err(call.failed(failure)),
            }
        }
    }

    /// Thumbprint and JWK of a key.
    fn public(&self, key: &AccountKey) -> Result<(String, Value), String> {
        let der = key.as_pkcs8_der();
        if let Some(known) = self.lock().thumbprints.get(der) {
            return Ok(known.clone());
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| "the account key is not ECDSA on P-256".to_owned())?;
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (base64url(x), base64url(y));
        let made = (thumbprint(&x, &y), json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }));
        self.lock().thumbprints.insert(der.to_vec(), made.clone());
        Ok(made)
    }
}

#[async_trait]
impl CertificateAuthority for FaultCa {
    async fn directory(&self) -> Result<DirectoryFacts, CaError> {
        let call = Call { doing: "reading the directory", endpoint: Endpoint::Directory, url: BASE, account: None };
        let act = |state: &mut State, _, now| {
            let config = &state.config;
            let profiles = config.profiles.iter();
            Ok(Told::at_once(DirectoryFacts {
                terms_of_service: Some(format!("{BASE}/terms")),
                website: Some(BASE.to_owned()),
                caa_identities: vec!["fault-ca.test".to_owned()],
                external_account_required: config.eab.is_some(),
                profiles: profiles.map(|(name, lifetime)| (name.clone(), format!("{lifetime:?}"))).collect(),
                has_renewal_info: config.ari.is_some(),
                date: Some(now),
            }))
        };
        self.call(call, || About::Nothing, act).map(|done| done.value)
    }

    async fn register(&self, new: &NewAccount) -> Result<RegisteredAccount, CaError> {
        let call = Call { doing: "asking for an account", endpoint: Endpoint::NewAccount, url: BASE, account: None };
        let (thumbprint, jwk) =
            self.public(&new.key).map_err(|why| call.error(CaErrorKind::Unsupported(why), None, None))?;
        let act = |state: &mut State, _, _| {
            if !state.by_thumbprint.contains_key(&thumbprint) {
                if !new.terms_agreed {
                    return Err(Refusal::new(400, "malformed", "must agree to terms of service"));
                }
                if let Some((key_id, mac_key)) = &state.config.eab {
                    let Some(eab) = &new.eab else {
                        let detail = "this CA requires an external account binding";
                        return Err(Refusal::new(403, "externalAccountRequired", detail));
                    };
                    if eab.key_id != *key_id || *eab.mac_key != *mac_key {
                        let detail = "the external account binding is not one of ours";
                        return Err(Refusal::new(403, "unauthorized", detail));
                    }
                }
            }
            Ok(Told::at_once(state.register(&thumbprint, jwk.clone(), new.contacts.clone()).0))
        };
        let done = self.call(call, || About::Nothing, act)?;
        Ok(RegisteredAccount { url: url("account", done.value), key: new.key.clone() })
    }

    async fn roll_over(&self, account: &RegisteredAccount, new: &AccountKey) -> Result<(), RollOverError> {
        let doing = "giving the account a new key";
        let call = Call { doing, endpoint: Endpoint::KeyChange, url: &account.url, account: Some(account) };
        let (thumbprint, jwk) = self.public(new).unwrap();
        let act = |state: &mut State, id, _| state.roll_over(id, &thumbprint, jwk.clone()).map(Told::at_once);
        let Err(error) = self.call(call, || About::Nothing, act) else { return Ok(()) };
        if error.status.is_none() {
            return Err(RollOverError::Unsure(error));
        }
        let owner = self.lock().by_thumbprint.get(&thumbprint).copied();
        if owner.is_some() && owner == last_number(&account.url) { Ok(()) } else { Err(RollOverError::Refused(error)) }
    }

    async fn new_order(&self, account: &RegisteredAccount, new: &NewOrder) -> Result<Order, CaError> {
        let doing = "asking for a new order";
        let call = Call { doing, endpoint: Endpoint::NewOrder, url: BASE, account: Some(account) };
        let replaces = match &new.replaces {
            None => None,
            Some(leaf) => Some(certificate_id(leaf).ok_or_else(|| {
                let why = "the certificate to replace has no authority key identifier".to_owned();
                call.error(CaErrorKind::Unsupported(why), None, None)
            })?),
        };
        let wish = Wish { names: new.names.clone().into(), profile: new.profile.clone(), replaces };
        let about = || About::Names { names: wish.names.to_vec(), replaces: wish.replaces.clone() };
        let act = |state: &mut State, account, now| {
            let id = state.new_order(account, &wish, now)?;
            shown(state, account, Told::at_once(id))
        };
        self.call(call, about, act).map(|done| done.value)
    }

    async fn find_order(&self, account: &RegisteredAccount, names: &[HostPattern]) -> Result<Option<Order>, CaError> {
        if !self.lock().config.orders_list {
            return Ok(None);
        }
        let doing = "reading the orders of the account";
        let call = Call { doing, endpoint: Endpoint::Orders, url: &account.url, account: Some(account) };
        let about = || About::Names { names: names.to_vec(), replaces: None };
        let act = |state: &mut State, account, now| match state.find_order(account, names, now)? {
            Some(id) => shown(state, account, Told::at_once(id)).map(|told| Told::at_once(Some(told.value))),
            None => Ok(Told::at_once(None)),
        };
        self.call(call, about, act).map(|done| done.value)
    }

    async fn order(&self, account: &RegisteredAccount, url: &str) -> Result<Order, CaError> {
        let call = Call { doing: "reading an order", endpoint: Endpoint::Order, url, account: Some(account) };
        let order = last_number(url).unwrap_or_default();
        let act = |state: &mut State, account, now| {
            let told = state.read_order(account, order, now)?;
            shown(state, account, told)
        };
        self.call(call, || About::Order(order), act).map(|done| done.value)
    }

    async fn authorization(&self, account: &RegisteredAccount, url: &str) -> Result<Authorization, CaError> {
        let doing = "reading an authorization";
        let call = Call { doing, endpoint: Endpoint::Authorization, url, account: Some(account) };
        let authorization = last_number(url).unwrap_or_default();
        let about = || About::Authorization(authorization);
        let act = |state: &mut State, id, now| {
            let wait = state.read_authorization(id, authorization, now)?.retry_after;
            let thumbprint = state.account(id)?.thumbprint.clone();
            let seen = state.own_authorization(id, authorization)?;
            // A valid or failed authorization shows nothing but the challenge that made it so, as Boulder does.
            let is_pending = seen.status == AuthorizationStatus::Pending;
            let shown = seen.challenges.iter().filter(|one| is_pending || one.is_decided());
            let challenges = shown.map(|one| Challenge {
                kind: one.kind,
                status: one.status,
                token: one.token.clone(),
                key_authorization: format!("{}.{thumbprint}", one.token),
                error: one.error.clone(),
            });
            let (name, status, challenges) = (seen.name.clone(), seen.status, challenges.collect());
            let value = Authorization { url: url.to_owned(), name, status, challenges, retry_after: wait };
            Ok(Told { value, retry_after: wait })
        };
        self.call(call, about, act).map(|done| done.value)
    }

    async fn answer(
        &self,
        account: &RegisteredAccount,
        authorization: &str,
        kind: ChallengeKind,
    ) -> Result<(), CaError> {
        let doing = "answering a challenge";
        let call = Call { doing, endpoint: Endpoint::Challenge, url: authorization, account: Some(account) };
        let id = last_number(authorization).unwrap_or_default();
        let act = |state: &mut State, account, now| {
            let mut told = state.answer(account, id, kind, now)?;
            if let Some(look) = told.value.take() {
                self.look_for_real(&state.config.validation, id, look);
            }
            Ok(told)
        };
        self.call(call, || About::Authorization(id), act).map(|_| ())
    }

    async fn finalize(&self, account: &RegisteredAccount, order: &str, csr_der: &[u8]) -> Result<Order, CaError> {
        let doing = "finalizing an order";
        let call = Call { doing, endpoint: Endpoint::Finalize, url: order, account: Some(account) };
        let id = last_number(order).unwrap_or_default();
        let act = |state: &mut State, account, now| {
            let told = state.finalize(account, id, csr_der, now)?;
            shown(state, account, told)
        };
        self.call(call, || About::Order(id), act).map(|done| done.value)
    }

    async fn certificate(&self, account: &RegisteredAccount, order: &str) -> Result<Vec<IssuedChain>, CaError> {
        let doing = "downloading a certificate";
        let call = Call { doing, endpoint: Endpoint::Certificate, url: order, account: Some(account) };
        let id = last_number(order).unwrap_or_default();
        let act = |state: &mut State, account, _| state.chains(account, id).map(Told::at_once);
        let done = self.call(call, || About::Order(id), act)?;
        Ok(done.value.into_iter().map(|pem| IssuedChain { pem }).collect())
    }

    async fn revoke(
        &self,
        account: &RegisteredAccount,
        leaf_der: &[u8],
        _reason: RevocationReason,
    ) -> Result<(), CaError> {
        let doing = "revoking a certificate";
        let call = Call { doing, endpoint: Endpoint::Revoke, url: BASE, account: Some(account) };
        let id = certificate_id(leaf_der).unwrap_or_default();
        let act = |state: &mut State, account, _| state.revoke(Some(account), &id).map(Told::at_once);
        self.call(call, || About::Certificate(id.clone()), act).map(|_| ())
    }

    async fn renewal_info(&self, leaf_der: &[u8]) -> Result<RenewalAnswer, CaError> {
        let doing = "asking when to renew";
        let call = Call { doing, endpoint: Endpoint::RenewalInfo, url: BASE, account: None };
        let Some(id) = certificate_id(leaf_der) else {
            let why = "the certificate has no authority key identifier".to_owned();
            return Err(call.error(CaErrorKind::Unsupported(why), None, None));
        };
        if self.lock().config.ari.is_none() {
            let why = "the CA has no renewalInfo in its directory".to_owned();
            return Err(call.error(CaErrorKind::Unsupported(why), None, None));
        }
        let act = |state: &mut State, _, now| state.renewal(&id, now);
        self.call(call, || About::Certificate(id.clone()), act).map(|done| done.value)
    }
}

impl Call<'_> {
    fn failed(&self, failure: Failure) -> CaError {
        match failure {
            Failure::Refused(refusal) => {
                self.error(CaErrorKind::Problem(refusal.problem), Some(refusal.status), refusal.retry_after)
            }
            Failure::Html(status) => {
                let kind =
                    CaErrorKind::Malformed { why: "expected value at line 1 column 1".to_owned(), body: html(status) };
                self.error(kind, Some(status), None)
            }
            Failure::Hang => self.error(CaErrorKind::TimedOut, None, None),
            Failure::Closed => {
                let why = "the connection was closed before there was an answer".to_owned();
                self.error(CaErrorKind::Unreachable(why), None, None)
            }
        }
    }

    fn error(&self, kind: CaErrorKind, status: Option<u16>, retry_after: Option<Duration>) -> CaError {
        CaError { doing: self.doing, url: self.url.to_owned(), kind, status, retry_after }
    }
}

/// An order of the account, as the client sees it.
fn shown(state: &mut State, account: u64, told: Told<u64>) -> Result<Told<Order>, Refusal> {
    let Told { value: id, retry_after } = told;
    let order = state.own_order(account, id)?;
    let value = Order {
        url: url("order", id),
        status: order.status,
        authorizations: order.authorizations.iter().map(|id| url("authz", *id)).collect(),
        error: order.error.clone(),
        retry_after,
    };
    Ok(Told { value, retry_after })
}

fn url(path: &str, id: u64) -> String {
    format!("{BASE}/{path}/{id}")
}

/// The page of a load balancer.
pub(super) fn html(status: u16) -> String {
    format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body><center><h1>{status}</h1></center></body>\r\n</html>"
    )
}

/// The number at the end of a URL of ours.
pub(super) fn last_number(url: &str) -> Option<u64> {
    url.rsplit('/').next()?.parse().ok()
}

/// How often a call is made where the nonce is bad each time.
const NONCE_TRIES: u32 = 3;

/// Nobody listens there.
const BASE: &str = "https://fault-ca.test";
