//! What stands at which URL.

use std::convert::Infallible;

use http::{Method, header};
use portward_core::{Timestamp, acme::ChallengeKind};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    Asked, Nonce, Reply, Web,
    jws::{Key, Signed, SignedBy, decode, malformed},
    shapes::names,
};
use crate::fault_ca::{
    Endpoint,
    orders::Wish,
    perform::{About, Done, Failure, Refusal, Told},
    signer::certificate_id,
    state::State,
};

type Answer = Result<Reply, Failure>;

impl Web {
    pub(super) fn route(&self, asked: &Asked) -> Answer {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let is_read = matches!(asked.method, Method::GET | Method::HEAD);
        if !is_read && asked.method != Method::POST {
            return Err(Refusal::new(405, "malformed", "Method not allowed").into());
        }
        match (is_read, parts.as_slice()) {
            (true, ["directory"]) => {
                let done = self.read(Endpoint::Directory, About::Nothing, |state, _| Ok(self.directory(state)))?;
                Ok(Reply { nonce: Nonce::None, ..cut(done, 200) })
            }
            (true, ["new-nonce"]) => {
                self.read(Endpoint::NewNonce, About::Nothing, |_, _| Ok(Value::Null))?;
                let status = if asked.method == Method::HEAD { 200 } else { 204 };
                Ok(Reply { body: Vec::new(), ..Reply::json(status, &Value::Null) })
            }
            (true, ["renewal-info", id]) => self.renewal_info(id),
            (false, ["new-account"]) => self.new_account(asked),
            (false, ["new-order"]) => self.new_order(asked),
            (false, ["account", id]) => self.change_account(asked, number(id)?),
            (false, ["account", id, "orders"]) => self.orders(asked, number(id)?, query),
            (false, ["order", id]) => self.show_order(asked, number(id)?),
            (false, ["order", id, "finalize"]) => self.finalize(asked, number(id)?),
            (false, ["authz", id]) => self.show_authorization(asked, number(id)?),
            (false, ["challenge", id, kind]) => self.answer_challenge(asked, number(id)?, kind),
            (false, ["certificate", id]) => self.certificate(asked, number(id)?, 0),
            (false, ["certificate", id, chain]) => self.certificate(asked, number(id)?, number(chain)? as usize),
            (false, ["revoke-cert"]) => self.revoke(asked),
            (false, ["key-change"]) => self.change_key(asked),
            _ => Err(Refusal::new(404, "malformed", "Page not found").into()),
        }
    }

    fn read(
        &self,
        endpoint: Endpoint,
        about: About,
        act: impl FnOnce(&mut State, Timestamp) -> Result<Value, Refusal>,
    ) -> Result<Done<Value>, Failure> {
        self.ca.perform(endpoint, None, about, |state, now| act(state, now).map(Told::at_once))
    }

    /// Checks a signed request; one that is refused is remembered like all others.
    fn signed(&self, asked: &Asked, endpoint: Endpoint) -> Result<Signed, Failure> {
        self.verify(asked).map_err(|refusal| self.refused(endpoint, refusal))
    }

    fn refused(&self, endpoint: Endpoint, refusal: Refusal) -> Failure {
        let again = refusal.clone();
        let refused = self.ca.perform(endpoint, None, About::Nothing, |_, _| Err::<Told<Infallible>, _>(refusal));
        refused.map(|done| match done.value {}).err().unwrap_or(Failure::Refused(again))
    }

    fn by_account(&self, asked: &Asked, endpoint: Endpoint) -> Result<(u64, Value), Failure> {
        let signed = self.signed(asked, endpoint)?;
        match signed.signer {
            SignedBy::Account(id) => Ok((id, signed.payload)),
            SignedBy::Key(_) => Err(self.refused(endpoint, malformed("No Key ID in JWS header"))),
        }
    }

    fn new_account(&self, asked: &Asked) -> Answer {
        let Signed { signer: SignedBy::Key(key), payload } = self.signed(asked, Endpoint::NewAccount)? else {
            let refusal = malformed("a new account is asked for with jwk, not kid");
            return Err(self.refused(Endpoint::NewAccount, refusal));
        };
        let act = |state: &mut State| {
            let contacts = texts(&payload["contact"]);
            Ok(Told::at_once(state.register(&key.thumbprint(), key.jwk(), contacts)))
        };
        let is_known = self.ca.lock().by_thumbprint.contains_key(&key.thumbprint());
        let allowed = if is_known { Ok(()) } else { self.may_register(&payload, &key, &asked.path) };
        let done = self.ca.perform(Endpoint::NewAccount, None, About::Nothing, |state, _| {
            allowed?;
            act(state)
        })?;
        let (id, is_new) = done.value;
        let shown = self.account(&self.ca.lock(), id);
        let reply = cut(Done { value: shown, ..lift(&done) }, if is_new { 201 } else { 200 });
        Ok(reply.with(header::LOCATION, format!("{}/account/{id}", self.base)))
    }

    fn may_register(&self, payload: &Value, key: &Key, path: &str) -> Result<(), Refusal> {
        if payload["onlyReturnExisting"] == true {
            let detail = "No account exists with the provided key";
            return Err(Refusal::new(400, "accountDoesNotExist", detail));
        }
        if payload["termsOfServiceAgreed"] != true {
            return Err(malformed("must agree to terms of service"));
        }
        self.verify_binding(&payload["externalAccountBinding"], key, path)
    }

    fn change_account(&self, asked: &Asked, id: u64) -> Answer {
        let (account, payload) = self.by_account(asked, Endpoint::NewAccount)?;
        let act = |state: &mut State, _| {
            state.account(id)?;
            if account != id {
                return Err(Refusal::new(403, "unauthorized", "Request signing key did not match account key"));
            }
            if payload["contact"].is_array() {
                state.account(id)?.contacts = texts(&payload["contact"]);
            }
            let mut shown = self.account(state, id);
            if payload["status"] == "deactivated" {
                state.forget_account(id);
                shown["status"] = "deactivated".into();
            }
            Ok(Told::at_once(shown))
        };
        self.ca.perform(Endpoint::NewAccount, Some(account), About::Nothing, act).map(|done| cut(done, 200))
    }

    fn new_order(&self, asked: &Asked) -> Answer {
        let (account, payload) = self.by_account(asked, Endpoint::NewOrder)?;
        let text = |name: &str| payload[name].as_str().map(str::to_owned);
        let wished = names(&payload);
        let wish = Wish {
            names: wished.clone().unwrap_or_default().into(),
            profile: text("profile"),
            replaces: text("replaces"),
        };
        let about = About::Names { names: wish.names.to_vec(), replaces: wish.replaces.clone() };
        let done = self.ca.perform(Endpoint::NewOrder, Some(account), about, |state, now| {
            wished?;
            let id = state.new_order(account, &wish, now)?;
            Ok(Told::at_once((id, self.order(id, state.own_order(account, id)?))))
        })?;
        self.shown_order(done, 201)
    }

    fn orders(&self, asked: &Asked, id: u64, query: &str) -> Answer {
        let (account, _) = self.by_account(asked, Endpoint::Orders)?;
        let first = query.strip_prefix("cursor=").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let done = self.ca.perform(Endpoint::Orders, Some(account), About::Nothing, |state, now| {
            if !state.config.orders_list || account != id {
                return Err(Refusal::new(404, "malformed", "Page not found"));
            }
            let ids = state.account(account)?.orders.clone();
            for id in &ids {
                state.settle(*id, now);
            }
            let mut page = ids.iter().skip(first).map(|id| format!("{}/order/{id}", self.base)).collect::<Vec<_>>();
            let has_more = page.len() > PAGE;
            page.truncate(PAGE);
            Ok(Told::at_once((json!({ "orders": page }), has_more)))
        })?;
        let has_more = done.value.1;
        let reply = cut(Done { value: done.value.0.clone(), ..lift(&done) }, 200);
        let next = format!("<{}/account/{id}/orders?cursor={}>;rel=\"next\"", self.base, first + PAGE);
        Ok(if has_more { reply.with(header::LINK, next) } else { reply })
    }

    fn show_order(&self, asked: &Asked, id: u64) -> Answer {
        let (account, _) = self.by_account(asked, Endpoint::Order)?;
        let done = self.ca.perform(Endpoint::Order, Some(account), About::Order(id), |state, now| {
            let told = state.read_order(account, id, now)?;
            let shown = self.order(id, state.own_order(account, id)?);
            Ok(Told { value: (id, shown), retry_after: told.retry_after })
        })?;
        self.shown_order(done, 200)
    }

    fn finalize(&self, asked: &Asked, id: u64) -> Answer {
        let (account, payload) = self.by_account(asked, Endpoint::Finalize)?;
        let csr = decode(payload["csr"].as_str().unwrap_or_default());
        let done = self.ca.perform(Endpoint::Finalize, Some(account), About::Order(id), |state, now| {
            let told = state.finalize(account, id, &csr?, now)?;
            let shown = self.order(id, state.own_order(account, id)?);
            Ok(Told { value: (id, shown), retry_after: told.retry_after })
        })?;
        self.shown_order(done, 200)
    }

    fn shown_order(&self, done: Done<(u64, Value)>, status: u16) -> Answer {
        let (id, shown) = (done.value.0, done.value.1.clone());
        let reply = cut(Done { value: shown, ..lift(&done) }, status);
        Ok(reply.with(header::LOCATION, format!("{}/order/{id}", self.base)))
    }

    fn show_authorization(&self, asked: &Asked, id: u64) -> Answer {
        let (account, payload) = self.by_account(asked, Endpoint::Authorization)?;
        let done =
            self.ca.perform(Endpoint::Authorization, Some(account), About::Authorization(id), |state, now| {
                let told = state.read_authorization(account, id, now)?;
                if payload["status"] == "deactivated" {
                    state.own_authorization(account, id)?.status = portward_certs::acme::AuthorizationStatus::Over;
                }
                // Shown twice, for a fault that adds to it.
                let one = state.own_authorization(account, id)?;
                let shown = [false, true].map(|strange| self.authorization(id, one, strange));
                Ok(Told { value: shown, retry_after: told.retry_after })
            })?;
        let value = done.value[usize::from(done.strange)].clone();
        Ok(cut(Done { value, ..lift(&done) }, 200))
    }

    fn answer_challenge(&self, asked: &Asked, id: u64, kind: &str) -> Answer {
        let (account, payload) = self.by_account(asked, Endpoint::Challenge)?;
        let done = self.ca.perform(Endpoint::Challenge, Some(account), About::Authorization(id), |state, now| {
            let none = || Refusal::new(404, "malformed", "No such challenge");
            let kind = ChallengeKind::parse(kind).ok_or_else(none)?;
            let mut retry_after = None;
            if !payload.is_null() {
                let told = state.answer(account, id, kind, now)?;
                retry_after = told.retry_after;
                if let Some(look) = told.value {
                    self.ca.look_for_real(&state.config.validation, id, look);
                }
            }
            let one = state.own_authorization(account, id)?;
            let one = one.challenges.iter().find(|one| one.kind == kind).ok_or_else(none)?;
            Ok(Told { value: self.challenge(id, one), retry_after })
        })?;
        Ok(cut(done, 200).with(header::LINK, format!("<{}/authz/{id}>;rel=\"up\"", self.base)))
    }

    fn certificate(&self, asked: &Asked, id: u64, chain: usize) -> Answer {
        let (account, _) = self.by_account(asked, Endpoint::Certificate)?;
        let done = self.ca.perform(Endpoint::Certificate, Some(account), About::Order(id), |state, _| {
            let chains = state.chains(account, id)?;
            let none = || Refusal::new(404, "malformed", "Certificate not found");
            Ok(Told::at_once((chains.get(chain).cloned().ok_or_else(none)?, chains.len())))
        })?;
        let (pem, chains) = &done.value;
        let mut reply = cut(Done { value: Value::Null, ..lift(&done) }, 200);
        reply.content_type = "application/pem-certificate-chain";
        reply.body = pem.as_bytes()[..if done.cut { pem.len() / 2 } else { pem.len() }].to_vec();
        for other in (0..*chains).filter(|other| *other != chain) {
            let link = format!("<{}/certificate/{id}/{other}>;rel=\"alternate\"", self.base);
            reply = reply.with(header::LINK, link);
        }
        Ok(reply)
    }

    fn revoke(&self, asked: &Asked) -> Answer {
        let signed = self.signed(asked, Endpoint::Revoke)?;
        let der = decode(signed.payload["certificate"].as_str().unwrap_or_default()).unwrap_or_default();
        let id = certificate_id(&der).unwrap_or_default();
        let by = match &signed.signer {
            SignedBy::Account(id) => Some(*id),
            SignedBy::Key(_) => None,
        };
        let has_its_key = match &signed.signer {
            SignedBy::Account(_) => true,
            SignedBy::Key(key) => X509Certificate::from_der(&der)
                .is_ok_and(|(_, leaf)| *leaf.public_key().subject_public_key.data == *key.point),
        };
        let done = self.ca.perform(Endpoint::Revoke, by, About::Certificate(id.clone()), |state, _| {
            // 7 is unused in RFC 5280.
            if signed.payload["reason"].as_u64().is_some_and(|reason| reason > 10 || reason == 7) {
                return Err(Refusal::new(400, "badRevocationReason", "unsupported revocation reason code provided"));
            }
            if !has_its_key {
                return Err(Refusal::new(403, "unauthorized", "the key is not that of the certificate"));
            }
            state.revoke(by, &id).map(Told::at_once)
        })?;
        Ok(Reply { body: Vec::new(), ..cut(Done { value: Value::Null, ..lift(&done) }, 200) })
    }

    fn change_key(&self, asked: &Asked) -> Answer {
        let (account, payload) = self.by_account(asked, Endpoint::KeyChange)?;
        let inner = self.verify_new_key(&payload, &asked.path);
        let act = |state: &mut State, _| {
            let (key, claim) = inner?;
            let url = format!("{}/account/{account}", self.base);
            if claim["account"] != url.as_str()
                || Key::read(&claim["oldKey"])? != Key::read(&state.account(account)?.jwk)?
            {
                return Err(malformed("the inner JWS names another account or old key"));
            }
            state.roll_over(account, &key.thumbprint(), key.jwk())?;
            Ok(Told::at_once(self.account(state, account)))
        };
        self.ca.perform(Endpoint::KeyChange, Some(account), About::Nothing, act).map(|done| cut(done, 200))
    }

    fn renewal_info(&self, id: &str) -> Answer {
        let done = self.ca.perform(Endpoint::RenewalInfo, None, About::Certificate(id.to_owned()), |state, now| {
            let told = state.renewal(id, now)?;
            let window = json!({ "start": told.value.start.to_string(), "end": told.value.end.to_string() });
            let mut shown = json!({ "suggestedWindow": window });
            if let Some(url) = told.value.explanation_url {
                shown["explanationURL"] = url.into();
            }
            Ok(Told { value: shown, retry_after: told.retry_after })
        })?;
        Ok(Reply { nonce: Nonce::None, ..cut(done, 200) })
    }
}

/// The same answer about nothing.
fn lift<T>(done: &Done<T>) -> Done<Value> {
    Done { value: Value::Null, retry_after: done.retry_after, cut: done.cut, strange: done.strange }
}

/// The answer as JSON, in the middle of which it may end.
fn cut(done: Done<Value>, status: u16) -> Reply {
    let mut reply = Reply::json(status, &done.value);
    if done.cut {
        reply.body.truncate(reply.body.len() / 2);
    }
    match done.retry_after {
        Some(wait) => reply.with(header::RETRY_AFTER, wait.as_secs().to_string()),
        None => reply,
    }
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Refusal::new(404, "malformed", "Page not found").into())
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Orders on a page of the list, few so that there is more than one; Pebble has as many.
const PAGE: usize = 3;
