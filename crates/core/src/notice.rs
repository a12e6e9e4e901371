//! What operators are told unasked, and which of it a channel gets.

use std::{collections::BTreeSet, fmt};

/// Says what a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// The end of a certificate is near.
    ExpiresSoon,
    /// The end of a certificate is over.
    Expired,
    /// A certificate should have been renewed, and that fails.
    RenewalFailing,
    /// A certificate was got from a CA.
    Renewed,
    /// Something is not as it was asked for.
    Problem,
    /// A problem that was told of is gone.
    ProblemCleared,
    /// Somebody signed in from where they never did before.
    SignIn,
    /// Whom Portward trusts was changed.
    Trust,
}

/// Says how a notice is meant, which is where colours and priorities come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Something does not work.
    Bad,
    /// Somebody should look.
    Warning,
    /// Something to know.
    Neutral,
    /// Something went well.
    Good,
}

/// Says which notices a channel gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// All, those of later versions included.
    #[default]
    All,
    /// These.
    Only(BTreeSet<NoticeKind>),
}

/// Says why a list of words does not say which notices are wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// A word is not known.
    #[error("\"{0}\" is no event; there are all, {known}", known = NoticeKind::words())]
    Unknown(String),
    /// No word at all.
    #[error("no event is named, so the channel would never get anything; name some of all, {known}", known = NoticeKind::words())]
    Nothing,
}

impl NoticeKind {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::ExpiresSoon,
        Self::Expired,
        Self::RenewalFailing,
        Self::Renewed,
        Self::Problem,
        Self::ProblemCleared,
        Self::SignIn,
        Self::Trust,
    ];

    /// The stable word, in kebab case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExpiresSoon => "expires-soon",
            Self::Expired => "expired",
            Self::RenewalFailing => "renewal-failing",
            Self::Renewed => "renewed",
            Self::Problem => "problem",
            Self::ProblemCleared => "problem-cleared",
            Self::SignIn => "sign-in",
            Self::Trust => "trust",
        }
    }

    /// Reads the stable word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// When there is such a notice, as a sentence.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::ExpiresSoon => "A certificate expires soon.",
            Self::Expired => "A certificate has expired.",
            Self::RenewalFailing => "A certificate should have been renewed, and that fails.",
            Self::Renewed => "A certificate was got from a CA.",
            Self::Problem => "Something is not as it was asked for.",
            Self::ProblemCleared => "A problem that was told of is gone.",
            Self::SignIn => "Somebody signed in from where they never did before.",
            Self::Trust => "Whom Portward trusts was changed.",
        }
    }

    fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl Tone {
    /// All there are, the worst first.
    pub const ALL: [Self; 4] = [Self::Bad, Self::Warning, Self::Neutral, Self::Good];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "error",
            Self::Warning => "warning",
            Self::Neutral => "info",
            Self::Good => "good",
        }
    }

    /// Reads the stable word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tone| tone.as_str() == text)
    }
}

impl Wanted {
    /// Reads words: `all`, or those of kinds.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, WantedError> {
        let mut only = BTreeSet::new();
        let mut all = false;
        for word in words {
            match (word.as_ref(), NoticeKind::parse(word.as_ref())) {
                ("all", _) => all = true,
                (_, Some(kind)) => {
                    only.insert(kind);
                }
                (other, None) => return Err(WantedError::Unknown(other.to_owned())),
            }
        }
        match only.is_empty() {
            _ if all => Ok(Self::All),
            true => Err(WantedError::Nothing),
            false => Ok(Self::Only(only)),
        }
    }

    /// The words that [`Wanted::parse`] reads.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::All => vec!["all".to_owned()],
            Self::Only(kinds) => kinds.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether such notices are wanted.
    pub fn has(&self, kind: NoticeKind) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kinds.contains(&kind),
        }
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::parse(kind.as_str()), Some(kind));
        }
        for tone in Tone::ALL {
            assert_eq!(Tone::parse(tone.as_str()), Some(tone));
        }
        for words in [&["all"][..], &["expired", "sign-in"]] {
            assert_eq!(Wanted::parse(words).map(|wanted| wanted.words().len()), Ok(words.len()));
        }
        assert_eq!(Wanted::parse(&["expired", "all"]), Ok(Wanted::All));
    }

    #[test]
    fn a_channel_gets_what_it_wants() -> Result<(), WantedError> {
        let some = Wanted::parse(&["expired"])?;
        assert!(some.has(NoticeKind::Expired) && !some.has(NoticeKind::Renewed));
        assert!(NoticeKind::ALL.into_iter().all(|kind| Wanted::All.has(kind)));
        assert_eq!(Wanted::parse::<&str>(&[]), Err(WantedError::Nothing));
        assert_eq!(Wanted::parse(&["expire"]), Err(WantedError::Unknown("expire".to_owned())));
        Ok(())
    }
}
