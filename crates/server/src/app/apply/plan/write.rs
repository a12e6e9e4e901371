//! The things that a plan writes or takes away, in their order, and how each comes into a change.

use portward_core::{
    Binding, BindingId, CertificateId, DnsProviderId, IssuerId, Permission, Revision, Settings, Site, SiteCertificate,
    SiteId, acme::Issuer,
};
use portward_store::{
    change::{Change, Expected},
    desired::StoredDnsProvider,
    sealing::Secret,
};

use super::{Plan, certificates::CertificateWrite};
use crate::kind_settings::Values;

/// Is one thing that is written or taken away.
pub(in crate::app::apply) enum Write {
    Settings(Settings),
    Issuer(Box<Issuer>, Option<Secret>, Expected),
    RemoveIssuer(IssuerId, Revision),
    DnsProvider(StoredDnsProvider, Values, Expected),
    RemoveDnsProvider(DnsProviderId, Revision),
    Certificate(CertificateWrite),
    Binding(Binding, Expected),
    RemoveBinding(BindingId, Revision),
    Site(Box<Site>, Expected),
    RemoveSite(SiteId, Revision),
}

impl Write {
    /// The certificate that it takes away.
    pub(in crate::app::apply) fn removed_certificate(&self) -> Option<&CertificateId> {
        match self {
            Self::Certificate(CertificateWrite::Remove(stored)) => Some(&stored.value.id),
            _ => None,
        }
    }

    /// What one needs for it alone; none where the right to apply is enough.
    pub(in crate::app::apply) fn permission(&self) -> Option<Permission> {
        match self {
            Self::Settings(_) => None,
            Self::Issuer(..) | Self::RemoveIssuer(..) | Self::DnsProvider(..) | Self::RemoveDnsProvider(..) => {
                Some(Permission::IssuerChange)
            }
            Self::Certificate(_) => Some(Permission::CertificateChange),
            Self::Binding(..) | Self::RemoveBinding(..) => Some(Permission::BindingChange),
            Self::Site(..) | Self::RemoveSite(..) => Some(Permission::SiteChange),
        }
    }

    /// When it is its turn, among the others.
    fn stage(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Issuer(..) | Self::DnsProvider(..) => 0,
            Self::Certificate(CertificateWrite::Add { .. } | CertificateWrite::Edit { .. }) => 1,
            // One that goes may make room for one that comes.
            Self::RemoveBinding(..) => 2,
            Self::Binding(..) => 3,
            // The same with names; and one that is edited may give a name to one that comes.
            Self::RemoveSite(..) => 4,
            Self::Site(_, Expected::At(_) | Expected::Any) => 5,
            Self::Site(_, Expected::Absent) => 6,
            Self::Certificate(CertificateWrite::Remove(_)) => 7,
            Self::RemoveIssuer(..) | Self::RemoveDnsProvider(..) => 8,
        }
    }
}

impl Plan<'_> {
    /// What is written, in an order in which each thing comes after what it needs, and goes after what needs it.
    pub(in crate::app::apply) fn writes(&self) -> Vec<&Write> {
        let mut writes: Vec<&Write> = self.writes.iter().collect();
        writes.sort_by_key(|write| write.stage());
        writes
    }

    /// Puts one thing into a change.
    pub(in crate::app::apply) fn write(&self, write: &Write, change: &mut Change) {
        match write {
            Write::Settings(settings) => change.put_settings(settings),
            Write::Issuer(issuer, secret, expected) => {
                change.put_issuer(issuer, secret.as_ref(), &self.sealer, *expected);
            }
            Write::RemoveIssuer(id, revision) => {
                change.remove_issuer(id, Expected::At(*revision));
                change.remove_account(id);
            }
            Write::DnsProvider(provider, secrets, expected) => {
                let (kind, settings) = (&provider.kind, provider.settings.clone());
                change.put_dns_provider(&provider.id, kind, settings, secrets, &self.sealer, *expected);
            }
            Write::RemoveDnsProvider(id, revision) => change.remove_dns_provider(id, Expected::At(*revision)),
            Write::Certificate(write) => self.write_certificate(write, change),
            Write::Binding(binding, expected) => {
                change.put_binding(binding, *expected);
                self.require(change, binding.default_certificate.as_ref());
            }
            Write::RemoveBinding(id, revision) => change.remove_binding(id, Expected::At(*revision)),
            Write::Site(site, expected) => {
                change.put_site(site, *expected);
                if let SiteCertificate::Fixed(id) = &site.certificate {
                    self.require(change, Some(id));
                }
            }
            Write::RemoveSite(id, revision) => change.remove_site(id, Expected::At(*revision)),
        }
    }

    /// Makes the change depend on a certificate that was there before; one that it makes itself needs no such thing.
    fn require(&self, change: &mut Change, certificate: Option<&CertificateId>) {
        if let Some(id) = certificate
            && self.before.certificate(id).is_some()
        {
            change.require_certificate(id);
        }
    }
}
