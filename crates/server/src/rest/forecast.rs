//! `/api/v1/acme/check` and `/api/v1/acme/simulate`: what would come of asking.

use axum::response::Response;
use portward_api::acme::{AcmeCheck, CheckView, SimulateRequest, SimulateView};

use super::{answer, body::SMALL, call::Call, doc::Doc, table::Table};
use crate::app::{AppError, right};

pub(super) fn routes(table: Table) -> Table {
    table
        .post(
            "/api/v1/acme/check",
            check,
            Doc::act("check_name", "Says what would come of asking a CA for a name.")
                .takes::<AcmeCheck>()
                .answers::<CheckView>(),
        )
        .post(
            "/api/v1/acme/simulate",
            simulate,
            Doc::act("simulate_renewals", "Says what will be renewed when.")
                .takes::<SimulateRequest>()
                .fresh()
                .answers::<SimulateView>(),
        )
}

async fn check(mut call: Call<right::View>) -> Result<Response, AppError> {
    let input: AcmeCheck = call.json(SMALL).await?;
    answer::json(&call.app.check_name(&call.by, &input).await?)
}

async fn simulate(mut call: Call<right::View>) -> Result<Response, AppError> {
    let input: SimulateRequest = call.json(SMALL).await?;
    answer::json(&call.app.simulate(&call.by, &input).await?)
}
