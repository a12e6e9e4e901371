//! The commands about managed certificates.

use std::num::NonZeroU32;

use clap::Args as ClapArgs;

use super::{OutputArgs, ServerArgs};
use crate::args::acme::{CHALLENGE, CHALLENGES};

/// Holds the words of `portward certificate request`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateRequestArgs {
    /// Host name, *.NAME or IP address that it is for
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// Issuer to ask; repeat it for those to ask after it [default: the only one there is]
    #[arg(long, value_name = "I")]
    pub(crate) issuer: Vec<String>,
    /// What people call it [default: the first name]
    #[arg(long, value_name = "N")]
    pub(crate) name: Option<String>,
    /// The only challenge to answer [default: the first that can be answered]
    #[arg(long, value_name = CHALLENGES, value_parser = CHALLENGE, hide_possible_values = true)]
    pub(crate) challenge: Option<String>,
    /// Profile of the CA to ask for
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// DNS provider that writes the TXT records of dns-01
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) dns: Option<String>,
    /// Kind of private key [default: ecdsa-p256]
    #[arg(long, value_name = KEYS, value_parser = KEY, hide_possible_values = true)]
    pub(crate) key: Option<String>,
    /// Keep the private key when it is renewed
    #[arg(long)]
    pub(crate) reuse_key: bool,
    /// Have that agent make the private key, which never leaves its machine; a delivery installs the certificate there
    #[arg(long, value_name = "AGENT")]
    pub(crate) key_on: Option<String>,
    /// Renew it that many days before its end [default: when the CA suggests]
    #[arg(long, value_name = "N")]
    pub(crate) renew_days_before: Option<NonZeroU32>,
    /// Make that certificate a managed one; sites and bindings keep it
    #[arg(long, value_name = "ID")]
    pub(crate) replace: Option<String>,
    /// Wait until the certificate is served, and show how far it is
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate renew`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateRenewArgs {
    /// Id of the certificate, from `portward certificate list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Renew it now, although it is not due or a retry is waited for
    #[arg(long)]
    pub(crate) force: bool,
    /// Go on: the TXT records that were to be placed by hand are in their place
    #[arg(long)]
    pub(crate) placed: bool,
    /// Wait until the certificate is served, and show how far it is
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate revoke`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateRevokeArgs {
    /// Id of the certificate, from `portward certificate list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Why: unspecified, key-compromise, superseded or cessation-of-operation
    #[arg(long, value_name = "R", value_parser = REASON, hide_possible_values = true)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward certificate unmanage`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CertificateUnmanageArgs {
    /// Id of the certificate, from `portward certificate list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const KEY: [&str; 4] = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-4096"];
const KEYS: &str = "ecdsa-p256|ecdsa-p384|rsa-2048|rsa-4096";
const REASON: [&str; 4] = ["unspecified", "key-compromise", "superseded", "cessation-of-operation"];

pub(super) const REQUEST_EXAMPLES: &str = "\
Until the CA has issued, a self-signed certificate is served in its place.

Examples:
  portward certificate request shop.example www.shop.example --wait
  portward certificate request '*.shop.example' --dns cloudflare --wait
  portward certificate request shop.example --issuer letsencrypt --issuer other
  portward certificate request shop.example --replace ID --dry-run";

pub(super) const RENEW_EXAMPLES: &str = "\
Managed certificates are renewed by themselves. Even --force does not ask
earlier than the CA told to wait.

Examples:
  portward certificate renew ID
  portward certificate renew ID --force --wait
  portward certificate renew ID --placed --wait";

pub(super) const REVOKE_EXAMPLES: &str = "\
Clients that check refuse the certificate from now on. With key-compromise the
next one gets a new key in any case.

Examples:
  portward certificate revoke ID
  portward certificate revoke ID --reason key-compromise";

pub(super) const UNMANAGE_EXAMPLES: &str = "\
The certificate stays, and is served until its end.

Example:
  portward certificate unmanage ID";
