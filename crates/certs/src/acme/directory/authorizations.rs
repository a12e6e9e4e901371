//! Authorizations and their challenges.

use portward_core::{
    HostPattern,
    acme::{CaError, ChallengeKind},
};

use super::{
    Directory,
    call::Call,
    jws::{Known, Signer},
    objects::{self, AuthorizationBody, ChallengeBody},
};
use crate::acme::{Authorization, AuthorizationStatus, Challenge, ChallengeStatus, RegisteredAccount, http::Answer};

impl Directory {
    pub(super) async fn read_authorization(
        &self,
        account: &RegisteredAccount,
        url: &str,
    ) -> Result<Authorization, CaError> {
        let urls = self.urls().await?;
        let call = self.call("reading the authorization", &urls);
        let signer = Self::signer(&call, &account.key)?;
        let answer = call.post(&signer, Known::Account(&account.url), url, b"").await?;
        let body: AuthorizationBody = call.read(&answer)?;
        let status = match body.status.as_str() {
            "pending" => AuthorizationStatus::Pending,
            "valid" => AuthorizationStatus::Valid,
            "invalid" => AuthorizationStatus::Invalid,
            "deactivated" | "expired" | "revoked" => AuthorizationStatus::Over,
            other => return Err(call.malformed(&answer, format!("the authorization has the status {other:?}"))),
        };
        let challenges = body.challenges.iter().filter_map(|challenge| {
            let kind = ChallengeKind::parse(&challenge.kind)?;
            Some(read_challenge(&call, &answer, &signer, kind, challenge))
        });
        Ok(Authorization {
            url: url.to_owned(),
            name: name(&call, &answer, &body)?,
            status,
            challenges: challenges.collect::<Result<_, _>>()?,
            retry_after: answer.retry_after(),
        })
    }

    pub(super) async fn answer_challenge(
        &self,
        account: &RegisteredAccount,
        authorization: &str,
        kind: ChallengeKind,
    ) -> Result<(), CaError> {
        let urls = self.urls().await?;
        let call = self.call("answering the challenge", &urls);
        let signer = Self::signer(&call, &account.key)?;
        let known = Known::Account(&account.url);
        let open = || open_challenge(&call, &signer, known, authorization, kind);
        let Some(url) = open().await? else { return Ok(()) };
        match call.post(&signer, known, &url, b"{}").await {
            Ok(_) => Ok(()),
            Err(refused) if refused.is_outage() || refused.is_rate_limit() => Err(refused),
            // It may have it meanwhile, from a process that was killed then or from a call that got no answer.
            Err(refused) => match open().await {
                Ok(None) => Ok(()),
                _ => Err(refused),
            },
        }
    }
}

/// Where the CA is told to look; nowhere if it has been told, or needs not look any more.
async fn open_challenge(
    call: &Call,
    signer: &Signer,
    known: Known<'_>,
    authorization: &str,
    kind: ChallengeKind,
) -> Result<Option<String>, CaError> {
    let answer = call.post(signer, known, authorization, b"").await?;
    let body: AuthorizationBody = call.read(&answer)?;
    let Some(challenge) = body.challenges.iter().find(|challenge| challenge.kind == kind.as_str()) else {
        // The others are gone from an authorization that has been decided (RFC 8555 section 7.5.1).
        if body.status != "pending" {
            return Ok(None);
        }
        return Err(call.unsupported(authorization, format!("the CA does not offer {kind}")));
    };
    Ok((body.status == "pending" && challenge.status == "pending").then(|| challenge.url.clone()))
}

fn name(call: &Call, answer: &Answer, body: &AuthorizationBody) -> Result<HostPattern, CaError> {
    let value = &body.identifier.value;
    let text = if body.wildcard && !value.starts_with("*.") { format!("*.{value}") } else { value.clone() };
    HostPattern::parse(&text).map_err(|error| call.malformed(answer, format!("the identifier is no name: {error}")))
}

fn read_challenge(
    call: &Call,
    answer: &Answer,
    signer: &Signer,
    kind: ChallengeKind,
    body: &ChallengeBody,
) -> Result<Challenge, CaError> {
    let status = match body.status.as_str() {
        "pending" => ChallengeStatus::Pending,
        "processing" => ChallengeStatus::Processing,
        "valid" => ChallengeStatus::Valid,
        "invalid" => ChallengeStatus::Invalid,
        other => return Err(call.malformed(answer, format!("the challenge {kind} has the status {other:?}"))),
    };
    // It becomes part of a path and of a record (RFC 8555 section 8.1).
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if body.token.is_empty() || !body.token.bytes().all(is_token) {
        return Err(call.malformed(answer, format!("the token of the challenge {kind} is not base64url")));
    }
    Ok(Challenge {
        kind,
        status,
        token: body.token.clone(),
        key_authorization: format!("{}.{}", body.token, signer.thumbprint()),
        error: body.error.as_ref().and_then(objects::problem),
    })
}
