//! Problems that come and go: each is told of once when it has lasted for a while, and once when it is gone for a while.

use std::{collections::BTreeMap, time::Duration};

use portward_core::{NoticeKind, Timestamp, Tone};
use portward_store::{
    Store,
    change::Change,
    work::{ReadWorkError, ToldProblem},
};

use super::is_event;
use crate::{
    notice::{About, Notice, tone_of},
    problem::{Problem, RENEWAL_FAILING},
};

/// Knows which problems were told of, and which wait to be.
#[derive(Debug, Default)]
pub(super) struct OpenProblems {
    /// What was told of and is not gone; none before the store was read.
    told: Option<BTreeMap<ProblemKey, Told>>,
    /// What came or went, and since when.
    changing: BTreeMap<ProblemKey, Timestamp>,
    /// When the next change has lasted long enough.
    next_change: Option<Timestamp>,
}

/// The code of a problem, and what it is about.
type ProblemKey = (String, String);

#[derive(Clone, Debug)]
struct Told {
    problem: ToldProblem,
    /// Only known of problems that this process told of.
    about: Option<About>,
}

/// Tells that a problem came or went.
#[derive(Debug)]
pub(super) struct News {
    notice: Notice,
    problem: ToldProblem,
    about: Option<About>,
}

impl OpenProblems {
    /// Reads what was told of, if that is not known yet.
    pub(super) async fn load(&mut self, store: &dyn Store) -> Result<(), ReadWorkError> {
        if self.told.is_none() {
            let all = ToldProblem::read_all(store).await?.into_iter();
            let told = all.map(|problem| {
                let key = (problem.code.clone(), problem.subject.clone());
                (key, Told { problem, about: None })
            });
            self.told = Some(told.collect());
        }
        Ok(())
    }

    /// What is to be told now.
    pub(super) fn news(&mut self, problems: &[Problem], now: Timestamp) -> Vec<News> {
        let Self { told, changing, next_change } = self;
        let Some(told) = told else { return Vec::new() };
        // Those of certificates that expire or fail to renew have notices of their own.
        let has_no_other = |problem: &&Problem| !is_event(problem.code) && problem.code != RENEWAL_FAILING;
        let open: BTreeMap<ProblemKey, &Problem> = problems
            .iter()
            .filter(has_no_other)
            .map(|problem| ((problem.code.to_owned(), problem.subject.to_string()), problem))
            .collect();
        let came = open.keys().filter(|key| !told.contains_key(*key));
        let went = told.keys().filter(|key| !open.contains_key(*key));
        *changing = came.chain(went).map(|key| (key.clone(), changing.get(key).copied().unwrap_or(now))).collect();
        let lasted = |since: &Timestamp| since.plus(LASTS) <= now;
        *next_change = changing.values().filter(|since| !lasted(since)).map(|since| since.plus(LASTS)).min();
        let ripe = changing.iter().filter(|(_, since)| lasted(since));
        ripe.filter_map(|(key, _)| match (open.get(key), told.get(key)) {
            (Some(problem), _) => Some(News::came(problem, now)),
            (None, Some(told)) => Some(News::went(told, now)),
            (None, None) => None,
        })
        .collect()
    }

    /// Takes it that news were told and stored.
    pub(super) fn told(&mut self, news: &News) {
        let key = (news.problem.code.clone(), news.problem.subject.clone());
        self.changing.remove(&key);
        let Some(told) = &mut self.told else { return };
        match news.notice.kind {
            NoticeKind::Problem => {
                told.insert(key, Told { problem: news.problem.clone(), about: news.about.clone() });
            }
            _ => {
                told.remove(&key);
            }
        }
    }

    /// When time alone makes news.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.next_change
    }
}

impl News {
    fn came(problem: &Problem, now: Timestamp) -> Self {
        let about = About::Thing(problem.subject.clone());
        let tone = tone_of(problem.severity);
        let what = match tone {
            Tone::Bad => "does not work",
            _ => "needs a look",
        };
        let notice = Notice {
            kind: NoticeKind::Problem,
            tone,
            subject: about.clone(),
            version: None,
            at: now,
            title: format!("The {} {what}", problem.subject),
            message: problem.message.clone(),
            remedy: problem.remedy.clone(),
        };
        let told = ToldProblem {
            code: problem.code.to_owned(),
            subject: problem.subject.to_string(),
            tone,
            message: problem.message.clone(),
            at: now,
        };
        Self { notice, problem: told, about: Some(about) }
    }

    fn went(told: &Told, now: Timestamp) -> Self {
        let Told { problem, about } = told;
        let notice = Notice {
            kind: NoticeKind::ProblemCleared,
            tone: Tone::Good,
            subject: about.clone().unwrap_or_else(|| About::Told(problem.subject.clone())),
            version: None,
            at: now,
            title: format!("The problem of the {} is gone", problem.subject),
            message: format!("this is no more: {}", problem.message),
            remedy: String::new(),
        };
        Self { notice, problem: problem.clone(), about: None }
    }

    /// What is told.
    pub(super) fn notice(&self) -> &Notice {
        &self.notice
    }

    /// Adds to a change that it was told.
    pub(super) fn remember(&self, change: &mut Change) {
        match self.notice.kind {
            NoticeKind::Problem => change.put_told_problem(&self.problem),
            _ => change.remove_told_problem(&self.problem),
        }
    }
}

/// A certificate that is imported after its site, or a binding that is taken over, is no problem to be woken by.
const LASTS: Duration = Duration::from_secs(30);
