//! Objects of ACME as JSON (RFC 8555 section 7.1).

use std::net::IpAddr;

use portward_certs::acme::{AuthorizationStatus, ChallengeStatus, OrderStatus};
use portward_core::{HostPattern, acme::AcmeProblem};
use serde_json::{Value, json};

use super::Web;
use crate::fault_ca::{
    perform::Refusal,
    state::{Authorization, Challenge, Order, State},
};

impl Web {
    pub(super) fn directory(&self, state: &State) -> Value {
        let url = |path: &str| format!("{}/{path}", self.base);
        let config = &state.config;
        let mut meta = json!({
            "termsOfService": url("terms"),
            "website": url(""),
            "caaIdentities": ["fault-ca.test"],
            "externalAccountRequired": config.eab.is_some(),
        });
        if !config.profiles.is_empty() {
            let profiles = config.profiles.iter();
            meta["profiles"] = profiles.map(|(name, lifetime)| (name.clone(), format!("{lifetime:?}"))).collect();
        }
        let mut directory = json!({
            "newNonce": url("new-nonce"),
            "newAccount": url("new-account"),
            "newOrder": url("new-order"),
            "revokeCert": url("revoke-cert"),
            "keyChange": url("key-change"),
            "meta": meta,
        });
        if config.ari.is_some() {
            directory["renewalInfo"] = url("renewal-info").into();
        }
        directory
    }

    pub(super) fn account(&self, state: &State, id: u64) -> Value {
        let contacts = state.accounts.get(&id).map(|account| account.contacts.clone());
        let mut shown = json!({ "status": "valid", "contact": contacts });
        if state.config.orders_list {
            shown["orders"] = format!("{}/account/{id}/orders", self.base).into();
        }
        shown
    }

    pub(super) fn order(&self, id: u64, order: &Order) -> Value {
        let url = |path: String| format!("{}/{path}", self.base);
        let status = match order.status {
            OrderStatus::Pending => "pending",
            OrderStatus::Ready => "ready",
            OrderStatus::Processing => "processing",
            OrderStatus::Valid => "valid",
            OrderStatus::Invalid => "invalid",
        };
        let identifiers = order.names.iter().map(|name| identifier(&name.to_string()));
        let authorizations = order.authorizations.iter().map(|id| url(format!("authz/{id}")));
        let mut shown = json!({
            "status": status,
            "expires": order.expires.to_string(),
            "identifiers": identifiers.collect::<Vec<_>>(),
            "authorizations": authorizations.collect::<Vec<_>>(),
            "finalize": url(format!("order/{id}/finalize")),
        });
        if order.certificate.is_some() {
            shown["certificate"] = url(format!("certificate/{id}")).into();
        }
        if let Some(error) = &order.error {
            shown["error"] = problem(error);
        }
        if let Some(profile) = &order.profile {
            shown["profile"] = profile.clone().into();
        }
        if let Some(replaces) = &order.replaces {
            shown["replaces"] = replaces.clone().into();
        }
        shown
    }

    pub(super) fn authorization(&self, id: u64, authorization: &Authorization, strange: bool) -> Value {
        let status = match authorization.status {
            AuthorizationStatus::Pending => "pending",
            AuthorizationStatus::Valid => "valid",
            AuthorizationStatus::Invalid => "invalid",
            AuthorizationStatus::Over => "expired",
        };
        let is_pending = authorization.status == AuthorizationStatus::Pending;
        let shown = authorization.challenges.iter().filter(|one| is_pending || one.is_decided());
        let mut challenges: Vec<_> = shown.map(|one| self.challenge(id, one)).collect();
        if strange {
            let url = |kind: &str| format!("{}/challenge/{id}/{kind}", self.base);
            let persist = json!({
                "type": "dns-persist-01",
                "url": url("dns-persist-01"),
                "status": "pending",
                "accounturi": format!("{}/account/{}", self.base, authorization.account),
                "issuer-domain-names": ["fault-ca.test"],
            });
            challenges.insert(0, persist);
            challenges.push(json!({ "type": "smoke-signal-01", "url": url("smoke-signal-01"), "status": "pending" }));
        }
        let name = authorization.name.to_string();
        let base = name.strip_prefix("*.");
        let mut shown = json!({
            "identifier": identifier(base.unwrap_or(&name)),
            "status": status,
            "expires": authorization.expires.to_string(),
            "challenges": challenges,
        });
        if base.is_some() {
            shown["wildcard"] = true.into();
        }
        shown
    }

    pub(super) fn challenge(&self, authorization: u64, challenge: &Challenge) -> Value {
        let status = match challenge.status {
            ChallengeStatus::Pending => "pending",
            ChallengeStatus::Processing => "processing",
            ChallengeStatus::Valid => "valid",
            ChallengeStatus::Invalid => "invalid",
        };
        let mut shown = json!({
            "type": challenge.kind.as_str(),
            "url": format!("{}/challenge/{authorization}/{}", self.base, challenge.kind),
            "status": status,
            "token": challenge.token,
        });
        if let Some(error) = &challenge.error {
            shown["error"] = problem(error);
        }
        shown
    }
}

/// A problem document.
pub(super) fn problem(problem: &AcmeProblem) -> Value {
    let mut shown = json!({ "type": problem.kind, "detail": problem.detail });
    if let Some(status) = problem.status {
        shown["status"] = status.into();
    }
    if !problem.subproblems.is_empty() {
        let subproblems = problem.subproblems.iter().map(|one| {
            let named = one.identifier.as_deref().map(identifier);
            json!({ "type": one.kind, "detail": one.detail, "identifier": named })
        });
        shown["subproblems"] = subproblems.collect();
    }
    shown
}

/// Reads identifiers of a new order.
pub(super) fn names(payload: &Value) -> Result<Vec<HostPattern>, Refusal> {
    let mut names = Vec::new();
    for one in payload["identifiers"].as_array().into_iter().flatten() {
        let value = one["value"].as_str().unwrap_or_default();
        let is_address = value.parse::<IpAddr>().is_ok();
        let is_known = match one["type"].as_str() {
            Some("dns") => !is_address,
            Some("ip") => is_address,
            _ => false,
        };
        // Another spelling than the canonical one is a mistake of the client.
        let name = HostPattern::parse(value).ok().filter(|name| is_known && name.to_string() == value);
        names.push(name.ok_or_else(|| super::jws::malformed(format!("{one} is no identifier of ours")))?);
    }
    Ok(names)
}

fn identifier(name: &str) -> Value {
    let kind = if name.parse::<IpAddr>().is_ok() { "ip" } else { "dns" };
    json!({ "type": kind, "value": name })
}
