//! Certificates that get themselves, from real Pebble: each challenge, each kind of name, each trouble, as an operator
//! asks for them.

pub(crate) mod bench;
mod challenges;
mod dns;
mod letsencrypt;
mod names;
mod ports;
mod trouble;
