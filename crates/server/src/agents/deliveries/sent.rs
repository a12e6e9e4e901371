//! What an agent is sent to install a certificate: the chain, the private key, and where it goes.

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_core::HostPattern;
use portward_link::{
    SecretBytes, SecretText,
    message::{Deliver, Install, VerifyAt},
};
use portward_store::{
    agents::{StoredDelivery, open_delivery_password},
    desired::{self, Desired},
};

use super::wanted::Wanted;
use crate::agents::Agents;

impl Agents {
    /// The call; or why it cannot be made.
    pub(super) fn call_for(
        &self,
        stored: &StoredDelivery,
        wanted: &Wanted<'_>,
        desired: &Desired,
        generation: u64,
    ) -> Result<Deliver, String> {
        let delivery = &stored.delivery;
        let sealer = self.sealer().map_err(|error| error.to_string())?;
        let key = match &wanted.version.key_on {
            Some(agent) if *agent == delivery.agent => None,
            Some(agent) => {
                return Err(format!(
                    "the private key of the certificate was made on {agent}, and never leaves that machine"
                ));
            }
            None => {
                let id = &wanted.version.key;
                let sealed = desired.private_key(id).ok_or("the private key of the certificate is missing")?;
                let opened = desired::open_private_key(&sealer, id, sealed);
                Some(SecretBytes::new(opened.map_err(|error| error.to_string())?.expose().to_vec()))
            }
        };
        let password = open_delivery_password(&sealer, stored).map_err(|error| error.to_string())?;
        let password = password.map(|password| String::from_utf8_lossy(password.expose()).into_owned());
        let name = |pattern: &HostPattern| match pattern {
            HostPattern::Exact(host) => Some(host.to_string()),
            // Any name below it will do.
            HostPattern::Wildcard(name) => Some(format!("www.{name}")),
            HostPattern::Any => None,
        };
        let first = wanted.version.facts.names.iter().find_map(name).unwrap_or_default();
        let verify = delivery.verify.as_ref().map(|verify| VerifyAt {
            address: verify.address.to_string(),
            name: verify.name.as_ref().map_or_else(|| first.clone(), ToString::to_string),
        });
        Ok(Deliver {
            delivery: delivery.id.to_string(),
            generation,
            install: Install {
                format: delivery.format.to_string(),
                to: delivery.to.iter().map(ToString::to_string).collect(),
                owner: delivery.owner.to_string(),
                mode: delivery.mode.to_string(),
                reload: delivery.reload.as_ref().map(ToString::to_string),
                verify,
                friendly_name: delivery.certificate.to_string(),
            },
            chain: wanted.version.chain.sent().map(|der| BASE64_STANDARD.encode(der)).collect(),
            key_of: key.is_none().then(|| delivery.certificate.to_string()),
            key,
            password: password.map(SecretText::new),
        })
    }
}
