//! Directories of other programs.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A directory with these files, each with its path as its content.
fn directory(paths: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for path in paths {
        let file = directory.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, path).unwrap();
    }
    directory
}

fn paths(read: &ForeignFiles) -> Vec<&str> {
    read.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn links_to_what_is_inside_are_followed() {
    let directory = directory(&["archive/shop.test/cert1.pem", "renewal/shop.test.conf"]);
    fs::create_dir_all(directory.path().join("live/shop.test")).unwrap();
    symlink("../../archive/shop.test/cert1.pem", directory.path().join("live/shop.test/cert.pem")).unwrap();
    symlink("archive", directory.path().join("old")).unwrap();
    let read = read(ForeignKind::Certbot, directory.path()).unwrap();
    let expected =
        ["archive/shop.test/cert1.pem", "live/shop.test/cert.pem", "old/shop.test/cert1.pem", "renewal/shop.test.conf"];
    assert_eq!(paths(&read), expected);
    assert_eq!(read.files[1].data.expose(), b"archive/shop.test/cert1.pem");
    assert_eq!(read.left_out, [""; 0]);
}

#[test]
fn a_directory_that_is_named_by_a_link_is_read() {
    let (directory, around) = (directory(&["a/cert.pem"]), tempfile::tempdir().unwrap());
    symlink("a/cert.pem", directory.path().join("link.pem")).unwrap();
    let link = around.path().join("letsencrypt");
    symlink(directory.path(), &link).unwrap();
    assert_eq!(paths(&read(ForeignKind::Certbot, &link).unwrap()), ["a/cert.pem", "link.pem"]);
}

#[test]
fn links_to_what_is_outside_or_nowhere_are_left_out_and_told() {
    let (directory, other) = (directory(&["cert.pem"]), directory(&["secret"]));
    let outside = fs::canonicalize(other.path()).unwrap();
    symlink(outside.join("secret"), directory.path().join("a.pem")).unwrap();
    symlink(&outside, directory.path().join("b")).unwrap();
    symlink("nothing", directory.path().join("c.pem")).unwrap();
    let read = read(ForeignKind::Caddy, directory.path()).unwrap();
    assert_eq!(paths(&read), ["cert.pem"]);
    let at = |name: &str| directory.path().join(name).display().to_string();
    let told = [
        format!("{} was left out: it is a link to {}, which is outside", at("a.pem"), outside.join("secret").display()),
        format!("{} was left out: it is a link to {}, which is outside", at("b"), outside.display()),
        format!("{} was left out: it is a link to nothing", at("c.pem")),
    ];
    assert_eq!(read.left_out, told);
}

#[test]
fn a_loop_of_links_ends() {
    let directory = directory(&["a/cert.pem"]);
    symlink("..", directory.path().join("a/up")).unwrap();
    symlink(".", directory.path().join("here")).unwrap();
    assert_eq!(paths(&read(ForeignKind::Certbot, directory.path()).unwrap()), ["a/cert.pem"]);
}

#[test]
fn what_is_no_certificate_key_or_setting_is_not_read() {
    let directory = directory(&[
        "account.conf",
        "acme.sh.log",
        "csr/0000.pem",
        "dnsapi/dns_cf.sh",
        "logs/letsencrypt.log.1",
        "shop.test/shop.test.conf",
        "shop.test/shop.test.csr",
    ]);
    std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
    let paths_of = |kind| {
        let read = read(kind, directory.path()).unwrap();
        assert_eq!(read.left_out, [""; 0]);
        paths(&read).join(" ")
    };
    assert_eq!(paths_of(ForeignKind::AcmeSh), "account.conf shop.test/shop.test.conf");
    assert_eq!(paths_of(ForeignKind::Certbot), "account.conf dnsapi/dns_cf.sh shop.test/shop.test.conf");
}

#[test]
fn traefik_is_a_file_and_the_others_are_directories() {
    let directory = directory(&["acme.json"]);
    let file = directory.path().join("acme.json");
    assert_eq!(paths(&read(ForeignKind::Traefik, &file).unwrap()), ["acme.json"]);
    for (kind, path, reason) in [
        (ForeignKind::Traefik, directory.path(), "is a directory, and traefik keeps everything in one file"),
        (ForeignKind::Certbot, &file, "is a file; name the directory of certbot"),
        (ForeignKind::Caddy, Path::new("/no-such-place"), "cannot read /no-such-place: No such file or directory"),
    ] {
        let refused = read(kind, path).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn more_than_fits_is_refused_with_the_place() {
    let directory = directory(&["a/cert.pem"]);
    let large = File::create(directory.path().join("a/disk.img")).unwrap();
    large.set_len(MAX_BYTES).unwrap();
    let refused = read(ForeignKind::Certbot, directory.path()).unwrap_err().to_string();
    let told = format!("portward: {} has more than 64 MiB or 50000 files", directory.path().display());
    assert!(refused.starts_with(&told), "{refused}");
}
