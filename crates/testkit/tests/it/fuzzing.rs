//! What fuzzing looks for holds for the files that it begins with, and for what it has found.

use std::{fs, path::Path};

use portward_testkit::fuzzing::TARGETS;

#[test]
fn what_must_hold_for_any_bytes_holds_for_the_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let mut folders: Vec<_> = fs::read_dir(&seeds).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(folders, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "a folder for each target");
    for (name, target) in TARGETS {
        let mut tried = 0;
        for file in fs::read_dir(seeds.join(name)).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            // The name of a file that fails is in the output.
            println!("{}", path.display());
            target(&bytes);
            // A file that is cut short is what networks bring.
            for end in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
                target(&bytes[..end]);
            }
            tried += 1;
        }
        assert!(tried > 0, "{name} has no seed");
    }
}

#[test]
fn each_target_is_a_program_of_make_fuzz() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        let program = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("fuzzing::{name}(")), "{name}");
    }
}
