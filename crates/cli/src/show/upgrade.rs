//! Another version that has taken over, for people.

use portward_api::UpgradeView;

/// What ran, what runs, and what becomes of those who were connected.
pub(crate) fn upgraded(view: &UpgradeView) -> String {
    let UpgradeView { from, to, process, connections, drain_seconds } = view;
    let open = match connections {
        0 => "No connection was open in the old process.".to_owned(),
        1 => format!("1 connection finishes in the old process, within {drain_seconds} s."),
        many => format!("{many} connections finish in the old process, within {drain_seconds} s."),
    };
    format!("Version {to} has taken over from {from}, as process {process}.\n{open}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_versions_and_connections() {
        let view = |connections| UpgradeView {
            from: "0.1.0".to_owned(),
            to: "0.2.0".to_owned(),
            process: 7,
            connections,
            drain_seconds: 600,
        };
        for (connections, expected) in [
            (0, "No connection was open in the old process."),
            (1, "1 connection finishes in the old process, within 600 s."),
            (2, "2 connections finish in the old process, within 600 s."),
        ] {
            let expected = format!("Version 0.2.0 has taken over from 0.1.0, as process 7.\n{expected}");
            assert_eq!(upgraded(&view(connections)), expected);
        }
    }
}
