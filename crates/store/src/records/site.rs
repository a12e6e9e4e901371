//! The record of a site.

use portward_core::{
    CertificateId, ForceHttps, HostPattern, Hsts, Site, SiteCertificate, SiteId, Thumbprint, Upstream, UpstreamTrust,
};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, base64::Blob};

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
    // 2 has sites whose upstream is the portal.
    const VERSION: u32 = 2;
}

impl From<&Site> for SiteRecord {
    fn from(site: &Site) -> Self {
        Self {
            v: Self::VERSION,
            names: site.names.iter().map(ToString::to_string).collect(),
            upstreams: site.upstreams.iter().map(ToString::to_string).collect(),
            upstream_trust: TrustRecord::from(&site.upstream_trust),
            force_https: site.force_https.map(|mode| mode.as_str().to_owned()),
            hsts: site.hsts.to_string(),
            certificate: match &site.certificate {
                SiteCertificate::Auto => None,
                SiteCertificate::Fixed(id) => Some(id.to_string()),
            },
        }
    }
}

impl SiteRecord {
    /// Makes the site of that id.
    pub(crate) fn into_site(self, id: SiteId) -> Result<Site, RecordError> {
        let names: Vec<_> = self
            .names
            .iter()
            .map(|name| HostPattern::parse(name))
            .collect::<Result<_, _>>()
            .map_err(|error| RecordError::invalid("names", error))?;
        let upstreams: Vec<_> = self
            .upstreams
            .iter()
            .map(|url| Upstream::parse(url))
            .collect::<Result<_, _>>()
            .map_err(|error| RecordError::invalid("upstreams", error))?;
        if names.is_empty() {
            return Err(RecordError::invalid("names", "a site has at least one"));
        }
        if upstreams.is_empty() {
            return Err(RecordError::invalid("upstreams", "a site has at least one"));
        }
        if upstreams.contains(&Upstream::Portal) && upstreams.len() > 1 {
            return Err(RecordError::invalid("upstreams", "the portal is the only upstream of its site"));
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
                Self::Pin(Thumbprint::parse(&text).map_err(|error| RecordError::invalid("upstream_trust", error))?)
            }
            TrustRecord::DangerInsecure => Self::DangerInsecure,
        })
    }
}
