//! Waiting for a certificate: until the attempt that follows a request has ended.

use std::time::Duration;

use anyhow::anyhow;
use portward_api::{
    CertificateView, Client,
    acme::{AttemptView, CertificateRenew, OutcomeView, RenewalView},
};
use portward_core::{CertificateId, Timestamp, acme::Stage};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    clock,
    exit::Exit,
    failure::Failure,
    rail::{Going, rail},
    show,
    table::{Cell, Colour, Table},
    terminal::{Live, Terminal},
};

/// Is what is waited for.
#[derive(Debug)]
pub(super) struct Wait {
    /// The certificate.
    pub(super) certificate: CertificateId,
    /// The newest attempt that had ended before the request; it is not the one that is waited for.
    pub(super) ended_before: Option<String>,
}

/// Says how the certificate was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is to be there; one that is there already will do.
    ToBeThere,
    /// It is to be renewed if it is due.
    IfDue,
    /// It is to be renewed in any case.
    InAnyCase,
}

impl Asked {
    /// A renewal that goes on with a challenge by hand is under way, so that it is no question whether it is due.
    pub(super) fn by(renew: &CertificateRenew) -> Self {
        if renew.force || renew.placed { Self::InAnyCase } else { Self::IfDue }
    }
}

/// Is how the waiting ended.
#[derive(Debug)]
pub(super) enum Waited {
    /// The certificate is served.
    Served(RenewalView),
    /// There is none.
    Failed(RenewalView),
    /// The server has a reason not to ask now.
    NotNow(RenewalView),
}

/// The newest attempt, if it has ended; one that is under way is waited for.
pub(super) fn ended(renewal: &RenewalView) -> Option<String> {
    renewal.attempt.as_ref().filter(|attempt| attempt.outcome.is_some()).map(|attempt| attempt.id.clone())
}

impl Wait {
    /// Asks again and again, and shows how far it is where somebody watches.
    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Waited, Failure> {
        let mut screen = Screen { live: Live::open(), terminal, placed: Vec::new() };
        let interrupted = tokio::signal::ctrl_c();
        tokio::select! {
            waited = self.poll(client, &mut screen) => waited,
            _ = interrupted => {
                screen.clear();
                Err(Failure::failed(anyhow!(
                    "no longer waiting. The server goes on with it; what comes of it: portward acme attempts {}",
                    self.certificate
                )))
            }
        }
    }

    async fn poll(&self, client: &Client, screen: &mut Screen) -> Result<Waited, Failure> {
        let began = Instant::now();
        loop {
            let renewal = match client.show_renewal(&self.certificate).await {
                Ok(renewal) => renewal,
                Err(error) => {
                    screen.clear();
                    return Err(error.into());
                }
            };
            let attempt = renewal.attempt.as_ref().filter(|attempt| self.is_awaited(attempt));
            match attempt.map(|attempt| (attempt, &attempt.outcome)) {
                Some((attempt, Some(OutcomeView::Served { .. }))) => {
                    screen.end(attempt, Going::Done);
                    return Ok(Waited::Served(renewal));
                }
                Some((attempt, Some(OutcomeView::Failed { .. }))) if !another_ca_follows(&renewal, clock::now()) => {
                    screen.end(attempt, Going::Stopped);
                    return Ok(Waited::Failed(renewal));
                }
                None if is_idle(&renewal, clock::now()) && began.elapsed() > GRACE => {
                    screen.clear();
                    return Ok(Waited::NotNow(renewal));
                }
                _ => screen.show(attempt, &renewal),
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Ids of later attempts sort after those of earlier ones.
    fn is_awaited(&self, attempt: &AttemptView) -> bool {
        self.ended_before.as_ref().is_none_or(|before| attempt.id > *before)
    }
}

impl Waited {
    /// How the certificate is renewed from now on.
    pub(super) fn renewal(&self) -> &RenewalView {
        match self {
            Self::Served(renewal) | Self::Failed(renewal) | Self::NotNow(renewal) => renewal,
        }
    }

    /// Tells how it ended; `view` is the result for programs.
    pub(super) fn tell<V: Serialize>(
        &self,
        asked: Asked,
        certificate: &CertificateView,
        view: &V,
        terminal: Terminal,
    ) -> Result<Exit, Failure> {
        match self {
            Self::Served(renewal) => {
                terminal.result(view, |colour| show::issued(certificate, renewal, colour))?;
                terminal.tell(&format!("The certificate {} is served.", certificate.id));
                Ok(Exit::Done)
            }
            Self::Failed(renewal) => {
                terminal.result(view, |_| String::new())?;
                Err(Failure::failed(anyhow!("{}", why_failed(renewal))))
            }
            Self::NotNow(renewal) => {
                terminal.result(view, |colour| show::renewal(renewal, colour))?;
                if renewal.failures > 0 {
                    return Err(Failure::failed(anyhow!("{}", why_failed(renewal))));
                }
                let at = renewal.next_renewal.as_deref().unwrap_or("a later time");
                let text = format!("certificate {} is not renewed before {at}: {}", certificate.id, renewal.why);
                match asked {
                    Asked::ToBeThere if renewal.last_renewed.is_some() => terminal.tell(&format!("The {text}.")),
                    Asked::IfDue => terminal.tell(&format!("The {text}. To renew it now: --force")),
                    Asked::ToBeThere | Asked::InAnyCase => return Err(Failure::failed(anyhow!("the {text}"))),
                }
                Ok(Exit::Done)
            }
        }
    }
}

/// Whether nothing is under way, and nothing will be for a while.
fn is_idle(renewal: &RenewalView, now: Timestamp) -> bool {
    let next = renewal.next_renewal.as_deref().and_then(|next| Timestamp::parse(next).ok());
    renewal.stage.is_none() && next.is_some_and(|next| next > now.plus(SOON))
}

/// Whether the CA was in trouble, and the next issuer of the certificate is asked at once.
fn another_ca_follows(renewal: &RenewalView, now: Timestamp) -> bool {
    renewal.managed.issuers.len() > 1 && renewal.failures == 0 && !is_idle(renewal, now)
}

/// Cause and remedy, the CA's own words, and where all of it is to be seen.
fn why_failed(renewal: &RenewalView) -> String {
    let verb = if renewal.last_renewed.is_some() { "renewed" } else { "issued" };
    let mut text = format!("the certificate {} was not {verb}", renewal.certificate);
    let Some(attempt) = &renewal.attempt else { return text };
    let Some(OutcomeView::Failed { cause, remedy, problem, .. }) = &attempt.outcome else { return text };
    let mut table = Table::of_fields();
    let name = |name: &str| Cell::from(format!("  {name}"));
    table.row([name("Cause"), cause.into()]);
    table.row([name("Remedy"), remedy.into()]);
    let all = format!("{}; all of it: portward acme attempts {}", attempt.id, renewal.certificate);
    table.row([name("Attempt"), all.into()]);
    if let Some(next) = &renewal.next_renewal {
        table.row([name("Next"), format!("{next}, by itself").into()]);
    }
    text.push('\n');
    text.push_str(table.render(Colour::None).trim_end());
    if let Some(problem) = problem {
        for line in show::words_of_ca(problem).lines() {
            text.push_str("\n  ");
            text.push_str(line);
        }
    }
    text
}

/// Shows the rail where somebody watches, and what is to be done by hand in any case.
struct Screen {
    live: Option<Live>,
    terminal: Terminal,
    /// What the operator was told to place.
    placed: Vec<String>,
}

impl Screen {
    fn show(&mut self, attempt: Option<&AttemptView>, renewal: &RenewalView) {
        if renewal.to_place != self.placed {
            self.placed.clone_from(&renewal.to_place);
            if !self.placed.is_empty() {
                self.clear();
                self.terminal.tell(&what_to_place(renewal));
            }
        }
        let Some(live) = &mut self.live else { return };
        let stage = attempt.and_then(|attempt| Stage::parse(&attempt.stage));
        let text = match attempt {
            Some(attempt) => attempt.timeline.last().map_or("", |event| &event.what),
            None => "The server has not begun yet.",
        };
        let line = rail(stage, Going::On, live.width(), live.marks, live.colour);
        live.draw(&line, text);
    }

    fn end(&mut self, attempt: &AttemptView, going: Going) {
        if let Some(live) = self.live.take() {
            let line = rail(Stage::parse(&attempt.stage), going, live.width(), live.marks, live.colour);
            live.end(&line);
        }
    }

    fn clear(&mut self) {
        if let Some(live) = &mut self.live {
            live.clear();
        }
    }
}

fn what_to_place(renewal: &RenewalView) -> String {
    let mut text = String::from("Place this in DNS:");
    for line in &renewal.to_place {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text.push_str(&format!("\nThen, in another terminal: portward certificate renew {} --placed", renewal.certificate));
    text
}

/// How often the server is asked.
const PERIOD: Duration = Duration::from_millis(300);
/// How long the server may take to begin.
const GRACE: Duration = Duration::from_secs(3);
/// What will be begun within that time is waited for.
const SOON: Duration = Duration::from_secs(60);
