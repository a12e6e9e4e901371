//! The wire types of Portward's REST API, and the client that speaks them.
//!
//! Views go out (`BindingView`), inputs come in (`BindingCreate`, `SiteUpdate`); both are plain text and numbers,
//! which the server turns into types of its own. Inputs refuse fields that they do not know.
//! Most unsafe routes take `?dry_run=true`: everything is checked, nothing is changed.
//! Lists come as pages ([`Page`]), with `?limit=` and `?cursor=`.
//! Times are RFC 3339 in UTC, thumbprints lower-case hexadecimal digits; SHA-1 is upper-case, as Windows prints it.

pub mod acme;

mod agent;
mod audit;
mod binding;
mod certificate;
mod changed;
mod client;
mod delivery;
mod desired;
mod event;
mod explain;
mod foreign;
mod https_settings;
mod identity;
mod inspection;
mod notification;
mod oidc;
mod page;
mod preset;
mod problem;
mod recover;
mod secret;
mod session;
mod settings;
mod setup;
mod site;
mod status;
mod store;
mod token;
mod traffic;
mod upgrade;
mod upstream;
mod user;
mod whole;

pub use agent::{
    AgentCheckStep, AgentChecked, AgentDisk, AgentJoinCreate, AgentJoinCreated, AgentJoinView, AgentReport, AgentTrust,
    AgentView, AgentsCheck, StrangerApprove, StrangerView,
};
pub use audit::{AuditBreakView, AuditChangeView, AuditEndView, AuditPage, AuditQuery, AuditVerification, AuditView};
pub use binding::{BindingCreate, BindingUpdate, BindingView};
pub use certificate::{
    CertificateExport, CertificateFile, CertificateImport, CertificateOutcome, CertificateRollback, CertificateTaken,
    CertificateVersionView, CertificateView, ChainLink, ExportFormat, FindingView, FindingWeight, SelfSignedCreate,
};
pub use changed::{Answered, Changed, ConfirmationView, Impact, ImpactSeverity, TrialOutcome, TrialStep};
pub use client::{Client, ClientError, Effect, RemoteUrlError};
pub use delivery::{DeliveryCreate, DeliveryView};
pub use desired::{
    Applied, AppliedAction, AppliedStep, BindingDeclared, CertificateDeclared, DesiredState, DesiredStateApply,
    DnsProviderDeclared, EabDeclared, IssuerDeclared, ManagedDeclared, SecretDeclared, SiteDeclared,
    UpstreamTrustDeclared,
};
pub use event::{AttemptEvent, EVENT_STREAM, NoticeEvent, ProblemEvent, ProblemState, RevisionEvent, ServedEvent};
pub use explain::{ExplainDetail, ExplainRequest, ExplainStep, ExplainView};
pub use foreign::{ForeignAccountView, ForeignCertificateView, ForeignFile, ForeignImport, ForeignImported};
pub use https_settings::{HttpsSettingsUpdate, HttpsSettingsView};
pub use identity::{
    IdentityChanged, IdentityExport, IdentityExported, IdentityImport, IdentityRotate, IdentityStateView,
    IdentityUpdate, IdentityView, LaggardView, RotationView,
};
pub use inspection::{
    InspectedCertificateView, InspectedFileView, InspectedKeyView, InspectedPieceView, InspectionView,
    MissingIssuerView, RefusalView,
};
pub use notification::{
    ChannelCreate, ChannelKindView, ChannelSettingView, ChannelUpdate, ChannelView, SendingView, SentView,
};
pub use oidc::{OidcSet, OidcTested, OidcView};
pub use page::{PAGE_DEFAULT, PAGE_MOST, Page};
pub use preset::PresetView;
pub use problem::{PROBLEM_JSON, Problem};
pub use recover::{Recover, Recovered};
pub use secret::{SecretBytes, SecretText};
pub use session::{
    PasswordChange, SecondFactorBegin, SecondFactorBegun, SecondFactorCode, SecondFactorEnd, SecondFactorOn,
    SessionView, SignIn,
};
pub use settings::{SettingsUpdate, SettingsView};
pub use setup::{SetupInput, SetupLinkView};
pub use site::{HeaderSet, SiteCreate, SiteRoute, SiteUpdate, SiteView, UpstreamTrustInput};
pub use status::{BindingStatus, ProblemView, Removed, Severity, StatusView};
pub use store::{BACKUP_MEDIA_TYPE, Restored, StoreFindingView};
pub use token::{TokenCreate, TokenCreated, TokenView};
pub use traffic::{AnswersView, LastHourView, PlainClientView, PlainTrafficView, SecureTrafficView, TrafficView};
pub use upgrade::{UpgradeInput, UpgradeView};
pub use upstream::{SiteUpstreamView, SiteUpstreamsView};
pub use user::{UserCreate, UserUpdate, UserView};
