//! axe-core (Deque), which looks in a page for what people with assistive technology cannot use.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use portward_testkit::{Browser, run};
use serde_json::Value;

/// What is serious or critical in the page, one line each.
pub(super) fn violations(browser: &Browser) -> Vec<String> {
    browser.run(source());
    let found = browser.run(
        "return axe.run(document, { resultTypes: ['violations'] }).then(result => result.violations
           .filter(v => v.impact === 'serious' || v.impact === 'critical')
           .map(v => v.id + ' (' + v.impact + '): ' + v.nodes.slice(0, 3).map(n => n.html).join(' | ')))",
    );
    let Value::Array(found) = found else { panic!("axe answered {found}") };
    found.iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
}

/// The script itself, taken once from the registry of npm packages, below the target directory.
fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let place = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("axe-core");
        let script: PathBuf = place.join("package/axe.min.js");
        if !script.exists() {
            std::fs::create_dir_all(&place).unwrap();
            run(Command::new("npm").args(["pack", "--silent", "axe-core@4"]).current_dir(&place));
            let packed = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path());
            let packed = packed.into_iter().find(|path| path.extension().is_some_and(|e| e == "tgz")).unwrap();
            run(Command::new("tar").arg("xzf").arg(packed).current_dir(&place));
        }
        std::fs::read_to_string(script).unwrap()
    })
}
