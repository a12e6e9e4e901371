//! ACME on the wire: issuers, DNS providers, managed certificates, attempts, advice.

mod attempt;
mod issuer;
mod letsencrypt;
mod outlook;
mod renewal;

pub use attempt::{AcmeProblemView, AttemptView, EventView, OutcomeView, SubproblemView};
pub use issuer::{
    DnsProviderCreate, DnsProviderKindView, DnsProviderView, DnsSettingView, EabInput, IssuerCreate, IssuerView,
    RolledOver,
};
pub use letsencrypt::{LetsEncryptConfigure, LetsEncryptStatus};
pub use outlook::{
    AcmeCheck, AdviceView, BudgetView, CheckView, LifetimeChange, PlannedRenewal, SimulateRequest, SimulateView,
};
pub use renewal::{
    CertificateRenew, CertificateRequestCreate, CertificateRevoke, ManagedView, RenewalView, Requested, Revoked,
};
