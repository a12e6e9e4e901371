//! `portward site`.

use std::path::PathBuf;

use anyhow::anyhow;
use portward_api::{Client, HeaderSet, SiteCreate, SiteUpdate, UpstreamTrustInput};
use portward_core::{
    BodyLimit, CertificateId, ForceHttps, HeaderRules, HostError, HostPattern, Hsts, SiteCertificate, SiteId,
    Thumbprint, Upstream, WaitLimit,
};

use super::{
    authorities, bad,
    forwarding::ForwardingSettings,
    safety::{Safety, follow},
};
use crate::{
    args::{ForceHttpsWord, OutputArgs, ServerArgs, SiteCommand, SiteSettingArgs},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked for about sites.
#[derive(Debug, PartialEq)]
pub(crate) enum SiteRequest {
    /// All of them.
    List,
    /// One of them.
    Show(SiteId),
    /// What came to one.
    Traffic(SiteId),
    /// How the upstreams of one do.
    Upstreams(SiteId),
    /// What applications want of theirs.
    Presets,
    /// A new one with these names.
    Add(Vec<HostPattern>, SiteSettings),
    /// Other settings for one, and other names if there are any.
    Edit(SiteId, Vec<HostPattern>, SiteSettings, Safety),
    /// One less.
    Remove(SiteId, Safety),
}

/// Holds the settings that were named.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SiteSettings {
    upstreams: Vec<Upstream>,
    forwarding: ForwardingSettings,
    force_https: Option<ForceHttps>,
    hsts: Option<Hsts>,
    certificate: Option<SiteCertificate>,
    trust: Option<Trust>,
    /// Within each, none is the server's own.
    max_body: Option<Option<BodyLimit>>,
    response_timeout: Option<Option<WaitLimit>>,
    idle_timeout: Option<Option<WaitLimit>>,
    headers: Option<HeaderRules>,
    /// Of a new site.
    preset: Option<String>,
}

/// Says which certificate an https upstream may have; a file is not read yet.
#[derive(Debug, PartialEq)]
enum Trust {
    System,
    AuthoritiesIn(PathBuf),
    Pin(Thumbprint),
    DangerInsecure,
}

impl SiteRequest {
    pub(super) fn parse(command: SiteCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let id = |text: &str| SiteId::parse(text).map_err(Failure::usage);
        Ok(match command {
            SiteCommand::List(args) => (Self::List, args.server, args.output),
            SiteCommand::Traffic(args) => (Self::Traffic(id(&args.id)?), args.server, args.output),
            SiteCommand::Upstreams(args) => (Self::Upstreams(id(&args.id)?), args.server, args.output),
            SiteCommand::Presets(args) => (Self::Presets, args.server, args.output),
            SiteCommand::Show(args) => (Self::Show(id(&args.id)?), args.server, args.output),
            SiteCommand::Add(args) => {
                let names = parse_names(&args.names).map_err(Failure::usage)?;
                let settings = SiteSettings { preset: args.preset, ..SiteSettings::parse(args.settings)? };
                if settings.upstreams.is_empty() && settings.preset.is_none() {
                    return Err(Failure::usage(anyhow!(
                        "a site needs the application behind it: --upstream http://HOST:PORT, or --upstream portal for the portal"
                    )));
                }
                (Self::Add(names, settings), args.server, args.output)
            }
            SiteCommand::Edit(args) => {
                let names = parse_names(&args.name).map_err(bad("--name"))?;
                let settings = SiteSettings::parse(args.settings)?;
                if names.is_empty() && settings == SiteSettings::default() {
                    return Err(Failure::usage(anyhow!("nothing to change was named; see: portward site edit --help")));
                }
                let safety = Safety::parse(&args.safety)?;
                (Self::Edit(id(&args.id)?, names, settings, safety), args.server, args.output)
            }
            SiteCommand::Remove(args) => {
                let safety = Safety::parse(&args.safety)?.or_dry(args.dry_run);
                (Self::Remove(id(&args.id)?, safety), args.server, args.output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let site = match self {
            Self::List => {
                let sites = client.list_sites().await?;
                return terminal.result(&sites, |colour| show::sites(&sites, colour));
            }
            Self::Traffic(id) => {
                let traffic = client.show_traffic(&id).await?;
                return terminal.result(&traffic, |colour| show::traffic(&traffic, colour));
            }
            Self::Upstreams(id) => {
                let upstreams = client.show_upstreams(&id).await?;
                return terminal.result(&upstreams, |colour| show::upstreams(&upstreams, colour));
            }
            Self::Presets => {
                let presets = client.list_presets().await?;
                return terminal.result(&presets, |colour| show::presets(&presets, colour));
            }
            Self::Remove(id, safety) => {
                let removed = safety.client(client).remove_site(&id).await?;
                let exit = terminal.told(&removed, &show::removal("site", &removed, safety.is_dry()))?;
                follow(client, terminal, removed.confirmation.as_ref()).await?;
                return Ok(exit);
            }
            Self::Edit(id, names, settings, safety) => {
                let site = safety.client(client).edit_site(&id, &settings.update(&names)?).await?;
                let exit = terminal.result(&site, |colour| show::site(&site, colour))?;
                follow(client, terminal, site.confirmation.as_ref()).await?;
                return Ok(exit);
            }
            Self::Show(id) => {
                let site = client.show_site(&id).await?;
                // One that is not served has none.
                let upstreams = client.show_upstreams(&id).await.unwrap_or_default();
                return terminal.result(&site, |colour| show::site_with_upstreams(&site, &upstreams, colour));
            }
            Self::Add(names, settings) => client.add_site(&settings.create(&names)?).await?,
        };
        terminal.result(&site, |colour| show::site(&site, colour))
    }
}

impl SiteSettings {
    fn parse(args: SiteSettingArgs) -> Result<Self, Failure> {
        let forwarding = ForwardingSettings::parse(&args)?;
        let upstreams = args.upstream.iter().map(|url| Upstream::parse(url)).collect::<Result<_, _>>();
        let certificate = match args.certificate.as_deref() {
            None => None,
            Some("auto") => Some(SiteCertificate::Auto),
            Some(id) => Some(SiteCertificate::Fixed(CertificateId::parse(id).map_err(bad("--certificate"))?)),
        };
        let trust = match (args.upstream_ca, args.upstream_pin) {
            (Some(word), _) if word.as_os_str() == "system" => Some(Trust::System),
            (Some(file), _) => Some(Trust::AuthoritiesIn(file)),
            (None, Some(pin)) => Some(Trust::Pin(Thumbprint::parse(&pin).map_err(bad("--upstream-pin"))?)),
            (None, None) => args.danger_upstream_insecure.then_some(Trust::DangerInsecure),
        };
        let body = args.max_body.as_deref().map(BodyLimit::parse).transpose();
        let wait = |text: Option<String>| text.as_deref().map(WaitLimit::parse).transpose();
        Ok(Self {
            upstreams: upstreams.map_err(bad("--upstream"))?,
            forwarding,
            force_https: args.force_https.map(ForceHttps::from),
            hsts: args.hsts.as_deref().map(Hsts::parse).transpose().map_err(bad("--hsts"))?,
            certificate,
            trust,
            max_body: body.map_err(bad("--max-body"))?,
            response_timeout: wait(args.response_timeout).map_err(bad("--response-timeout"))?,
            idle_timeout: wait(args.idle_timeout).map_err(bad("--idle-timeout"))?,
            headers: parse_headers(&args.set_header, &args.remove_header, args.no_header_rules)?,
            preset: None,
        })
    }

    pub(super) fn create(&self, names: &[HostPattern]) -> Result<SiteCreate, Failure> {
        let update = self.update(&[])?;
        Ok(SiteCreate {
            names: names.iter().map(ToString::to_string).collect(),
            upstreams: update.upstreams.unwrap_or_default(),
            force_https: update.force_https,
            hsts: update.hsts,
            certificate: update.certificate,
            upstream_trust: update.upstream_trust,
            max_body: update.max_body,
            response_timeout: update.response_timeout,
            idle_timeout: update.idle_timeout,
            set_headers: update.set_headers,
            remove_headers: update.remove_headers,
            balance: update.balance,
            health_path: update.health_path,
            proxy_protocol: update.proxy_protocol,
            upstream_http: update.upstream_http,
            routes: update.routes,
            preset: self.preset.clone(),
        })
    }

    pub(super) fn update(&self, names: &[HostPattern]) -> Result<SiteUpdate, Failure> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let upstreams: Vec<String> = self.upstreams.iter().map(ToString::to_string).collect();
        let mut update = SiteUpdate {
            names: (!names.is_empty()).then_some(names),
            upstreams: (!upstreams.is_empty()).then_some(upstreams),
            force_https: self.force_https.map(|mode| mode.to_string()),
            hsts: self.hsts.map(|hsts| hsts.to_string()),
            certificate: self.certificate.as_ref().map(|certificate| match certificate {
                SiteCertificate::Auto => "auto".to_owned(),
                SiteCertificate::Fixed(id) => id.to_string(),
            }),
            upstream_trust: self.trust.as_ref().map(Trust::input).transpose()?,
            max_body: self.max_body.map(BodyLimit::write),
            response_timeout: self.response_timeout.map(WaitLimit::write),
            idle_timeout: self.idle_timeout.map(WaitLimit::write),
            set_headers: self.headers.as_ref().map(|rules| rules.set().iter().map(header).collect()),
            remove_headers: self.headers.as_ref().map(|rules| rules.remove().to_vec()),
            ..SiteUpdate::default()
        };
        self.forwarding.put(&mut update);
        Ok(update)
    }
}

fn parse_names(names: &[String]) -> Result<Vec<HostPattern>, HostError> {
    names.iter().map(|name| HostPattern::parse(name)).collect()
}

/// The rules that were given; none if none were.
fn parse_headers(set: &[String], remove: &[String], no_rules: bool) -> Result<Option<HeaderRules>, Failure> {
    if set.is_empty() && remove.is_empty() && !no_rules {
        return Ok(None);
    }
    let set = set.iter().map(|text| HeaderRules::parse_set(text)).collect::<Result<_, _>>();
    let remove = remove.iter().map(|text| HeaderRules::parse_remove(text)).collect::<Result<_, _>>();
    let rules = HeaderRules::new(set.map_err(bad("--set-header"))?, remove.map_err(bad("--remove-header"))?);
    rules.map(Some).map_err(bad("--set-header"))
}

fn header((name, value): &(String, String)) -> HeaderSet {
    HeaderSet { name: name.clone(), value: value.clone() }
}

impl Trust {
    fn input(&self) -> Result<UpstreamTrustInput, Failure> {
        Ok(match self {
            Self::System => UpstreamTrustInput::System,
            Self::AuthoritiesIn(file) => UpstreamTrustInput::Authorities(authorities::read(file, "--upstream-ca")?),
            Self::Pin(thumbprint) => UpstreamTrustInput::Pin(thumbprint.to_string()),
            Self::DangerInsecure => UpstreamTrustInput::DangerInsecure,
        })
    }
}

impl From<ForceHttpsWord> for ForceHttps {
    fn from(word: ForceHttpsWord) -> Self {
        match word {
            ForceHttpsWord::Off => Self::Off,
            ForceHttpsWord::Browsers => Self::Browsers,
            ForceHttpsWord::All => Self::All,
        }
    }
}
