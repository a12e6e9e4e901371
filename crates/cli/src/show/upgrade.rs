//! Another version that has taken over, for people.

use portward_api::UpgradeView;

/// What ran, what runs, and what becomes of those who were connected.
pub(crate) fn upgraded(view: &UpgradeView) -> String {
    let UpgradeView { from, to, process, old_process, connections, drain_hours } = view;
    let open = match connections {
        0 => "No connection was open in the old process.".to_owned(),
        1 => format!("1 connection finishes in the old process ({old_process}), within {drain_hours} h."),
        many => format!("{many} connections finish in the old process ({old_process}), within {drain_hours} h."),
    };
    format!("Version {to} has taken over from {from}, as process {process}.\n{open}\n")
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
            old_process: 6,
            connections,
            drain_hours: 24,
        };
        for (connections, expected) in [
            (0, "No connection was open in the old process."),
            (1, "1 connection finishes in the old process (6), within 24 h."),
            (2, "2 connections finish in the old process (6), within 24 h."),
        ] {
            let expected = format!("Version 0.2.0 has taken over from 0.1.0, as process 7.\n{expected}\n");
            assert_eq!(upgraded(&view(connections)), expected);
        }
    }
}
