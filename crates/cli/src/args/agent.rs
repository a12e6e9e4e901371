//! `portward agent`.

use clap::{Args as ClapArgs, Subcommand};

use super::{OutputArgs, ServerArgs};

/// Lists the commands about agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Print one line by which a machine joins
    #[command(after_help = ADD_EXAMPLES)]
    Add(AgentAddArgs),
    /// List the agents, and who waits to be approved
    #[command(after_help = LIST_EXAMPLES)]
    List(AgentListArgs),
    /// Show one agent with all that it said of itself
    #[command(after_help = SHOW_EXAMPLES)]
    Show(AgentNameArgs),
    /// Ask agents how they are, step by step, and what to do
    #[command(after_help = CHECK_EXAMPLES)]
    Check(AgentCheckArgs),
    /// Trust somebody who came and was not recognised
    #[command(after_help = APPROVE_EXAMPLES)]
    Approve(AgentApproveArgs),
    /// Trust an agent by its thumbprint; one of that name has it in place of its own
    #[command(after_help = TRUST_EXAMPLES)]
    Trust(AgentTrustArgs),
    /// Have an agent make a new identity, which takes the place of its own
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(AgentNameArgs),
    /// Trust an agent no more; its link ends at once
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(AgentRemoveArgs),
}

/// Holds the words of `portward agent add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AgentAddArgs {
    /// What the agent will be called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// How long the line counts, from 1s to 30d [default: 30m]
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
    /// Where the agent dials; repeat it for each [default: where the https bindings are]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Vec<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward agent list`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AgentListArgs {
    /// List those who wait to be approved, and not the agents
    #[arg(long)]
    pub(crate) waiting: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward agent show` and `rotate`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AgentNameArgs {
    /// Name of the agent, from `portward agent list`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward agent check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AgentCheckArgs {
    /// Names of agents, from `portward agent list`
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(crate) names: Vec<String>,
    /// Ask all of them
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward agent approve`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AgentApproveArgs {
    /// Id of who waits, from `portward agent list`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// What the agent is called from now on [default: what its certificate says]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward agent trust`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AgentTrustArgs {
    /// What the agent is called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// SHA-256 of its certificate, in any usual form; `portward-agent show-thumbprint` prints it
    #[arg(long, value_name = "SHA256")]
    pub(crate) thumbprint: String,
    /// Where the agent listens, with 10933 for a port that is left out [default: it dials, as it polls]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listening: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Holds the words of `portward agent remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AgentRemoveArgs {
    /// Name of the agent, from `portward agent list`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const ADD_EXAMPLES: &str = "\
The line alone goes to stdout. It is a secret, counts once, and is not shown
again. On the machine, portward-agent join - reads it from stdin.

Examples:
  portward agent add web-03
  portward agent add web-03 --ttl 24h --address portward.example:443
  portward agent add web-03 | ssh web-03 sudo portward-agent join -";

const LIST_EXAMPLES: &str = "\
Who came and is not trusted is told on stderr; --waiting makes it the result.

Examples:
  portward agent list
  portward agent list --waiting -o json";

const SHOW_EXAMPLES: &str = "\
Example:
  portward agent show web-03";

const CHECK_EXAMPLES: &str = "\
Exits with 0 if all are Healthy, and with 1 otherwise.

Examples:
  portward agent check web-03
  portward agent check --all
  portward agent check web-03 web-04 -o json";

const APPROVE_EXAMPLES: &str = "\
Compare the thumbprint first, on the machine: portward-agent show-thumbprint

Examples:
  portward agent approve ID
  portward agent approve ID --name web-03";

const TRUST_EXAMPLES: &str = "\
Trust acts at once. The agent has to trust Portward too, whose thumbprint is in
portward identity show.

Examples:
  portward agent trust web-03 --thumbprint SHA256
  portward agent trust web-03 --thumbprint SHA256 --listening web-03.example";

const ROTATE_EXAMPLES: &str = "\
Nobody visits the machine: Portward knows the new thumbprint before it is used.

Example:
  portward agent rotate web-03";

const REMOVE_EXAMPLES: &str = "\
Files that were delivered stay on the machine, and are not renewed any more.

Examples:
  portward agent remove web-03 --dry-run
  portward agent remove web-03";
