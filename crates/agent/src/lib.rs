//! The program on other machines: it links them to Portward, reports how they are, and installs certificates there.

pub mod install;
pub mod policy;
pub mod profile;

mod render;
mod served;
