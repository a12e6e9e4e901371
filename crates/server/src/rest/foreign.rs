//! `/api/v1/import`: taking over what another ACME program has on disk.

use axum::response::Response;
use portward_api::{ForeignImport, ForeignImported};
use portward_certs::MAX_FOREIGN_BYTES;

use super::{answer, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table.post(
        "/api/v1/import",
        import,
        Doc::act("import_foreign", "Takes over what another ACME program has on disk.")
            .takes::<ForeignImport>()
            .dry_run()
            .answers::<ForeignImported>(),
    )
}

async fn import(mut call: Call<right::CertificateChange>) -> Result<Response, AppError> {
    let input: ForeignImport = call.json(FOREIGN).await?;
    answer::json(&call.app.import_foreign(&call.by, input, call.apply).await?)
}

/// All files of another program, in base64.
const FOREIGN: usize = 2 * MAX_FOREIGN_BYTES;
