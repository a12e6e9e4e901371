//! Looking at the store in a data directory, which a server may be using.

use std::path::Path;

use portward_api::StoreFindingView;
use portward_store::doctor;

use crate::master_key;

/// Looks at the store in a data directory; nothing is changed.
///
/// It reads the files itself, so it must run on the machine of the server, as its user or as root.
pub async fn examine_store(data_dir: &Path) -> Vec<StoreFindingView> {
    let master = master_key::open(data_dir).map_err(|error| error.to_string());
    let findings = doctor::examine(data_dir, master).await;
    let view = |finding: doctor::Finding| StoreFindingView {
        what: finding.what.to_owned(),
        verdict: finding.verdict.as_str().to_owned(),
        seen: finding.seen,
        remedy: finding.remedy,
    };
    findings.into_iter().map(view).collect()
}
