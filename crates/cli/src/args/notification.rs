//! `portward notification`.

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, ServerArgs};

/// Lists the commands about notifications.
#[derive(Debug, Subcommand)]
pub(crate) enum NotificationCommand {
    /// List the kinds of channels, with their settings
    #[command(after_help = KINDS_EXAMPLES)]
    Kinds(ChannelListArgs),
    /// List the channels, and how sending on them goes
    #[command(after_help = LIST_EXAMPLES)]
    List(ChannelListArgs),
    /// Show one channel
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ChannelIdArgs),
    /// Add a channel
    #[command(after_help = ADD_EXAMPLES)]
    Add(ChannelAddArgs),
    /// Change a channel; what is not named stays as it is
    #[command(after_help = EDIT_EXAMPLES)]
    Edit(ChannelEditArgs),
    /// Send a test message now, and tell what the other side said
    #[command(after_help = TEST_EXAMPLES)]
    Test(ChannelIdArgs),
    /// Remove a channel with its secrets, and what waits for it
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(ChannelIdArgs),
}

/// Holds the words of `portward notification add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChannelAddArgs {
    /// Kind of channel, from `portward notification kinds`
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Name for it [default: its kind]
    #[arg(long, value_name = "I")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) settings: ChannelSettingArgs,
    /// Keep it, and send nothing yet
    #[arg(long)]
    pub(crate) disabled: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward notification edit`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChannelEditArgs {
    /// Id of the channel, from `portward notification list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) settings: ChannelSettingArgs,
    /// A setting to take away; repeat it for each
    #[arg(long, value_name = "NAME")]
    pub(crate) unset: Vec<String>,
    /// Send again
    #[arg(long, conflicts_with = "disable")]
    pub(crate) enable: bool,
    /// Send nothing until it is enabled
    #[arg(long)]
    pub(crate) disable: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the settings of a channel.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChannelSettingArgs {
    /// A setting that is no secret; repeat it for each
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// A setting that is secret or long, from a file, or from stdin with NAME=-; repeat it for each
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) secret: Vec<String>,
    /// An event that it gets: all, expires-soon, expired, renewal-failing, renewed, problem, problem-cleared,
    /// sign-in or trust; repeat it for each
    #[arg(long, value_name = "EVENT")]
    pub(crate) event: Vec<String>,
}

/// Holds the words of `portward notification kinds` and `list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChannelListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward notification show`, `test` and `remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChannelIdArgs {
    /// Id of the channel, from `portward notification list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const KINDS_EXAMPLES: &str = "\
Examples:
  portward notification kinds
  portward notification kinds -o json";

const LIST_EXAMPLES: &str = "\
Examples:
  portward notification list
  portward notification list -o json";

const SHOW_EXAMPLES: &str = "\
Example:
  portward notification show ID";

const ADD_EXAMPLES: &str = "\
Secrets come from files or stdin, as every user of the machine can see the
command line. They are sealed in the store and never shown again.

Examples:
  portward notification add slack --secret url=url-file
  portward notification add email --set server=mail.shop.example \\
    --set from=portward@shop.example --set to=ops@shop.example \\
    --set user=portward --secret password=- < password-file
  portward notification add ntfy --id phone --secret topic=topic-file \\
    --event expired --event renewal-failing";

const EDIT_EXAMPLES: &str = "\
Examples:
  portward notification edit slack --secret url=new-url-file
  portward notification edit phone --event all
  portward notification edit phone --disable";

const TEST_EXAMPLES: &str = "\
Exits with 1 if the other side does not take the message.

Example:
  portward notification test ID";

const REMOVE_EXAMPLES: &str = "\
Example:
  portward notification remove ID";
