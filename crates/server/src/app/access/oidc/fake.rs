//! For tests: a provider on this machine that says, and signs, what it is told to.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex, MutexGuard};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use base64::{Engine, prelude::*};
use jsonwebtoken::Algorithm;
use portward_api::{OidcSet, SecretText};
use serde_json::{Map, Value, json};

use super::{OidcBegun, OidcReturn, signer::Signer};

/// Is the provider; dropping it ends it.
pub(crate) struct Fake {
    pub(crate) url: String,
    says: Arc<Mutex<Says>>,
    task: tokio::task::JoinHandle<()>,
}

/// Is what it says, which a test changes.
pub(crate) struct Says {
    issuer: String,
    /// Over what it says of itself.
    pub(crate) configuration: Map<String, Value>,
    /// Over the claims of a token.
    pub(crate) claims: Map<String, Value>,
    pub(crate) userinfo: Value,
    pub(crate) secret: String,
    /// Signs tokens.
    signer: Signer,
    /// Is what it tells of its keys.
    keys: Value,
    /// How often it was asked for them.
    pub(crate) keys_asked: u32,
    /// What the browser was sent with, last.
    asked: Vec<(String, String)>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let signer = Signer::new(Algorithm::EdDSA, "k1");
        let says = Says {
            issuer: url.clone(),
            configuration: Map::new(),
            claims: Map::new(),
            userinfo: Value::Null,
            secret: "the secret/of=the client".to_owned(),
            keys: Signer::set(&[&signer]),
            signer,
            keys_asked: 0,
            asked: Vec::new(),
        };
        let (says, own) = (Arc::new(Mutex::new(says)), url.clone());
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(move |State(says): State<Shared>| configuration(own, says)))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/me", get(async |State(says): State<Shared>| Json(says.lock().unwrap().userinfo.clone())))
            .with_state(Arc::clone(&says));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, says, task }
    }

    pub(crate) fn says(&self) -> MutexGuard<'_, Says> {
        self.says.lock().unwrap()
    }

    /// The settings by which users sign in here.
    pub(crate) fn settings(&self) -> OidcSet {
        let role = |(group, role): (&str, &str)| (group.to_owned(), role.to_owned());
        OidcSet {
            issuer: self.url.clone(),
            client_id: "portward".to_owned(),
            client_secret: Some(SecretText::new(self.says().secret.clone())),
            scopes: None,
            groups_claim: None,
            name_claim: None,
            roles: [("ops", "operator"), ("bosses", "owner"), ("all", "viewer")].map(role).into(),
            authority: None,
            label: Some("Northmole".to_owned()),
        }
    }

    /// Signs from now on with another key, which it tells of at once.
    pub(crate) fn rotate(&self, kid: &str) {
        let mut says = self.says();
        says.signer = Signer::new(Algorithm::ES256, kid);
        says.keys = Signer::set(&[&says.signer]);
    }

    /// Lets somebody in who was sent by `begun`: the browser comes back with that.
    pub(crate) fn let_in<'a>(&self, begun: &'a OidcBegun) -> (String, OidcReturn<'a>) {
        let asked = self.sent(&begun.location);
        let state = asked.iter().find(|(name, _)| name == "state").unwrap().1.clone();
        (state, OidcReturn { code: Some("code-1"), browser: Some(begun.browser.expose()), ..OidcReturn::default() })
    }

    /// Looks at what a browser was sent with.
    pub(crate) fn sent(&self, location: &str) -> Vec<(String, String)> {
        let query = location.strip_prefix(&format!("{}/auth?", self.url)).unwrap();
        let asked = pairs(query);
        self.says().asked.clone_from(&asked);
        asked
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Shared = Arc<Mutex<Says>>;

async fn configuration(url: String, says: Shared) -> Json<Value> {
    let mut all = json!({
        "issuer": url, "authorization_endpoint": format!("{url}/auth"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"), "userinfo_endpoint": format!("{url}/me"),
        "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"]
    });
    for (name, value) in &says.lock().unwrap().configuration {
        all[name] = value.clone();
    }
    Json(all)
}

async fn keys(State(says): State<Shared>) -> Json<Value> {
    let mut says = says.lock().unwrap();
    says.keys_asked += 1;
    Json(says.keys.clone())
}

/// Redeems a code as a strict provider does.
async fn token(State(says): State<Shared>, headers: HeaderMap, body: Bytes) -> (StatusCode, Json<Value>) {
    let says = says.lock().unwrap();
    let form = pairs(std::str::from_utf8(&body).unwrap());
    let of = |all: &[(String, String)], name: &str| {
        all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let shown = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap();
    let shown = String::from_utf8(BASE64_STANDARD.decode(shown).unwrap()).unwrap();
    let (client, secret) = shown.split_once(':').unwrap();
    if (decoded(client), decoded(secret)) != ("portward".to_owned(), says.secret.clone()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" })));
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, of(&form, "code_verifier").as_bytes());
    let is_same = BASE64_URL_SAFE_NO_PAD.encode(digest) == of(&says.asked, "code_challenge");
    if !is_same || of(&form, "code") != "code-1" || of(&form, "redirect_uri") != of(&says.asked, "redirect_uri") {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant", "error_description": "no" })));
    }
    let now = portward_core::Timestamp::parse("2026-11-20T12:00:00Z").unwrap().unix();
    let mut claims = json!({
        "iss": says.issuer, "aud": "portward", "nonce": of(&says.asked, "nonce"), "iat": now, "exp": now + 300,
        "sub": "u-1", "preferred_username": "Mara", "groups": ["ops", "all"]
    });
    for (name, value) in &says.claims {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    let answer = json!({ "id_token": says.signer.sign(&claims), "access_token": "at-1", "token_type": "Bearer" });
    (StatusCode::OK, Json(answer))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}
