//! When what is sent: how many at a time, when again after a failure, and what is given up.

use std::time::Duration;

use portward_core::Timestamp;
use portward_store::work::{ChannelWork, QueuedNotice};

/// Says what is done with what waits for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing waits.
    Nothing,
    /// One message is made of so many notices, the oldest first.
    Send(usize),
    /// Nothing is sent before that.
    Wait(Timestamp),
}

/// What is done next: each notice is a message of its own while there are few in a minute, and all are one else.
pub(super) fn next(work: &ChannelWork, waiting: usize, now: Timestamp) -> Next {
    if waiting == 0 {
        return Next::Nothing;
    }
    // What lies further ahead than any pause was noted before the clock was set back.
    if let Some(until) = work.retry_at.filter(|until| *until > now && *until <= now.plus(LONGEST_PAUSE)) {
        return Next::Wait(until);
    }
    let lately: Vec<Timestamp> = lately(work, now).collect();
    match lately.iter().min() {
        Some(oldest) if lately.len() >= FEW || (waiting <= FEW && lately.len() + waiting > FEW) => {
            Next::Wait(oldest.plus(MINUTE))
        }
        _ if waiting > FEW => Next::Send(waiting),
        _ => Next::Send(1),
    }
}

/// Takes it down that a message of so many notices was delivered.
pub(super) fn delivered(work: &mut ChannelWork, notices: usize, now: Timestamp) {
    let mut sent: Vec<Timestamp> = lately(work, now).collect();
    // After a digest nothing follows within the minute, so that a storm makes a message a minute.
    sent.extend(std::iter::repeat_n(now, if notices > 1 { FEW } else { 1 }));
    *work = ChannelWork { sent, last: work.last.take(), ..ChannelWork::default() };
}

/// Takes it down that a message was not delivered.
pub(super) fn failed(work: &mut ChannelWork, retry_after: Option<Duration>, now: Timestamp) {
    work.failures = work.failures.saturating_add(1);
    let index = usize::try_from(work.failures - 1).unwrap_or(usize::MAX);
    let seconds = PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or_default();
    let asked = retry_after.unwrap_or_default().min(LONGEST_PAUSE);
    work.retry_at = Some(now.plus(Duration::from_secs(seconds).max(asked)));
}

/// How many of those that wait, the oldest first, are given up: those older than a day, and those that are too many.
pub(super) fn given_up(waiting: &[QueuedNotice], now: Timestamp) -> usize {
    let old = waiting.iter().take_while(|notice| now.since(notice.at) > KEPT).count();
    old.max(waiting.len().saturating_sub(MOST))
}

fn lately(work: &ChannelWork, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    // What lies ahead was noted before the clock was set back.
    work.sent.iter().copied().filter(move |at| *at <= now && at.plus(MINUTE) > now)
}

/// More than that within a minute become one message.
const FEW: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// Seconds after the first failure, the second one and so on.
const PAUSES: [u64; 7] = [30, 60, 120, 300, 600, 1_800, 3_600];
/// A server that asks for more is asked anyway.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// What is older is no news.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// So many fit into the store without anybody noticing.
const MOST: usize = 500;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::{NoticeKind, Tone};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn few_notices_are_messages_of_their_own_and_many_are_one() {
        let sent =
            |times: &[i64]| ChannelWork { sent: times.iter().map(|time| at(*time)).collect(), ..Default::default() };
        for (times, waiting, now, expected) in [
            (&[][..], 0, 0, Next::Nothing),
            (&[], 1, 0, Next::Send(1)),
            (&[], 5, 0, Next::Send(1)),
            (&[], 6, 0, Next::Send(6)),
            (&[0, 1, 2], 2, 3, Next::Send(1)),
            (&[0, 1, 2], 3, 3, Next::Wait(at(60))),
            (&[0, 1, 2], 3, 60, Next::Send(1)),
            (&[0, 1, 2], 6, 3, Next::Send(6)),
            (&[0, 0, 0, 0, 0], 100, 59, Next::Wait(at(60))),
            (&[0, 0, 0, 0, 0], 100, 60, Next::Send(100)),
            (&[90], 5, 3, Next::Send(1)),
        ] {
            assert_eq!(next(&sent(times), waiting, at(now)), expected, "{times:?} {waiting} {now}");
        }
    }

    #[test]
    fn a_failure_is_followed_by_a_longer_pause_each_time() {
        let mut work = ChannelWork::default();
        for pause in [30, 60, 120, 300, 600, 1_800, 3_600, 3_600] {
            failed(&mut work, None, at(0));
            assert_eq!(work.retry_at, Some(at(pause)), "{}", work.failures);
            assert_eq!(next(&work, 1, at(pause - 1)), Next::Wait(at(pause)));
            assert_eq!(next(&work, 1, at(pause)), Next::Send(1));
        }
        assert_eq!(next(&work, 1, at(-1)), Next::Send(1), "the clock was set back");
        delivered(&mut work, 2, at(5));
        assert_eq!((work.failures, work.retry_at, work.sent.len()), (0, None, FEW));
        failed(&mut work, Some(Duration::from_secs(90)), at(0));
        assert_eq!(work.retry_at, Some(at(90)), "the other side asked for it");
        failed(&mut work, Some(Duration::from_secs(90_000)), at(0));
        assert_eq!(work.retry_at, Some(at(3_600)));
    }

    #[test]
    fn what_is_old_or_too_much_is_given_up() {
        let notice = |second: i64| QueuedNotice {
            id: String::new(),
            kind: NoticeKind::Problem,
            tone: Tone::Bad,
            subject: String::new(),
            title: String::new(),
            message: String::new(),
            remedy: String::new(),
            path: None,
            at: at(second),
        };
        let day = 24 * 3_600;
        assert_eq!(given_up(&[notice(0), notice(1), notice(2)], at(day + 2)), 2);
        assert_eq!(given_up(&vec![notice(0); 503], at(1)), 3);
    }
}
