//! A long mixed load on a real Portward that is changed all the while, for what only shows after minutes: a request
//! that is lost, an answer that never comes, memory and descriptors that grow.

mod application;
mod growth;
mod load;
mod operator;
mod tally;

use std::time::{Duration, Instant};

use self::{application::Application, growth::Growth, operator::Operator, tally::Tally};
pub use self::{growth::Grown, operator::Changes, tally::Counted};
use crate::{Program, program::built};

/// Says how long, and how much is changed meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct SoakOptions {
    /// The load goes on at least so long.
    pub lasts: Duration,
    /// And until so many requests are answered.
    pub requests: u64,
    /// What is changed, spread over `lasts`.
    pub changes: Changes,
}

/// Is what a run came to.
#[derive(Clone, Debug)]
pub struct Soaked {
    /// How long it took.
    pub took: Duration,
    /// What each kind of client saw.
    pub counted: Vec<Counted>,
    /// What was changed, and seen to be in effect.
    pub changed: Changes,
    /// What was not as it should be after a change; empty if all is well.
    pub wrong: Vec<String>,
    /// What became of memory and descriptors.
    pub grown: Grown,
}

impl Soaked {
    /// Requests that were answered as they should be.
    pub fn answered(&self) -> u64 {
        self.counted.iter().map(|counted| counted.answered).sum()
    }

    /// Requests that were not, and changes that were not in effect.
    pub fn failed(&self) -> u64 {
        self.counted.iter().map(|counted| counted.failed).sum::<u64>() + self.wrong.len() as u64
    }
}

/// Starts an application and a Portward of its own, and puts them under load; `tell` is told each ten seconds how it is.
pub async fn soak(options: SoakOptions, tell: impl Fn(&str)) -> Soaked {
    let application = Application::start().await;
    let server = Program::new().with(&["--workers", "2", "--upstream", &application.url()]).with_log("warn").start();
    let tally = Tally::new();
    let mut operator = Operator::new(&server, &application.slow, options.changes).await;
    let begun = Instant::now();
    let clients = load::begin(server.https, server.http, &tally);
    let mut growth = Growth::default();
    let mut told = Instant::now();
    loop {
        let elapsed = begun.elapsed();
        let is_over = elapsed >= options.lasts && tally.answered() >= options.requests && operator.is_done();
        if is_over {
            break;
        }
        operator.keep_up(elapsed.as_secs_f64() / options.lasts.as_secs_f64()).await;
        growth.look(operator.process());
        if told.elapsed() >= TELL {
            told = Instant::now();
            tell(&format!("{:5.0} s  {}  {}", elapsed.as_secs_f64(), tally.line(), growth.line()));
        }
        tokio::time::sleep(LOOK).await;
    }
    clients.end().await;
    let (changed, wrong) = operator.end();
    Soaked { took: begun.elapsed(), counted: tally.counted(), changed, wrong, grown: growth.grown() }
}

/// The program that an upgrade goes over to: the same one.
fn program() -> String {
    built("portward").display().to_string()
}

const LOOK: Duration = Duration::from_millis(100);
const TELL: Duration = Duration::from_secs(10);

/// The name of the site that is asked for.
const HOST: &str = "soak.test";
