//! Agents as an operator meets them: `portward` and `portward-agent` side by side, and what stands between.

mod bench;
mod delivery;
mod false_server;
mod kills;
mod listening;
mod polling;
mod registering;
