//! The program on other machines: it links them to Portward, reports how they are, and installs certificates there.
//!
//! The one thing to know: **all that counts is in the data directory** ([`DataDirectory`]): who the agent is and whom it
//! trusts. Commands change the files, and the agent that runs on them follows at once (`control`); a server's calls
//! change the same files in the same way.
//!
//! 1. [`Agent::begin`] takes the directory and keeps links: it dials (`polling`), and it is dialled (`listening`).
//! 2. On a link it is called (`handler`); each call knows by which pin its session was begun.
//! 3. What a server may have it do on the machine is said by a policy that no server can change ([`policy`]); certificates
//!    are installed by [`install`].
//! 4. [`program`] is the command line on top of that.

pub mod install;
pub mod policy;
pub mod profile;
pub mod program;

mod agent;
mod clock;
mod configuration;
mod control;
mod directory;
mod handler;
mod health;
mod identity_file;
mod join;
mod links;
mod listening;
mod page;
mod polling;
mod render;
mod served;
mod shared;
mod status;
mod trust;
mod wording;

pub use agent::{Agent, AgentOptions, BeginError, ListenOptions};
pub use clock::Clock;
pub use configuration::{Configuration, ConfigurationError, Listen, TrustedServer};
pub use directory::{DataDirectory, DirectoryError, Draft, HeldIdentity};
pub use join::{JoinError, Joined, join};
pub use status::{LinkView, ListenView, ServerView, StatusView};
