//! Agents as an operator meets them: `portward` and `portward-agent` side by side, and what stands between.

mod bench;
mod delivery;
mod false_server;
mod half_open;
mod kills;
mod listening;
mod polling;
mod registering;
mod secrets;
mod systemd;
