//! The walls of the house: which crate may reach which, and what no file may be.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which crate of ours each crate may depend on, tests and builds included. `ARCHITECTURE.md` says why.
const ARROWS: &[(&str, &[&str])] = &[
    ("portward-core", &[]),
    ("portward-store", &["portward-core"]),
    ("portward-certs", &["portward-core"]),
    ("portward-proxy", &["portward-core"]),
    ("portward-link", &["portward-core"]),
    ("portward-agent", &["portward-api", "portward-certs", "portward-core", "portward-link"]),
    ("portward-api", &["portward-core"]),
    (
        "portward-server",
        &["portward-api", "portward-certs", "portward-core", "portward-link", "portward-proxy", "portward-store"],
    ),
    ("portward-cli", &["portward-api", "portward-core", "portward-server"]),
    (
        "portward-testkit",
        &[
            "portward-agent",
            "portward-api",
            "portward-certs",
            "portward-core",
            "portward-link",
            "portward-proxy",
            "portward-server",
            "portward-store",
        ],
    ),
];

/// What stands behind a wall: a crate from elsewhere, and the only crates of ours that may name it outside their tests.
const WALLS: &[(&str, &[&str])] = &[
    ("rusqlite", &["portward-store"]),
    ("axum", &["portward-server"]),
    ("hyper", &["portward-api", "portward-certs", "portward-server", "portward-testkit"]),
    ("h2", &["portward-link", "portward-proxy", "portward-testkit"]),
    ("httparse", &["portward-proxy"]),
    ("clap", &["portward-agent", "portward-cli"]),
];

#[test]
fn crates_depend_on_one_another_only_along_the_allowed_arrows() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let walls: BTreeMap<&str, &[&str]> = WALLS.iter().copied().collect();
    let crates = dependencies();
    assert_eq!(crates.keys().map(String::as_str).collect::<Vec<_>>(), allowed.keys().copied().collect::<Vec<_>>());
    for (name, depends_on) in &crates {
        for (dependency, place) in depends_on {
            if dependency.starts_with("portward-") {
                assert!(
                    allowed[name.as_str()].contains(&dependency.as_str()),
                    "{name} must not depend on {dependency}"
                );
            }
            if let (Some(inside), Place::Program) = (walls.get(dependency.as_str()), place) {
                assert!(inside.contains(&name.as_str()), "{name} must not depend on {dependency}");
            }
        }
    }
}

#[test]
fn the_data_plane_has_no_hyper() {
    let tree = run(Command::new(env!("CARGO"))
        .args(["tree", "--package", "portward-proxy", "--edges", "normal", "--prefix", "none", "--offline"])
        .current_dir(root()));
    assert!(tree.contains("h2 "), "cargo tree gave something else: {tree}");
    assert!(!tree.lines().any(|line| line.starts_with("hyper ")), "{tree}");
}

#[test]
fn no_file_is_a_drawer() {
    let sources = sources();
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    for path in &sources {
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        assert!(lines <= 800, "{} has {lines} lines; 800 is the limit, 400 the aim", path.display());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for nothing in ["mod", "util", "utils", "helper", "helpers", "common", "misc", "types", "manager"] {
            assert_ne!(name, nothing, "{} has a name that says nothing", path.display());
        }
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // Put together here, so that this file does not find itself.
    let marks =
        ["#[ign", "TO", "FIX", "unimpl"].iter().zip(["ore", "DO", "ME", "emented!"]).map(|(a, b)| format!("{a}{b}"));
    let marks: Vec<String> = marks.collect();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} has {mark}", path.display());
        }
    }
}

/// Says what of a crate depends on something.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Program,
    Tests,
}

/// Each crate of the workspace with the names of what it depends on.
fn dependencies() -> BTreeMap<String, Vec<(String, Place)>> {
    let metadata = run(Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root()));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let place = |value: &Value| if value["kind"].is_null() { Place::Program } else { Place::Tests };
    list(&metadata["packages"])
        .iter()
        .map(|package| {
            let depends_on = list(&package["dependencies"]);
            (name(package), depends_on.iter().map(|dependency| (name(dependency), place(dependency))).collect())
        })
        .collect()
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
