//! The CA that does what goes wrong: by itself first, so that what tests with it find is about the client.

mod direct;
mod https;
mod instant;
