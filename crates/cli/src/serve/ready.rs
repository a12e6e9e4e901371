//! The lines that say where a server that has started is reached, and how its first owner comes.

use std::net::SocketAddr;

use portward_api::SetupLinkView;
use portward_server::BoundBinding;

/// `ready`, the bindings with http first, and the admin listener; a line of its own for scripts that wait for it.
pub(super) fn line(bound: &[BoundBinding], admin: SocketAddr) -> String {
    let mut bound: Vec<_> =
        bound.iter().filter_map(|binding| Some((binding.protocol, binding.result.as_ref().ok()?))).collect();
    bound.sort();
    let mut line = String::from("ready");
    for (protocol, address) in bound {
        line.push_str(&format!(" {protocol}://{address}"));
    }
    line.push_str(&format!(" admin http://{admin}\n"));
    line
}

/// `setup`, the link for other machines with the thumbprint that a browser sees there, and the one for this machine.
pub(super) fn setup_line(setup: &SetupLinkView) -> String {
    let mut line = String::from("setup");
    if let Some(link) = &setup.link {
        line.push_str(&format!(" {}", link.expose()));
        if let Some(thumbprint) = &setup.thumbprint {
            line.push_str(&format!(" sha256 {thumbprint}"));
        }
    }
    line.push_str(&format!(" local {}\n", setup.loopback_link.expose()));
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_api::SecretText;
    use portward_core::{BindingId, BindingProtocol};

    use super::*;

    #[test]
    fn the_line_names_what_is_bound_and_the_admin_listener() {
        let binding = |id: &str, protocol, result: Result<&str, &str>| BoundBinding {
            id: BindingId::parse(id).unwrap(),
            protocol,
            result: result.map(|address| address.parse().unwrap()).map_err(str::to_owned),
        };
        let admin = "127.0.0.1:8442".parse().unwrap();
        let bound = [
            binding("a", BindingProtocol::Https, Ok("[::]:8443")),
            binding("b", BindingProtocol::Http, Ok("[::]:8080")),
            binding("c", BindingProtocol::Http, Err("port 80 is taken")),
        ];
        assert_eq!(line(&bound, admin), "ready http://[::]:8080 https://[::]:8443 admin http://127.0.0.1:8442\n");
        assert_eq!(line(&[], admin), "ready admin http://127.0.0.1:8442\n");
    }

    #[test]
    fn the_setup_line_has_the_links_and_what_a_browser_sees() {
        let text = |text: &str| SecretText::new(text.to_owned());
        let mut setup = SetupLinkView {
            loopback_link: text("http://127.0.0.1:8442/setup#st_1"),
            link: Some(text("https://door:8443/setup#st_1")),
            thumbprint: Some("6a1c".to_owned()),
            expires: "2026-11-20T13:00:00Z".to_owned(),
            file: "data/setup-link".to_owned(),
        };
        assert_eq!(
            setup_line(&setup),
            "setup https://door:8443/setup#st_1 sha256 6a1c local http://127.0.0.1:8442/setup#st_1\n"
        );
        setup.link = None;
        assert_eq!(setup_line(&setup), "setup local http://127.0.0.1:8442/setup#st_1\n");
    }
}
