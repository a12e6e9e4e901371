//! Signing requests for private keys that stay on an agent's machine.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_certs::acme::check_request;
use portward_link::{
    CallError,
    message::{MakeRequest, method},
};

use super::Agents;
use crate::renewals::{NoRequest, RequestWanted};

impl Agents {
    /// Has an agent make a key and sign a request with it.
    pub(crate) async fn signing_request(&self, wanted: &RequestWanted<'_>) -> Result<Vec<u8>, NoRequest> {
        let RequestWanted { agent, certificate, names, algorithm, keep } = wanted;
        if self.roster.agent(agent).is_none() {
            let text = format!(
                "there is no agent {agent}, on whose machine the private key is to be; portward agent add {agent}, or ask for it with another --key-on"
            );
            return Err(NoRequest::Refused(text));
        }
        let away = |why: &str| NoRequest::Away(format!("the agent {agent} {why} (portward agent check {agent})"));
        let live = self.link(agent).ok_or_else(|| away("is not connected"))?;
        let call = MakeRequest {
            certificate: certificate.to_string(),
            names: names.iter().map(ToString::to_string).collect(),
            algorithm: algorithm.to_string(),
            keep: *keep,
        };
        let reply = live.caller.call::<method::MakeRequest>(&call, MAKING).await.map_err(|error| match error {
            CallError::Fault(fault) => {
                NoRequest::Refused(format!("the agent {agent} makes no signing request: {}", fault.message))
            }
            error => away(&format!("did not answer: {error}")),
        })?;
        let unusable = |why: &dyn std::fmt::Display| NoRequest::Refused(format!("the agent {agent} sent {why}"));
        let request = BASE64_STANDARD.decode(reply.request).map_err(|_| unusable(&"what is not base64"))?;
        check_request(&request).map_err(|error| unusable(&error))?;
        Ok(request)
    }
}

/// RSA with 4096 bits takes seconds, and on a small machine many.
const MAKING: Duration = Duration::from_secs(60);
