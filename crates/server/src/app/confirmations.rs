//! Use cases of changes that wait to be confirmed: look, keep, go back.

mod waiting;

use std::sync::Arc;

use http::StatusCode;
use portward_api::{Answered, ConfirmationView};
use portward_core::{BindingId, ConfirmationId, NewWay, Revision, Scheme};
use portward_store::{
    WatchStream,
    change::{Before, Change, Expected, WentBack, commit},
    work::{Confirmation, ReadWorkError, confirmation, confirmations, confirmations_prefix},
};

pub(super) use waiting::Waiting;

use super::{Actor, Allowed, App, AppError, chain_text, right, said_of_left, ways_in};
use crate::web::{Listener, Way};

impl App {
    /// Lists the changes that wait to be confirmed, the oldest first.
    pub(crate) async fn list_confirmations(
        &self,
        _by: &Allowed<right::View>,
    ) -> Result<Vec<ConfirmationView>, AppError> {
        let (all, _) = confirmations(&*self.parts.store).await.map_err(unreadable)?;
        Ok(all.iter().map(|waiting| self.confirmation_view(waiting)).collect())
    }

    /// Shows one change that waits.
    pub(crate) async fn show_confirmation(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
    ) -> Result<ConfirmationView, AppError> {
        Ok(self.confirmation_view(&self.waiting_for(id).await?))
    }

    /// What waits first of what somebody may answer.
    pub(crate) fn first_confirmation(&self, actor: &Actor) -> Option<Arc<Confirmation>> {
        let now = self.now();
        self.waiting
            .all()
            .into_iter()
            .find(|waiting| actor.holds(waiting.permission) && !self.waiting.is_over(waiting, now))
    }

    /// Whether the change of a revision waits.
    pub(super) fn is_waiting(&self, revision: Revision) -> bool {
        self.waiting.all().iter().any(|waiting| waiting.revision == revision)
    }

    /// Whether an answer that comes by a way shows that one can come in by the new one; on the machine itself it counts.
    pub(crate) fn is_new_way(&self, waiting: &Confirmation, way: Option<&Way>) -> bool {
        self.shows(waiting, way).is_ok()
    }

    /// Keeps a change that waits, if the answer came by a way that shows that one can still come in.
    pub(crate) async fn keep(
        &self,
        by: &Allowed<right::View>,
        id: &str,
        way: Option<&Way>,
    ) -> Result<Answered, AppError> {
        let waiting = self.waiting_for(id).await?;
        by.actor().demand(waiting.permission)?;
        if self.waiting.is_over(&waiting, self.now()) {
            return Err(over(&waiting));
        }
        let message = self.shows(&waiting, way)?;
        let deciding = self.decide().await;
        let what = &waiting.what;
        let audit = format!("keep revision {} ({what})", waiting.revision);
        let mut change = self.change_of(by.actor(), audit);
        change.settle_confirmation(&waiting);
        let desired = self.desired().await?;
        let is_there = |id: &&BindingId| desired.bindings.iter().any(|stored| stored.value.id == **id);
        for id in waiting.retires.iter().filter(is_there) {
            change.remove_binding(id, Expected::Any);
        }
        let revision = commit(&*self.parts.store, change).await?;
        drop(deciding);
        self.look_what_waits().await;
        if !waiting.retires.is_empty() {
            self.in_effect(revision).await?;
        }
        Ok(Answered { change: waiting.revision.0, what: what.clone(), kept: true, revision: revision.0, message })
    }

    /// Goes back from a change that waits, without waiting longer.
    pub(crate) async fn go_back(&self, by: &Allowed<right::View>, id: &str) -> Result<Answered, AppError> {
        let waiting = self.waiting_for(id).await?;
        by.actor().demand(waiting.permission)?;
        self.back_from(by.actor(), &waiting, "asked for").await
    }

    /// Goes back from all changes whose time is over; what cannot be gone back from waits no longer, and is told of.
    pub(crate) async fn go_back_overdue(&self) -> Result<(), AppError> {
        self.look_what_waits().await;
        let now = self.now();
        for waiting in self.waiting.all().iter().filter(|waiting| self.waiting.is_over(waiting, now)) {
            let (change, what) = (waiting.revision.0, &waiting.what);
            match self.back_from(&Actor::portward("go back"), waiting, "nobody confirmed it").await {
                Ok(answered) => {
                    tracing::warn!(
                        change,
                        what,
                        revision = answered.revision,
                        outcome = answered.message,
                        "a change went back, as nobody confirmed it"
                    );
                }
                // Somebody answered it at the last moment.
                Err(_) if self.is_answered(waiting).await? => {}
                Err(error) if error.status().is_client_error() => {
                    tracing::error!(change, what, error = chain_text(&error), "a change could not go back and stays");
                    self.give_up(waiting, &error).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether a change waits no more.
    async fn is_answered(&self, waiting: &Confirmation) -> Result<bool, AppError> {
        let found = confirmation(&*self.parts.store, &waiting.id).await.map_err(unreadable)?;
        Ok(found.is_none())
    }

    /// Whether something waits, as far as is known.
    pub(crate) fn waits(&self) -> bool {
        !self.waiting.all().is_empty()
    }

    /// Watches for what begins or ceases to wait.
    pub(crate) async fn watch_what_waits(&self) -> Result<WatchStream, AppError> {
        let after = self.parts.store.revision().await?;
        Ok(self.parts.store.watch(&[confirmations_prefix()], after).await?)
    }

    /// Reads what waits, for those who cannot wait for the store.
    pub(super) async fn look_what_waits(&self) {
        match confirmations(&*self.parts.store).await {
            Ok((all, unreadable)) => {
                for error in unreadable {
                    tracing::error!(error = chain_text(&error), "a change that waits to be confirmed cannot be read");
                }
                self.waiting.set(all);
            }
            Err(error) => tracing::warn!(error = chain_text(&error), "it is not known what waits to be confirmed"),
        }
    }

    /// Refuses a change that stands in the way of going back from one that waits.
    pub(super) async fn refuse_what_waits(&self, change: &Change) -> Result<(), AppError> {
        let (all, _) = confirmations(&*self.parts.store).await.map_err(unreadable)?;
        for waiting in all {
            if let Some(key) = waiting.before.collides_with(change) {
                return Err(AppError::conflict(
                    "confirmation-pending",
                    format!(
                        "\"{key}\" waits to be confirmed: revision {} ({}) goes back by itself at {}. Answer that first: portward confirm {}, or portward confirm {} --back. Nothing was changed",
                        waiting.revision, waiting.what, waiting.deadline, waiting.id, waiting.id
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Refuses to undo a change that waits itself, or whose undoing stands in the way of going back from one that does.
    pub(super) async fn refuse_undo(&self, before: &Before, made: Revision) -> Result<(), AppError> {
        let (all, _) = confirmations(&*self.parts.store).await.map_err(unreadable)?;
        if let Some(waiting) = all.iter().find(|waiting| waiting.revision == made) {
            return Err(AppError::conflict(
                "confirmation-pending",
                format!(
                    "revision {made} ({}) waits to be confirmed, and goes back by itself at {}; to go back now: portward confirm {} --back. Nothing was changed",
                    waiting.what, waiting.deadline, waiting.id
                ),
            ));
        }
        let mut change = Change::of_work();
        change.put_back(before, made);
        self.refuse_what_waits(&change).await
    }

    /// The view of a change that waits.
    pub(crate) fn confirmation_view(&self, waiting: &Confirmation) -> ConfirmationView {
        let served = self.served();
        let machine = &self.parts.host_name;
        let url = match waiting.way {
            NewWay::Any => None,
            NewWay::Https => ways_in::portal_url(&served, machine),
            NewWay::At(scheme, port) => Some(ways_in::url(scheme, &ways_in::told_host(&served.desired, machine), port)),
        };
        ConfirmationView {
            id: waiting.id.to_string(),
            revision: waiting.revision.0,
            who: waiting.who.clone(),
            what: waiting.what.clone(),
            made: waiting.made.to_string(),
            deadline: waiting.deadline.to_string(),
            seconds: waiting.deadline.since(waiting.made).as_secs(),
            seconds_left: self.waiting.left(waiting, self.now()).as_secs(),
            way: waiting.way.to_string(),
            url,
            trial: self.waiting.trial(&waiting.id),
        }
    }

    async fn waiting_for(&self, id: &str) -> Result<Confirmation, AppError> {
        let missing = || {
            let message = format!(
                "no change waits to be confirmed as \"{id}\": it was answered, or it went back by itself; portward confirm list shows what waits"
            );
            AppError::new(StatusCode::NOT_FOUND, "not-found", message)
        };
        let parsed = ConfirmationId::parse(id).map_err(|_| missing())?;
        confirmation(&*self.parts.store, &parsed).await.map_err(unreadable)?.ok_or_else(missing)
    }

    /// What an answer that came by a way shows; refused if that is nothing.
    fn shows(&self, waiting: &Confirmation, way: Option<&Way>) -> Result<String, AppError> {
        let Some(way) = way.filter(|way| way.listener == Listener::Binding) else {
            return Ok(
                "it is kept, as asked for on the machine itself; that does not show that the new way in works from elsewhere"
                    .to_owned(),
            );
        };
        if way.is_outdated {
            return Err(AppError::conflict(
                "confirm-by-new-way",
                format!(
                    "the answer came on a connection that was made before the certificate changed, which does not show that one can still come in. Open the portal again and confirm there, or on the machine: portward confirm {}. Nothing was confirmed",
                    waiting.id
                ),
            ));
        }
        let scheme = if way.is_tls { Scheme::Https } else { Scheme::Http };
        if waiting.way.is_taken(scheme, way.bound) || waiting.way.is_taken(scheme, way.port) {
            return Ok(match way.port {
                Some(port) => format!("it is kept: the answer came over {scheme} at port {port}, by the new way in"),
                None => format!("it is kept: the answer came over {scheme}, by the new way in"),
            });
        }
        let url = self.confirmation_view(waiting).url.unwrap_or_else(|| "the portal by the new way in".to_owned());
        Err(AppError::conflict(
            "confirm-by-new-way",
            format!(
                "the answer came by the way in that was there before, which does not show that the new one works. Open {url} and confirm there, or on the machine: portward confirm {}. Nothing was confirmed",
                waiting.id
            ),
        ))
    }

    async fn back_from(&self, actor: &Actor, waiting: &Confirmation, why: &str) -> Result<Answered, AppError> {
        let deciding = self.decide().await;
        let what = &waiting.what;
        let audit = format!("go back to before revision {} ({what}): {why}", waiting.revision);
        let mut change = self.change_of(actor, audit);
        change.settle_confirmation(waiting);
        let WentBack { revision, left, .. } =
            self.put_back_entirely(change, &waiting.before, waiting.revision, what).await?;
        drop(deciding);
        self.look_what_waits().await;
        self.in_effect(revision).await?;
        Ok(Answered {
            change: waiting.revision.0,
            what: what.clone(),
            kept: false,
            revision: revision.0,
            message: format!(
                "what was there before revision {} is served again{}",
                waiting.revision,
                said_of_left(&left)
            ),
        })
    }

    /// Has a change wait no longer that cannot be gone back from.
    async fn give_up(&self, waiting: &Confirmation, error: &AppError) -> Result<(), AppError> {
        let audit = format!(
            "keep revision {} ({}), which cannot be gone back from: {}",
            waiting.revision,
            waiting.what,
            error.code()
        );
        let mut change = self.change_of(&Actor::portward("go back"), audit);
        change.settle_confirmation(waiting);
        commit(&*self.parts.store, change).await?;
        self.look_what_waits().await;
        Ok(())
    }
}

pub(super) fn unreadable(error: ReadWorkError) -> AppError {
    match error {
        ReadWorkError::Store(error) => error.into(),
        error => AppError::internal("what waits to be confirmed cannot be read", error),
    }
}

fn over(waiting: &Confirmation) -> AppError {
    AppError::conflict(
        "confirmation-over",
        format!(
            "the time to confirm revision {} ({}), which was until {}, is over; it goes back",
            waiting.revision, waiting.what, waiting.deadline
        ),
    )
}

#[cfg(test)]
mod tests;
