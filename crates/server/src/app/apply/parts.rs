//! Storing a plan: in one change where a transaction has room for it, else in several.

use portward_core::NewWay;
use tokio::sync::MutexGuard;

use super::plan::Plan;
use crate::app::{
    Allowed, App, AppError, Apply,
    draft::Draft,
    right,
    safely::{Made, Safety},
    trial::{Demand, trials_of_portal},
};

impl App {
    /// Stores a plan, and tries what `demand` says of the ways in to the portal.
    ///
    /// One change can be undone, and can wait to be confirmed. Of several, everything fits together after each;
    /// if one fails, those before it stay, and the error says so.
    pub(super) async fn store_plan(
        &self,
        by: &Allowed<right::SettingsChange>,
        plan: &Plan<'_>,
        deciding: MutexGuard<'_, ()>,
        apply: Apply,
        demand: Option<Demand>,
    ) -> Result<Made, AppError> {
        let (before, mut last) = self.parts_of(by, plan).await?;
        let many = before.len() + 1;
        if many == 1 {
            plan.permissions().for_each(|permission| last.needs(permission));
        } else if apply.confirm_within().is_some() {
            return Err(AppError::refused(
                "too-large-to-confirm",
                format!(
                    "this takes {many} changes, and only one can wait to be confirmed; apply it file by file. Nothing was changed"
                ),
            ));
        } else {
            last = last.for_good();
        }
        for (at, part) in before.into_iter().enumerate() {
            self.commit(part.for_good()).await.map_err(|error| in_part(error, at, many))?;
        }
        let way = if demand.is_some() { NewWay::Https } else { NewWay::Any };
        let made = self.make_safely(last, deciding, apply, Safety::by(way), |served| {
            Ok(demand.map(|demand| trials_of_portal(served, None, demand)).unwrap_or_default())
        });
        made.await.map_err(|error| in_part(error, many - 1, many))
    }

    /// As few changes as there can be: the last one, and those before it.
    async fn parts_of(
        &self,
        by: &Allowed<right::SettingsChange>,
        plan: &Plan<'_>,
    ) -> Result<(Vec<Draft>, Draft), AppError> {
        let (mut before, mut last) = (Vec::new(), self.change(by, plan.summary()));
        for write in plan.writes() {
            let mut one = self.change(by, format!("{}, part {}", plan.summary(), before.len() + 2));
            plan.write(write, &mut one);
            if let Some(id) = write.removed_certificate() {
                self.forget_renewals(id, &mut one).await?;
            }
            if last.has_room_for(&one) {
                last.absorb(one.into_change());
            } else {
                before.push(std::mem::replace(&mut last, one));
            }
        }
        Ok((before, last))
    }
}

fn in_part(error: AppError, done: usize, many: usize) -> AppError {
    match done {
        0 => error,
        _ => error.within(&format!("{done} of {many} changes are stored, and stay; apply again for the others")),
    }
}
