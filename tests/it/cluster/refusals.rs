//! What the private Postgres refuses, in which words, and that it leaves things as they were.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use daybook::{
    cluster::{Cluster, ClusterError},
    config::ClusterSettings,
};

use crate::support::cluster::TestFolder;

async fn refusal(settings: &ClusterSettings) -> ClusterError {
    match Cluster::start(settings).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

/// Every path below a folder with what a change would alter.
fn listing(dir: &Path) -> Vec<(PathBuf, u32, u64, i64)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let data = fs::symlink_metadata(&folder).unwrap();
        found.push((folder.clone(), data.mode(), data.len(), data.mtime_nsec()));
        if data.is_dir() {
            folders.extend(fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found.sort();
    found
}

/// A folder of programs that answer as a Postgres of a version would.
fn pretended(folder: &TestFolder, version: &str) -> PathBuf {
    let bin_dir = folder.path().join("bin");
    fs::create_dir(&bin_dir).unwrap();
    let share = folder.path().join("share");
    fs::create_dir(&share).unwrap();
    for (name, answer) in [
        ("postgres", format!("postgres (PostgreSQL) {version}")),
        ("initdb", String::new()),
        ("pg_config", share.display().to_string()),
    ] {
        let path = bin_dir.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    bin_dir
}

#[tokio::test]
async fn a_second_start_on_one_folder_is_refused_and_the_first_goes_on() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let pid = folder.postmaster();
    let error = refusal(&folder.settings()).await;
    assert!(
        matches!(error, ClusterError::InUse { pid: Some(pid), .. } if pid == std::process::id())
    );
    assert_eq!(folder.postmaster(), pid);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_another_major_version_is_not_touched() {
    let folder = TestFolder::initialised();
    let version = folder.data().join("pgdata/PG_VERSION");
    let own = fs::read_to_string(&version).unwrap().trim().to_owned();
    for (major, words) in [
        ("99", "holds data of Postgres 99, but only Postgres"),
        ("13", "holds data of Postgres 13, and Daybook needs 15 or newer"),
        ("9.6", "holds a PG_VERSION that is not one of Postgres 15 or newer"),
    ] {
        fs::write(&version, major).unwrap();
        let before = listing(&folder.data());
        let error = refusal(&folder.settings()).await.to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(listing(&folder.data()), before);
    }
    fs::write(&version, &own).unwrap();
    let other = TestFolder::empty();
    let mut settings = folder.settings();
    settings.postgres_bin_dir = Some(pretended(&other, "77.1 (Pretended)"));
    let error = refusal(&settings).await.to_string();
    let words = format!("Postgres {own}, but only Postgres 77 is at hand");
    assert!(error.contains(&words), "{error}");
}

#[tokio::test]
async fn what_is_not_installed_is_named_with_its_package() {
    let folder = TestFolder::empty();
    let mut settings = folder.settings();
    settings.postgres_bin_dir = Some(folder.path().to_path_buf());
    let error = refusal(&settings).await.to_string();
    assert!(error.ends_with("initdb is not in it"), "{error}");
    settings.postgres_bin_dir = Some(pretended(&folder, "17.1"));
    let error = refusal(&settings).await;
    assert!(matches!(error, ClusterError::NoPartman { major: 17, .. }), "{error}");
    assert!(error.to_string().contains("pg_partman is missing from Postgres 17; install it"));
    assert!(!folder.data().exists(), "nothing was made");
}

#[tokio::test]
async fn a_folder_with_other_contents_is_left_alone() {
    let folder = TestFolder::empty();
    fs::create_dir(folder.data()).unwrap();
    fs::write(folder.data().join("letter.txt"), "dear").unwrap();
    let before = listing(&folder.data());
    let error = refusal(&folder.settings()).await.to_string();
    assert!(error.contains("is not empty and was not made by Daybook"), "{error}");
    assert_eq!(listing(&folder.data()), before);
}

#[tokio::test]
async fn a_folder_that_the_server_cannot_reach_or_write_is_named() {
    let folder = TestFolder::empty();
    let shut = folder.path().join("shut");
    fs::create_dir(&shut).unwrap();
    let mut settings = folder.settings();
    settings.data_dir = Some(shut.join("below/data"));
    let is_root = rustix::process::geteuid().is_root();
    fs::set_permissions(&shut, Permissions::from_mode(if is_root { 0o700 } else { 0o500 }))
        .unwrap();
    let error = refusal(&settings).await.to_string();
    assert!(error.contains(shut.to_str().unwrap()), "{error}");
    if is_root {
        assert!(error.contains("cannot enter"), "{error}");
        assert!(error.contains("--data-dir /var/lib/daybook"), "{error}");
    } else {
        assert!(error.contains("Permission denied"), "{error}");
    }
    assert_eq!(fs::read_dir(&shut).unwrap().count(), 0);
}

/// A small file system, unmounted when dropped; none where mounting is not allowed.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let options = format!("size={size},mode=0755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&at).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        eprintln!("NOT TESTED: a full or read-only disk, because this user may not mount one");
        None
    }

    fn set_read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_before_and_after_the_data_is_made() {
    let folder = TestFolder::initialised();
    let Some(small) = SmallDisk::mount(folder.path().join("small"), "20m") else { return };
    let mut settings = folder.settings();
    settings.data_dir = Some(small.0.join("data"));
    let error = refusal(&settings).await;
    assert!(matches!(error, ClusterError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("is full; free some space"), "{error}");
    let left = fs::read_dir(small.0.join("data")).unwrap().count();
    assert_eq!(left, 1, "the half-made data is gone, the lock file stays");

    let disk = SmallDisk::mount(folder.path().join("disk"), "120m").expect("it can be mounted");
    let data = disk.0.join("data");
    let copied = Command::new("cp").arg("-a").arg(folder.data()).arg(&data).status();
    assert!(copied.unwrap().success());
    settings.data_dir = Some(data);
    let filler = disk.0.join("filler");
    let output = format!("of={}", filler.display());
    let filled = Command::new("dd").args(["if=/dev/zero", "bs=4k", &output]).output().unwrap();
    assert!(!filled.status.success(), "the disk is full");
    let error = refusal(&settings).await;
    assert!(matches!(error, ClusterError::DiskFull { .. }), "{error}");
    fs::remove_file(filler).unwrap();
    let cluster = Cluster::start(&settings).await.unwrap();
    cluster.stop().await.unwrap();

    disk.set_read_only();
    let error = refusal(&settings).await;
    assert!(matches!(error, ClusterError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains("Read-only file system"), "{error}");
}

#[tokio::test]
async fn a_link_in_the_folder_leads_no_write_outside() {
    let folder = TestFolder::initialised();
    let outside = folder.path().join("outside");
    fs::write(&outside, "mine").unwrap();
    std::os::unix::fs::symlink(&outside, folder.data().join("pgdata/daybook.conf.new")).unwrap();
    folder.start().await.stop().await.unwrap();
    let log = folder.data().join("postgres.log");
    fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink(&outside, &log).unwrap();
    let error = refusal(&folder.settings()).await;
    assert!(error.to_string().contains("postgres.log"), "{error}");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "mine");
}
