//! A web hook: lego's `httpreq` format, which several DNS tools answer to.

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use dns_update::http::{HttpClient, HttpClientBuilder};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    Given, Make, NotOpened, ProviderKind, ProviderSetting,
    said::{Secrets, timed_out, txt_error},
};
use crate::dns::{TxtError, TxtRecord, TxtWriter};

pub(super) const KIND: ProviderKind = ProviderKind {
    word: "httpreq",
    name: "a web hook",
    sentence: "Sends each record to a web server of yours, in the format httpreq of lego.",
    settings: &[
        ProviderSetting::plain("endpoint", "The URL before /present and /cleanup, as in https://dns.example/acme.")
            .leads(),
        ProviderSetting::optional("username", "User name for basic authentication."),
        ProviderSetting::optional_secret("password", "Password for basic authentication."),
    ],
    make: Make::Own(open),
};

fn open(given: &Given) -> Result<Box<dyn TxtWriter>, NotOpened> {
    let mut client = HttpClientBuilder::new().with_timeout(Some(WITHIN));
    let mut secrets = given.secrets.clone();
    match (given.option("username"), given.option("password")) {
        (None, None) => {}
        (Some(username), Some(password)) => {
            let credentials = STANDARD.encode(format!("{username}:{password}"));
            client = client.with_header("authorization", format!("Basic {credentials}"));
            secrets = Secrets::new(vec![password.to_owned().into(), credentials.into()]);
        }
        (None, Some(_)) => return Err(NotOpened::Setting { name: "username", expected: "given beside password" }),
        (Some(_), None) => return Err(NotOpened::Setting { name: "password", expected: "given beside username" }),
    }
    let endpoint = given.url("endpoint")?.to_owned();
    Ok(Box::new(WebHook { endpoint, client: client.build(), secrets }))
}

struct WebHook {
    endpoint: String,
    client: HttpClient,
    secrets: Secrets,
}

/// The default mode; the other one, RAW, would need the token and the key authorization.
#[derive(Serialize)]
struct Message<'a> {
    fqdn: String,
    value: &'a str,
}

#[async_trait]
impl TxtWriter for WebHook {
    async fn add(&self, record: &TxtRecord) -> Result<(), TxtError> {
        self.send("present", record).await
    }

    async fn remove(&self, record: &TxtRecord) -> Result<(), TxtError> {
        self.send("cleanup", record).await
    }
}

impl WebHook {
    async fn send(&self, action: &str, record: &TxtRecord) -> Result<(), TxtError> {
        let failed = |error| txt_error(&self.endpoint, &error, record, &self.secrets);
        let message = Message { fqdn: format!("{}.", record.name), value: &record.value };
        let request = self.client.post(format!("{}/{action}", self.endpoint)).with_body(message).map_err(failed)?;
        match timeout(WITHIN, request.send_raw()).await {
            Ok(answer) => answer.map(drop).map_err(failed),
            Err(_) => Err(timed_out(&self.endpoint, WITHIN)),
        }
    }
}

/// As for hosted providers.
const WITHIN: Duration = super::hosted::WITHIN;
