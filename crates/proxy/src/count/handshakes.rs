//! Handshakes that came to nothing, by why.

use super::Count;

/// Says why a handshake with a client came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// It was not done in time.
    TimedOut,
    /// The client closed the connection, or it broke.
    Closed,
    /// The client spoke HTTP in the clear, or what is no TLS.
    Plain,
    /// There is no certificate for what it asked for.
    NoCertificate,
    /// There is no challenge of ACME for what it asked for.
    NoChallenge,
    /// What it asked for is passed through to nobody.
    NoTarget,
    /// The binding is for agents, and it is none.
    NoAgent,
    /// Both sides could not agree, or the client broke the protocol.
    NotAgreed,
}

/// Shows how many handshakes came to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakesFailed([u64; HandshakeFailure::ALL.len()]);

/// Counts them for one worker.
#[derive(Debug, Default)]
pub(crate) struct HandshakesFailing([Count; HandshakeFailure::ALL.len()]);

impl HandshakeFailure {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TimedOut,
        Self::Closed,
        Self::Plain,
        Self::NoCertificate,
        Self::NoChallenge,
        Self::NoTarget,
        Self::NoAgent,
        Self::NotAgreed,
    ];

    /// The stable word, as in `no-certificate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed-out",
            Self::Closed => "closed",
            Self::Plain => "plain",
            Self::NoCertificate => "no-certificate",
            Self::NoChallenge => "no-challenge",
            Self::NoTarget => "no-target",
            Self::NoAgent => "no-agent",
            Self::NotAgreed => "not-agreed",
        }
    }
}

impl HandshakesFailed {
    /// How many, by why.
    pub fn by_reason(&self) -> impl Iterator<Item = (HandshakeFailure, u64)> + '_ {
        HandshakeFailure::ALL.into_iter().zip(self.0)
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl FromIterator<HandshakeFailure> for HandshakesFailed {
    fn from_iter<I: IntoIterator<Item = HandshakeFailure>>(failures: I) -> Self {
        let mut failed = Self::default();
        for failure in failures {
            failed.0[failure as usize] += 1;
        }
        failed
    }
}

impl HandshakesFailing {
    /// Counts one more.
    pub(crate) fn up(&self, failure: HandshakeFailure) {
        self.0[failure as usize].up();
    }

    pub(super) fn add_to(&self, failed: &mut HandshakesFailed) {
        for (sum, count) in failed.0.iter_mut().zip(&self.0) {
            *sum += count.read();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own() {
        let counts = HandshakesFailing::default();
        counts.up(HandshakeFailure::NotAgreed);
        counts.up(HandshakeFailure::TimedOut);
        counts.up(HandshakeFailure::TimedOut);
        let mut failed = HandshakesFailed::default();
        counts.add_to(&mut failed);
        assert_eq!(
            failed,
            [HandshakeFailure::TimedOut, HandshakeFailure::NotAgreed, HandshakeFailure::TimedOut].into_iter().collect()
        );
        assert_eq!(failed.total(), 3);
        for (at, failure) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, at, "{failure:?}");
        }
    }
}
