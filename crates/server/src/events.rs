//! What happens, told to whoever listens: each event has a number, and the newest ones are kept to catch up with.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use portward_api::{AttemptEvent, NoticeEvent, ProblemEvent, RevisionEvent, ServedEvent};
use portward_core::Timestamp;
use tokio::sync::watch;

/// Keeps the newest events; one for each server.
#[derive(Debug)]
pub(crate) struct Events {
    kept: Mutex<VecDeque<Arc<Event>>>,
    /// The number of the newest event, and whether there will be others.
    newest: watch::Sender<Newest>,
    listeners: Arc<AtomicUsize>,
}

/// Is one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Larger than that of every event before, also of those before a restart.
    pub(crate) id: u64,
    /// What happened.
    pub(crate) happened: Happened,
}

/// Says what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// Something that operators ask for was changed.
    Revision(RevisionEvent),
    /// Everything up to a change is served.
    Served(ServedEvent),
    /// A problem came up, or is none any more.
    Problem(ProblemEvent),
    /// An attempt came further.
    Attempt(AttemptEvent),
    /// An operator is told something.
    Notice(NoticeEvent),
}

/// Hears events, from one on.
#[derive(Debug)]
pub(crate) struct Listener {
    events: Arc<Events>,
    newest: watch::Receiver<Newest>,
    /// The last one that was heard.
    heard: u64,
    _seat: Seat,
}

/// Is what a listener hears next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// These, in order.
    Events(Vec<Arc<Event>>),
    /// Some are missing; this is the number to go on from.
    Reset(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Newest {
    id: u64,
    is_end: bool,
}

/// Is taken while somebody listens.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

impl Events {
    /// Begins; numbers go on above all that an earlier process can have given, as it began before.
    pub(crate) fn new(now: Timestamp) -> Self {
        let first = u64::try_from(now.unix()).unwrap_or(0).saturating_mul(NUMBERS_PER_SECOND);
        let newest = watch::Sender::new(Newest { id: first, is_end: false });
        Self { kept: Mutex::default(), newest, listeners: Arc::default() }
    }

    /// Tells everybody.
    pub(crate) fn tell(&self, happened: Happened) {
        let mut kept = self.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        self.newest.send_modify(|newest| {
            newest.id += 1;
            kept.push_back(Arc::new(Event { id: newest.id, happened }));
        });
    }

    /// Tells everybody that there is nothing more to hear.
    pub(crate) fn end(&self) {
        self.newest.send_modify(|newest| newest.is_end = true);
    }

    /// Begins to listen after that event, or with the next one; none if too many listen already.
    pub(crate) fn listen(self: &Arc<Self>, after: Option<u64>) -> Option<Listener> {
        let seat = Seat::take(&self.listeners)?;
        let newest = self.newest.subscribe();
        let heard = after.unwrap_or_else(|| newest.borrow().id);
        Some(Listener { events: Arc::clone(self), newest, heard, _seat: seat })
    }

    /// What came after an event.
    fn after(&self, heard: u64) -> Heard {
        let kept = self.lock();
        let newest = self.newest.borrow().id;
        let oldest = kept.front().map_or(newest, |event| event.id - 1);
        if heard < oldest || heard > newest {
            return Heard::Reset(newest);
        }
        Heard::Events(kept.iter().filter(|event| event.id > heard).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits for what comes next; none when there is nothing more to hear.
    ///
    /// The future may be dropped without losing an event.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        let heard = self.heard;
        let newest = *self.newest.wait_for(|newest| newest.is_end || newest.id != heard).await.ok()?;
        if newest.is_end {
            return None;
        }
        let next = self.events.after(heard);
        self.heard = match &next {
            Heard::Events(events) => events.last().map_or(heard, |event| event.id),
            Heard::Reset(newest) => *newest,
        };
        Some(next)
    }

    /// The last event that was heard.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }
}

impl Happened {
    /// The name of the event.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Revision(_) => "revision",
            Self::Served(_) => "served",
            Self::Problem(_) => "problem",
            Self::Attempt(_) => "attempt",
            Self::Notice(_) => "notice",
        }
    }

    /// Its data; who did what is for those who may look at the audit.
    pub(crate) fn data(&self, audience: Audience) -> String {
        let json = match self {
            Self::Revision(event) if audience == Audience::Others => {
                serde_json::to_string(&RevisionEvent { revision: event.revision, who: None, what: None })
            }
            Self::Revision(event) => serde_json::to_string(event),
            Self::Served(event) => serde_json::to_string(event),
            Self::Problem(event) => serde_json::to_string(event),
            Self::Attempt(event) => serde_json::to_string(event),
            Self::Notice(event) => serde_json::to_string(event),
        };
        // Text and numbers can always be written.
        json.unwrap_or_default()
    }
}

/// Says who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Those who may look at the audit.
    Auditors,
    /// Everybody else.
    Others,
}

impl Seat {
    fn take(listeners: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = listeners
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < MOST_LISTENERS).then_some(count + 1));
        taken.ok().map(|_| Self(Arc::clone(listeners)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Enough for a browser that was asleep for a while.
const KEPT: usize = 1000;
/// More than that happen in no second.
const NUMBERS_PER_SECOND: u64 = 1000;
/// Half of the connections that a way in for operators takes.
pub(crate) const MOST_LISTENERS: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::fixture::now;

    fn served(revision: u64) -> Happened {
        Happened::Served(ServedEvent { revision, problems: 0 })
    }

    fn revisions(heard: Option<Heard>) -> Vec<u64> {
        let Some(Heard::Events(events)) = heard else { return Vec::new() };
        let revision = |event: &Arc<Event>| match &event.happened {
            Happened::Served(event) => event.revision,
            _ => 0,
        };
        events.iter().map(revision).collect()
    }

    #[tokio::test]
    async fn a_listener_hears_everything_from_where_it_was() {
        let events = Arc::new(Events::new(now()));
        events.tell(served(1));
        let mut listener = events.listen(None).unwrap();
        events.tell(served(2));
        events.tell(served(3));
        assert_eq!(revisions(listener.next().await), [2, 3]);
        let after = listener.heard() - 1;
        drop(listener);
        let mut again = events.listen(Some(after)).unwrap();
        assert_eq!(revisions(again.next().await), [3]);
        events.end();
        assert_eq!(again.next().await, None);
    }

    #[tokio::test]
    async fn who_missed_something_is_told() {
        let events = Arc::new(Events::new(now()));
        events.tell(served(0));
        let first = events.listen(None).unwrap().heard();
        for revision in 1..=u64::try_from(KEPT).unwrap() {
            events.tell(served(revision));
        }
        assert_eq!(revisions(events.listen(Some(first)).unwrap().next().await).len(), KEPT);
        let newest = first + u64::try_from(KEPT).unwrap();
        for unknown in [first - 1, 7, newest + 1] {
            let mut listener = events.listen(Some(unknown)).unwrap();
            assert_eq!(listener.next().await, Some(Heard::Reset(newest)), "{unknown}");
            assert_eq!(listener.heard(), newest);
        }
    }

    #[test]
    fn only_so_many_listen() {
        let events = Arc::new(Events::new(now()));
        let seats: Vec<_> = std::iter::from_fn(|| events.listen(None)).collect();
        assert_eq!(seats.len(), MOST_LISTENERS);
        drop(seats);
        assert!(events.listen(None).is_some());
    }

    #[test]
    fn who_did_what_is_for_those_who_may_see_the_audit() {
        let event = RevisionEvent { revision: 7, who: Some("ada".to_owned()), what: Some("add site shop".to_owned()) };
        let happened = Happened::Revision(event);
        assert_eq!(happened.data(Audience::Others), r#"{"revision":7}"#);
        assert_eq!(happened.data(Audience::Auditors), r#"{"revision":7,"who":"ada","what":"add site shop"}"#);
    }
}
