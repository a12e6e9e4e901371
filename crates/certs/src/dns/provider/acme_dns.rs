//! A server of the acme-dns kind, which has a name of its own for the records and knows nothing else.

use std::time::Duration;

use async_trait::async_trait;
use dns_update::http::{HttpClient, HttpClientBuilder};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    Given, Make, NotOpened, ProviderKind, ProviderSetting,
    said::{Secrets, timed_out, txt_error},
};
use crate::dns::{TxtError, TxtRecord, TxtWriter};

pub(super) const KIND: ProviderKind = ProviderKind {
    word: "acme-dns",
    name: "acme-dns",
    sentence: "Writes to a server of the acme-dns kind, to which a CNAME record of _acme-challenge leads; \
               the server keeps the last two values.",
    settings: &[
        ProviderSetting::plain("endpoint", "The URL of its API, as in https://auth.example.").leads(),
        ProviderSetting::plain("username", "What the registration gave as username."),
        ProviderSetting::secret("password", "What the registration gave as password."),
        ProviderSetting::plain("subdomain", "What the registration gave as subdomain."),
    ],
    make: Make::Own(open),
};

fn open(given: &Given) -> Result<Box<dyn TxtWriter>, NotOpened> {
    let client = HttpClientBuilder::new()
        .with_header("x-api-user", given.text("username"))
        .with_header("x-api-key", given.text("password"))
        .with_timeout(Some(WITHIN))
        .build();
    Ok(Box::new(AcmeDns {
        endpoint: given.url("endpoint")?.to_owned(),
        subdomain: given.text("subdomain").to_owned(),
        client,
        secrets: given.secrets.clone(),
    }))
}

struct AcmeDns {
    endpoint: String,
    subdomain: String,
    client: HttpClient,
    secrets: Secrets,
}

#[derive(Serialize)]
struct Update<'a> {
    subdomain: &'a str,
    txt: &'a str,
}

#[async_trait]
impl TxtWriter for AcmeDns {
    async fn add(&self, record: &TxtRecord) -> Result<(), TxtError> {
        let failed = |error| txt_error(&self.endpoint, &error, record, &self.secrets);
        let update = Update { subdomain: &self.subdomain, txt: &record.value };
        let request = self.client.post(format!("{}/update", self.endpoint)).with_body(update).map_err(failed)?;
        match timeout(WITHIN, request.send_raw()).await {
            Ok(answer) => answer.map(drop).map_err(failed),
            Err(_) => Err(timed_out(&self.endpoint, WITHIN)),
        }
    }

    /// There is no such request; the next values push the old ones out.
    async fn remove(&self, _: &TxtRecord) -> Result<(), TxtError> {
        Ok(())
    }
}

/// As for hosted providers.
const WITHIN: Duration = super::hosted::WITHIN;
