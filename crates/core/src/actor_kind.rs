//! In which way somebody acts.

use std::fmt;

/// Says in which way somebody acts, for the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorKind {
    /// Somebody who signed in.
    User,
    /// A program that shows a token.
    Token,
    /// A user of the operating system, on the admin socket or the command line.
    Socket,
    /// Portward itself.
    Portward,
}

impl ActorKind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::User, Self::Token, Self::Socket, Self::Portward];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Socket => "socket",
            Self::Portward => "portward",
        }
    }

    /// Reads the stable word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_its_kind_say_the_same() {
        for kind in ActorKind::ALL {
            assert_eq!(ActorKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ActorKind::parse("root"), None);
    }
}
