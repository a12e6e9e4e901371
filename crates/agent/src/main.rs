//! The program `portward-agent`.

fn main() {}
