//! The record of a site.

use std::sync::Arc;

use portward_core::{
    BodyLimit, CertificateId, ForceHttps, Forwarding, HeaderRules, Hsts, PresetId, Site, SiteCertificate, SiteId,
    SiteLimitError, SiteLimits, Thumbprint, Upstream, UpstreamTrust, Upstreams, WaitLimit,
};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, Shared, base64::Blob, forwarding::ForwardingRecord, text::host_patterns};

/// Is `sites/<id>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteRecord {
    v: u32,
    names: Vec<String>,
    upstreams: Vec<String>,
    upstream_trust: TrustRecord,
    /// None for the server's default.
    force_https: Option<String>,
    hsts: String,
    /// None for the best one.
    certificate: Option<String>,
    /// From version 3 on, as headers and preset.
    #[serde(default, skip_serializing_if = "LimitsRecord::is_empty")]
    limits: LimitsRecord,
    #[serde(default, skip_serializing_if = "HeadersRecord::is_empty")]
    headers: HeadersRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preset: Option<String>,
    /// From version 4 on.
    #[serde(default, skip_serializing_if = "ForwardingRecord::is_empty")]
    forwarding: ForwardingRecord,
}

/// What is left out is the server's own.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadersRecord {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum TrustRecord {
    System,
    Authorities(Vec<Blob>),
    Pin(String),
    DangerInsecure,
}

impl Record for SiteRecord {
    // 2 has sites whose upstream is the portal; 3 has limits, header rules and the preset; 4 has forwarding, and
    // upstreams at Unix sockets.
    const VERSION: u32 = 4;
}

impl From<&Site> for SiteRecord {
    fn from(site: &Site) -> Self {
        let is_as_of_version_2 =
            site.limits == SiteLimits::default() && site.headers.is_empty() && site.preset.is_none();
        let is_as_of_version_3 =
            *site.forwarding == Forwarding::default() && site.upstreams.iter().all(|it| it.socket().is_none());
        Self {
            // An older Portward goes on reading what it understands.
            v: match (is_as_of_version_3, is_as_of_version_2) {
                (true, true) => 2,
                (true, false) => 3,
                (false, _) => Self::VERSION,
            },
            names: site.names.iter().map(ToString::to_string).collect(),
            upstreams: site.upstreams.iter().map(ToString::to_string).collect(),
            upstream_trust: TrustRecord::from(&site.upstream_trust),
            force_https: site.force_https.map(|mode| mode.as_str().to_owned()),
            hsts: site.hsts.to_string(),
            certificate: match &site.certificate {
                SiteCertificate::Auto => None,
                SiteCertificate::Fixed(id) => Some(id.to_string()),
            },
            limits: LimitsRecord::from(&site.limits),
            headers: HeadersRecord { set: site.headers.set().to_vec(), remove: site.headers.remove().to_vec() },
            preset: site.preset.as_ref().map(ToString::to_string),
            forwarding: ForwardingRecord::from(&*site.forwarding),
        }
    }
}

impl SiteRecord {
    /// Makes the site of that id.
    ///
    /// What many have is shared by those that are read with the same `shared`.
    pub(crate) fn into_site(self, id: SiteId, shared: &Shared) -> Result<Site, RecordError> {
        let names = host_patterns(&self.names)?;
        let mut upstreams = Upstreams::with_capacity(self.upstreams.len());
        for url in &self.upstreams {
            upstreams.push(Upstream::parse(url).map_err(|error| RecordError::invalid("upstreams", error))?);
        }
        if names.is_empty() {
            return Err(RecordError::invalid("names", "a site has at least one"));
        }
        if upstreams.is_empty() {
            return Err(RecordError::invalid("upstreams", "a site has at least one"));
        }
        if upstreams.contains(&Upstream::Portal) && upstreams.len() > 1 {
            return Err(RecordError::invalid("upstreams", "the portal is the only upstream of its site"));
        }
        let forwarding = match self.forwarding.is_empty() {
            true => shared.usual_forwarding(),
            false => Arc::new(Forwarding::try_from(self.forwarding)?),
        };
        if upstreams.contains(&Upstream::Portal) && *forwarding != Forwarding::default() {
            return Err(RecordError::invalid("forwarding", "the portal is reached in one way"));
        }
        let force_https = self
            .force_https
            .map(|mode| ForceHttps::parse(&mode).ok_or_else(|| RecordError::invalid("force_https", mode)))
            .transpose()?;
        Ok(Site {
            id,
            names,
            upstreams,
            upstream_trust: self.upstream_trust.try_into()?,
            force_https,
            hsts: Hsts::parse(&self.hsts).map_err(|error| RecordError::invalid("hsts", error))?,
            certificate: match self.certificate {
                None => SiteCertificate::Auto,
                Some(id) => SiteCertificate::Fixed(
                    CertificateId::parse(&id).map_err(|error| RecordError::invalid("certificate", error))?,
                ),
            },
            forwarding,
            limits: self.limits.try_into()?,
            headers: HeaderRules::new(self.headers.set, self.headers.remove)
                .map_err(|error| RecordError::invalid("headers", error))?,
            preset: self
                .preset
                .map(|id| PresetId::parse(&id))
                .transpose()
                .map_err(|error| RecordError::invalid("preset", error))?,
        })
    }
}

impl LimitsRecord {
    fn is_empty(&self) -> bool {
        matches!(self, Self { body: None, response: None, idle: None })
    }
}

impl HeadersRecord {
    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

impl From<&SiteLimits> for LimitsRecord {
    fn from(limits: &SiteLimits) -> Self {
        Self {
            body: limits.body.map(|limit| limit.to_string()),
            response: limits.response.map(|limit| limit.to_string()),
            idle: limits.idle.map(|limit| limit.to_string()),
        }
    }
}

impl TryFrom<LimitsRecord> for SiteLimits {
    type Error = RecordError;

    fn try_from(record: LimitsRecord) -> Result<Self, RecordError> {
        let invalid = |error: SiteLimitError| RecordError::invalid("limits", error);
        let wait = |text: Option<String>| text.map_or(Ok(None), |text| WaitLimit::parse(&text)).map_err(invalid);
        Ok(Self {
            body: record.body.map_or(Ok(None), |text| BodyLimit::parse(&text)).map_err(invalid)?,
            response: wait(record.response)?,
            idle: wait(record.idle)?,
        })
    }
}

impl From<&UpstreamTrust> for TrustRecord {
    fn from(trust: &UpstreamTrust) -> Self {
        match trust {
            UpstreamTrust::System => Self::System,
            UpstreamTrust::Authorities(ders) => Self::Authorities(ders.iter().cloned().map(Blob).collect()),
            UpstreamTrust::Pin(thumbprint) => Self::Pin(thumbprint.to_string()),
            UpstreamTrust::DangerInsecure => Self::DangerInsecure,
        }
    }
}

impl TryFrom<TrustRecord> for UpstreamTrust {
    type Error = RecordError;

    fn try_from(record: TrustRecord) -> Result<Self, RecordError> {
        Ok(match record {
            TrustRecord::System => Self::System,
            TrustRecord::Authorities(ders) => Self::Authorities(ders.into_iter().map(|blob| blob.0).collect()),
            TrustRecord::Pin(text) => {
                let pin = Thumbprint::parse(&text).map_err(|error| RecordError::invalid("upstream_trust", error))?;
                Self::Pin(Arc::new(pin))
            }
            TrustRecord::DangerInsecure => Self::DangerInsecure,
        })
    }
}
