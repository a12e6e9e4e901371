//! Certificates: issued, told when to renew, revoked.

use portward_certs::acme::{OrderStatus, RenewalAnswer};
use portward_core::{HostPattern, Timestamp};

use super::{
    perform::{Refusal, Told, problem},
    state::{Certificate, State},
};

impl State {
    /// Issues for an order that has been finalized.
    pub(super) fn issue(&mut self, order: u64, now: Timestamp) {
        let mut serial = self.dice.bytes::<16>();
        // Positive, and never with a leading zero.
        serial[0] = serial[0] & 0x7f | 0x40;
        let Some(this) = self.orders.get_mut(&order) else { return };
        let lifetime = this.profile.as_ref().and_then(|profile| self.config.profiles.get(profile));
        let until = now.plus(*lifetime.unwrap_or(&self.config.lifetime));
        let key = this.key.take();
        let www = this.names.iter().filter(|_| self.config.adds_www);
        let www = www.filter_map(|name| HostPattern::parse(&format!("www.{name}")).ok());
        let names: Vec<HostPattern> = this.names.iter().cloned().chain(www).collect();
        let sign = |key| self.signer.sign(&key, &names, serial, now, until);
        let Some(signed) = key.and_then(sign) else {
            this.status = OrderStatus::Invalid;
            this.error = Some(problem("serverInternal", 500, "Error finalizing order"));
            return;
        };
        this.status = OrderStatus::Valid;
        this.certificate = Some(signed.id.clone());
        let names = this.names.clone();
        let account = this.account;
        let mut chains = vec![signed.chain];
        if self.config.alternate_chain {
            chains.push(signed.alternate);
        }
        for name in &names {
            self.ledger.issues(&name.to_string(), now, until);
        }
        self.same_set.entry(names.clone()).or_default().push_back(now);
        self.open_orders.remove(&(account, names.clone()));
        let certificate =
            Certificate { account, names, chains, from: now, until, replacement: None, revoked: false, window: None };
        self.certificates.insert(signed.id, certificate);
    }

    /// The chains of an order that is valid.
    pub(super) fn chains(&mut self, account: u64, order: u64) -> Result<Vec<String>, Refusal> {
        let id = self.own_order(account, order)?.certificate.clone();
        let certificate = id.and_then(|id| self.certificates.get(&id));
        let none = || Refusal::new(404, "malformed", "Certificate not found");
        certificate.map(|certificate| certificate.chains.clone()).ok_or_else(none)
    }

    /// When a certificate should be renewed.
    pub(super) fn renewal(&self, id: &str, now: Timestamp) -> Result<Told<RenewalAnswer>, Refusal> {
        let Some(ari) = &self.config.ari else {
            return Err(Refusal::new(404, "malformed", "Resource not found"));
        };
        let Some(certificate) = self.certificates.get(id) else {
            return Err(Refusal::new(404, "malformed", "Certificate not found"));
        };
        let lifetime = certificate.until.since(certificate.from);
        let mut start = certificate.from.plus(lifetime.mul_f64(ari.from));
        let mut end = certificate.from.plus(lifetime.mul_f64(ari.until));
        let mut explanation_url = ari.explanation_url.clone();
        if let Some((from, until, url)) = &certificate.window {
            (start, end) = (*from, *until);
            explanation_url.clone_from(url);
        }
        if certificate.revoked {
            (start, end) = (now.minus(2 * super::limits::HOUR), now.minus(super::limits::HOUR));
        }
        let retry_after = ari.retry_after;
        Ok(Told { value: RenewalAnswer { start, end, explanation_url, retry_after }, retry_after })
    }

    /// Revokes; by the account that asked for the certificate, or by anyone who has its key, where `account` is none.
    pub(super) fn revoke(&mut self, account: Option<u64>, id: &str) -> Result<(), Refusal> {
        if let Some(account) = account {
            self.account(account)?;
        }
        let Some(certificate) = self.certificates.get_mut(id) else {
            return Err(Refusal::new(404, "malformed", "Certificate from unrecognized issuer"));
        };
        if account.is_some_and(|account| account != certificate.account) {
            return Err(Refusal::new(403, "unauthorized", "the account did not request the certificate"));
        }
        if certificate.revoked {
            return Err(Refusal::new(400, "alreadyRevoked", "Certificate already revoked"));
        }
        certificate.revoked = true;
        Ok(())
    }
}
