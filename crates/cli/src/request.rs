//! What a command asks the server for, in types of the core, and the asking.
//!
//! Each noun has a file with a `parse`, which makes a request of what was typed, and a `run`, which does it.

use anyhow::{Context, anyhow};
use portward_api::{Effect, ExplainRequest, UpgradeInput};
use portward_core::HostPattern;

use crate::{
    args::{Command, Format, OutputArgs, ServeArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    target::{Environment, Target},
    terminal::Terminal,
};

mod access;
mod acme;
mod agent;
mod apply;
mod audit;
mod authorities;
mod binding;
mod certificate;
mod delivery;
mod explain;
mod forwarding;
mod https_settings;
mod identity;
mod import;
mod letsencrypt;
mod notification;
mod octopus;
mod oidc;
mod recover;
mod safety;
mod settings;
mod site;
mod status;
mod store;
mod token;
mod typed;
mod upgrade;
mod user;
mod wait;

use access::AccessRequest;
use acme::AcmeRequest;
use agent::AgentRequest;
use apply::DesiredStateRequest;
use audit::AuditRequest;
use binding::BindingRequest;
use certificate::CertificateRequest;
use delivery::DeliveryRequest;
use https_settings::HttpsSettingsRequest;
use identity::IdentityRequest;
use import::ImportRequest;
use letsencrypt::LetsEncryptRequest;
use notification::NotificationRequest;
use octopus::OctopusRequest;
use oidc::OidcRequest;
use recover::RecoverRequest;
use safety::ConfirmRequest;
use settings::SettingsRequest;
use site::SiteRequest;
use store::StoreRequest;
use token::TokenRequest;
use typed::TypedSettings;
use user::UserRequest;

/// Is what the program is to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Be the server.
    Serve(ServeArgs),
    /// Ask a server.
    Ask(Request, ServerArgs, Format),
}

/// Is what a server is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// What is served.
    Status,
    /// Something about bindings.
    Binding(BindingRequest),
    /// Something about sites.
    Site(SiteRequest),
    /// Something about certificates.
    Certificate(CertificateRequest),
    /// Something about the certificate for the server's own name.
    LetsEncrypt(LetsEncryptRequest),
    /// Something about CAs, and what they are asked.
    Acme(AcmeRequest),
    /// Something about agents.
    Agent(AgentRequest),
    /// Something about what agents install.
    Delivery(DeliveryRequest),
    /// Something about the identity by which agents know the server.
    Identity(IdentityRequest),
    /// The same in Octopus's words.
    Octopus(OctopusRequest),
    /// What another program has.
    Import(ImportRequest),
    /// Something about how the portal is reached.
    HttpsSettings(HttpsSettingsRequest),
    /// Something about changes that wait, or are taken back.
    Confirm(ConfirmRequest),
    /// Something about the desired state as a whole.
    DesiredState(DesiredStateRequest),
    /// To get back in.
    Recover(RecoverRequest),
    /// Something about the settings.
    Settings(SettingsRequest),
    /// Something about the first owner.
    Access(AccessRequest),
    /// Something about users.
    User(UserRequest),
    /// Something about tokens.
    Token(TokenRequest),
    /// Something about who is told what.
    Notification(NotificationRequest),
    /// About signing in at an OpenID provider.
    Oidc(OidcRequest),
    /// Something about the store.
    Store(StoreRequest),
    /// Why a host name answers as it does.
    Explain(ExplainRequest),
    /// For another program to take over.
    Upgrade(UpgradeInput),
    /// Something about the audit.
    Audit(AuditRequest),
}

impl Task {
    /// Makes types of words; every error is one of usage.
    pub(crate) fn parse(command: Command) -> Result<Self, Failure> {
        let (request, server, output) = match command {
            Command::Serve(args) => return Ok(Self::Serve(args)),
            Command::Status(args) => (Request::Status, args.server, args.output),
            Command::Binding(command) => {
                let (request, server, output) = BindingRequest::parse(command)?;
                (Request::Binding(request), server, output)
            }
            Command::Site(command) => {
                let (request, server, output) = SiteRequest::parse(command)?;
                (Request::Site(request), server, output)
            }
            Command::Certificate(command) => {
                let (request, server, output) = CertificateRequest::parse(command)?;
                (Request::Certificate(request), server, output)
            }
            Command::LetsEncrypt(command) => {
                let (request, server, output) = LetsEncryptRequest::parse(command)?;
                (Request::LetsEncrypt(request), server, output)
            }
            Command::Acme(command) => {
                let (request, server, output) = AcmeRequest::parse(command)?;
                (Request::Acme(request), server, output)
            }
            Command::Agent(command) => {
                let (request, server, output) = AgentRequest::parse(command)?;
                (Request::Agent(request), server, output)
            }
            Command::Delivery(command) => {
                let (request, server, output) = DeliveryRequest::parse(command)?;
                (Request::Delivery(request), server, output)
            }
            Command::Identity(command) => {
                let (request, server, output) = IdentityRequest::parse(command)?;
                (Request::Identity(request), server, output)
            }
            Command::NewCertificate(args) => octopus(OctopusRequest::new(args)?),
            Command::ImportCertificate(args) => octopus(OctopusRequest::import(args)),
            Command::ExportCertificate(args) => octopus(OctopusRequest::export(args)),
            Command::ShowThumbprint(args) => octopus(OctopusRequest::show_thumbprint(args)),
            Command::Import(args) => {
                let (request, server, output) = ImportRequest::parse(args);
                (Request::Import(request), server, output)
            }
            Command::HttpsSettings(command) => {
                let (request, server, output) = HttpsSettingsRequest::parse(command)?;
                (Request::HttpsSettings(request), server, output)
            }
            Command::Confirm(args) => {
                let (request, server, output) = ConfirmRequest::parse(args)?;
                (Request::Confirm(request), server, output)
            }
            Command::Recover(args) => {
                let (request, server, output) = RecoverRequest::parse(args)?;
                (Request::Recover(request), server, output)
            }
            Command::Undo(args) => {
                let (request, server, output) = ConfirmRequest::parse_undo(args);
                (Request::Confirm(request), server, output)
            }
            Command::Apply(args) => {
                let (request, server, output) = DesiredStateRequest::apply(args)?;
                (Request::DesiredState(request), server, output)
            }
            Command::Export(args) => {
                let (request, server, output) = DesiredStateRequest::export(args);
                (Request::DesiredState(request), server, output)
            }
            Command::Settings(command) => {
                let (request, server, output) = SettingsRequest::parse(command)?;
                (Request::Settings(request), server, output)
            }
            Command::Init(args) => {
                let (request, server, output) = AccessRequest::parse_init(args)?;
                (Request::Access(request), server, output)
            }
            Command::SetupLink(args) => {
                let (request, server, output) = AccessRequest::parse_setup_link(args);
                (Request::Access(request), server, output)
            }
            Command::User(command) => {
                let (request, server, output) = UserRequest::parse(command)?;
                (Request::User(request), server, output)
            }
            Command::Token(command) => {
                let (request, server, output) = TokenRequest::parse(command)?;
                (Request::Token(request), server, output)
            }
            Command::Oidc(command) => {
                let (request, server, output) = OidcRequest::parse(command)?;
                (Request::Oidc(request), server, output)
            }
            Command::Notification(command) => {
                let (request, server, output) = NotificationRequest::parse(command)?;
                (Request::Notification(request), server, output)
            }
            Command::Store(command) => {
                let (request, server, output) = StoreRequest::parse(command);
                (Request::Store(request), server, output)
            }
            Command::Explain(args) => {
                let request = ExplainRequest { host: args.host };
                (Request::Explain(request), args.server, args.output)
            }
            Command::Upgrade(args) => (Request::Upgrade(upgrade::parse(&args)?), args.server, args.output),
            Command::Audit(command) => {
                let (request, server, output) = AuditRequest::parse(command);
                (Request::Audit(request), server, output)
            }
        };
        Ok(Self::Ask(request, server, output.format))
    }
}

impl Request {
    /// Asks the server that the flags and the environment name.
    pub(crate) fn run(self, server: ServerArgs, format: Format) -> Result<Exit, Failure> {
        let target = Target::choose(server, Environment::read())?;
        let client = target.client()?;
        let terminal = Terminal::new(format);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
        let ended = runtime.block_on(async {
            match self {
                Self::Status => status::run(&client, terminal).await,
                Self::Binding(request) => request.run(&client, terminal).await,
                Self::Site(request) => request.run(&client, terminal).await,
                Self::Certificate(request) => request.run(&client, terminal).await,
                Self::LetsEncrypt(request) => request.run(&client, terminal).await,
                Self::Acme(request) => request.run(&client, terminal).await,
                Self::Agent(request) => request.run(&client, terminal).await,
                Self::Delivery(request) => request.run(&client, terminal).await,
                Self::Identity(request) => request.run(&client, terminal).await,
                Self::Octopus(request) => request.run(&client, terminal).await,
                Self::Import(request) => request.run(&client, terminal).await,
                Self::HttpsSettings(request) => request.run(&client, terminal).await,
                Self::Confirm(request) => request.run(&client, terminal).await,
                Self::DesiredState(request) => request.run(&client, terminal).await,
                Self::Recover(request) => request.run(&target, &client, terminal).await,
                Self::Settings(request) => request.run(&client, terminal).await,
                Self::Access(request) => request.run(&target, &client, terminal).await,
                Self::User(request) => request.run(&client, terminal).await,
                Self::Token(request) => request.run(&client, terminal).await,
                Self::Notification(request) => request.run(&client, terminal).await,
                Self::Oidc(request) => request.run(&client, terminal).await,
                Self::Store(request) => request.run(&target, &client, terminal).await,
                Self::Explain(request) => explain::run(&request, &client, terminal).await,
                Self::Upgrade(request) => upgrade::run(&request, &client, terminal).await,
                Self::Audit(request) => request.run(&target, &client, terminal).await,
            }
        });
        // A host name that is still being looked up is not waited for.
        runtime.shutdown_background();
        ended
    }
}

/// What is asked for in Octopus's words, whose output has one form.
fn octopus((request, server): (OctopusRequest, ServerArgs)) -> (Request, ServerArgs, OutputArgs) {
    (Request::Octopus(request), server, OutputArgs::default())
}

/// Whether a command changes anything.
fn effect(dry_run: bool) -> Effect {
    if dry_run { Effect::DryRun } else { Effect::Apply }
}

/// Reads names that a certificate can be for.
fn certificate_names(names: &[String]) -> Result<Vec<HostPattern>, Failure> {
    let names: Vec<HostPattern> =
        names.iter().map(|name| HostPattern::parse(name)).collect::<Result<_, _>>().map_err(Failure::usage)?;
    if names.contains(&HostPattern::Any) {
        return Err(Failure::usage(anyhow!(
            "no certificate is for every name; give host names, *.NAME or IP addresses"
        )));
    }
    Ok(names)
}

/// Makes a failure of usage that names the words it comes from.
pub(crate) fn bad<E: std::error::Error + Send + Sync + 'static>(words: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::usage(anyhow::Error::new(error).context(words))
}

#[cfg(test)]
mod tests;
