//! Certificates: downloaded, revoked, and when to renew them.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use instant_acme::{OrderStatus, RevocationRequest};
use portward_core::{
    Timestamp,
    acme::{CaError, CaErrorKind},
};
use rustls_pki_types::CertificateDer;

use super::{Directory, call::Call, jws::Known, objects::RenewalBody, orders};
use crate::{
    acme::{IssuedChain, RegisteredAccount, RenewalAnswer, RevocationReason, http::Answer},
    der,
    x509::X509,
};

impl Directory {
    pub(super) async fn download(&self, account: &RegisteredAccount, url: &str) -> Result<Vec<IssuedChain>, CaError> {
        let urls = self.urls().await?;
        let call = self.call("downloading the certificate", &urls);
        let library = Self::library_account(&call, &urls, account).await?;
        let asked = call.ask(|| async {
            let mut order = library.order(url.to_owned()).await?;
            match order.state() {
                state if state.error.is_none() && state.status == OrderStatus::Valid => order.certificate().await,
                _ => Ok(None),
            }
            .map(|pem| (order, pem))
        });
        let (mut order, pem) = asked.await.map_err(|error| call.error(Some(&error)))?;
        let Some(answer) = call.last_success() else {
            return Err(call.error(None));
        };
        if pem.is_none() {
            let state = order.state();
            let why = format!("the order is not valid, it is {:?}", state.status);
            let mut failed = call.malformed(&answer, why);
            if let Some(error) = &state.error {
                failed.kind = CaErrorKind::Problem(orders::problem(error.clone()));
            }
            return Err(failed);
        }
        let mut chains = vec![chain(&call, &answer)?];
        let signer = Self::signer(&call, &account.key)?;
        for alternate in answer.links("alternate").iter().take(MAX_ALTERNATES) {
            let downloaded = call.post(&signer, Known::Account(&account.url), alternate, b"").await;
            match downloaded.and_then(|answer| chain(&call, &answer)) {
                Ok(alternate) => chains.push(alternate),
                // The certificate is there without it; waiting for it could take forever.
                Err(error) => tracing::warn!(%error, url = alternate, "an alternate chain cannot be downloaded"),
            }
        }
        Ok(chains)
    }

    pub(super) async fn revoke_certificate(
        &self,
        account: &RegisteredAccount,
        leaf_der: &[u8],
        reason: RevocationReason,
    ) -> Result<(), CaError> {
        let urls = self.urls().await?;
        let call = self.call("revoking the certificate", &urls);
        if urls.revoke_cert.is_none() {
            return Err(call.unsupported(&self.url, "the CA does not revoke certificates"));
        }
        let library = Self::library_account(&call, &urls, account).await?;
        let certificate = CertificateDer::from(leaf_der);
        let request = RevocationRequest {
            certificate: &certificate,
            reason: match reason {
                RevocationReason::Unspecified => None,
                RevocationReason::KeyCompromise => Some(instant_acme::RevocationReason::KeyCompromise),
                RevocationReason::Superseded => Some(instant_acme::RevocationReason::Superseded),
                RevocationReason::CessationOfOperation => Some(instant_acme::RevocationReason::CessationOfOperation),
            },
        };
        let asked = call.ask(|| library.revoke(&request)).await;
        match asked.map_err(|error| call.error(Some(&error))) {
            Err(error) if error.problem().is_some_and(|problem| problem.word() == "alreadyRevoked") => Ok(()),
            other => other,
        }
    }

    pub(super) async fn ask_when_to_renew(&self, leaf_der: &[u8]) -> Result<RenewalAnswer, CaError> {
        let urls = self.urls().await?;
        let call = self.call("asking when to renew", &urls);
        let Some(renewal_info) = &urls.renewal_info else {
            return Err(call.unsupported(&self.url, "the CA does not say when to renew"));
        };
        let Some((key_id, serial)) = renewal_id(leaf_der) else {
            return Err(call.unsupported(&self.url, "the certificate does not name the key of its issuer"));
        };
        let (key_id, serial) = (BASE64_URL_SAFE_NO_PAD.encode(key_id), BASE64_URL_SAFE_NO_PAD.encode(serial));
        let url = format!("{}/{key_id}.{serial}", renewal_info.trim_end_matches('/'));
        let answer = call.get(&url).await?;
        let body: RenewalBody = call.read(&answer)?;
        let time = |text: &str| Timestamp::parse(text).map_err(|error| call.malformed(&answer, error.to_string()));
        let (start, end) = (time(&body.suggested_window.start)?, time(&body.suggested_window.end)?);
        // RFC 9773 section 4.2.
        if end <= start {
            return Err(call.malformed(&answer, format!("the window ends at {end}, before it begins at {start}")));
        }
        Ok(RenewalAnswer { start, end, explanation_url: body.explanation_url, retry_after: answer.retry_after() })
    }
}

/// Reads a chain; nothing but certificates may be in it (RFC 8555 section 9.1).
fn chain(call: &Call, answer: &Answer) -> Result<IssuedChain, CaError> {
    let pem = std::str::from_utf8(&answer.body).unwrap_or_default();
    let mut labels = pem.split("-----BEGIN ").skip(1).map(|rest| rest.starts_with("CERTIFICATE-----")).peekable();
    if labels.peek().is_none() || !labels.all(|certificate| certificate) {
        return Err(call.malformed(answer, "it is not a chain of certificates in PEM"));
    }
    Ok(IssuedChain { pem: pem.to_owned() })
}

/// The key identifier of the issuer and the serial number, which together name a certificate (RFC 9773 section 4.1).
pub(super) fn renewal_id(leaf_der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let key_id = X509::read(leaf_der).ok()?.extensions.issuer_key_id?;
    let mut fields = der::whole(leaf_der).ok()?.inside().any().ok()?.inside();
    fields.optional(der::context(0)).ok()?;
    let serial = fields.expect(der::INTEGER, "the serial number is missing").ok()?;
    Some((key_id, serial.body.to_vec()))
}

/// More than any CA has; each is a request.
const MAX_ALTERNATES: usize = 8;
