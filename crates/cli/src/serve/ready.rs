//! The line that says where a server that has started is reached.

use std::net::SocketAddr;

use portward_server::BoundBinding;

/// `ready`, the bindings with http first, and the admin listener; a line of its own for scripts that wait for it.
pub(super) fn line(bound: &[BoundBinding], admin: SocketAddr) -> String {
    let mut bound: Vec<_> =
        bound.iter().filter_map(|binding| Some((binding.scheme, binding.result.as_ref().ok()?))).collect();
    bound.sort();
    let mut line = String::from("ready");
    for (scheme, address) in bound {
        line.push_str(&format!(" {scheme}://{address}"));
    }
    line.push_str(&format!(" admin http://{admin}\n"));
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::{BindingId, Scheme};

    use super::*;

    #[test]
    fn the_line_names_what_is_bound_and_the_admin_listener() {
        let binding = |id: &str, scheme, result: Result<&str, &str>| BoundBinding {
            id: BindingId::parse(id).unwrap(),
            scheme,
            result: result.map(|address| address.parse().unwrap()).map_err(str::to_owned),
        };
        let admin = "127.0.0.1:8442".parse().unwrap();
        let bound = [
            binding("a", Scheme::Https, Ok("[::]:8443")),
            binding("b", Scheme::Http, Ok("[::]:8080")),
            binding("c", Scheme::Http, Err("port 80 is taken")),
        ];
        assert_eq!(line(&bound, admin), "ready http://[::]:8080 https://[::]:8443 admin http://127.0.0.1:8442\n");
        assert_eq!(line(&[], admin), "ready admin http://127.0.0.1:8442\n");
    }
}
