//! The wire types of Portward's REST API, and the client that speaks them.
//!
//! Views go out (`BindingView`), inputs come in (`BindingCreate`, `SiteUpdate`); both are plain text and numbers,
//! which the server turns into types of its own. Inputs refuse fields that they do not know.
//! Every unsafe route takes `?dry_run=true`: everything is checked, nothing is changed.
//! Times are RFC 3339 in UTC, thumbprints lower-case hexadecimal digits; SHA-1 is upper-case, as Windows prints it.

pub mod acme;

mod binding;
mod certificate;
mod client;
mod foreign;
mod problem;
mod secret;
mod site;
mod status;
mod store;

pub use binding::{BindingCreate, BindingView};
pub use certificate::{
    CertificateExport, CertificateFile, CertificateImport, CertificateOutcome, CertificateRollback, CertificateTaken,
    CertificateVersionView, CertificateView, ChainLink, ExportFormat, FindingView, FindingWeight, SelfSignedCreate,
};
pub use client::{Client, ClientError, Effect, RemoteUrlError};
pub use foreign::{ForeignAccountView, ForeignCertificateView, ForeignFile, ForeignImport, ForeignImported};
pub use problem::{PROBLEM_JSON, Problem};
pub use secret::{SecretBytes, SecretText};
pub use site::{HeaderSet, SiteCreate, SiteUpdate, SiteView, UpstreamTrustInput};
pub use status::{BindingStatus, ProblemView, Removed, Severity, StatusView};
pub use store::{BACKUP_MEDIA_TYPE, Restored};
