//! The data folder: where it is, what is in it, and who may have it.
//!
//! Where it is follows from the settings, the working folder and the modes of the folders above
//! alone, so that every command finds the same one.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf, absolute},
};

use super::{error::ClusterError, identity::Identity};
use crate::config::ClusterSettings;

/// Name of the default data folder in the working folder.
const DEFAULT_NAME: &str = "daybook-data";
/// Data folder where root's server cannot reach the default one.
const FALL_BACK: &str = "/var/lib/daybook";
/// Names whose presence tells that a folder is Daybook's.
const OWN_NAMES: [&str; 2] = ["daybook.lock", "pgdata"];

/// A data folder and the user that its server runs as.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Canonical path.
    pub(super) path: PathBuf,
    /// Whether this is not the default because the server's user cannot reach that.
    pub(super) fell_back: bool,
    pub(super) identity: Identity,
}

impl Folder {
    /// Finds the data folder; touches nothing.
    pub(super) fn locate(settings: &ClusterSettings) -> Result<Self, ClusterError> {
        if let Some(given) = &settings.data_dir {
            return Self::at(given, false)?.reachable();
        }
        Self::first_reachable(Path::new(DEFAULT_NAME), Path::new(FALL_BACK))
    }

    fn first_reachable(default: &Path, fall_back: &Path) -> Result<Self, ClusterError> {
        let default = Self::at(default, false)?;
        if default.identity.is_switch && default.identity.blocker(&default.path).is_some() {
            return Self::at(fall_back, true)?.reachable();
        }
        Ok(default)
    }

    fn at(path: &Path, fell_back: bool) -> Result<Self, ClusterError> {
        let path = canonical(path)
            .map_err(|source| ClusterError::File { path: path.to_path_buf(), source })?;
        let identity = Identity::of_server(&path.join("pgdata"))?;
        Ok(Self { path, fell_back, identity })
    }

    fn reachable(self) -> Result<Self, ClusterError> {
        match self.identity.blocker(&self.path) {
            Some(blocker) if self.identity.is_switch => Err(ClusterError::Unreachable {
                data_dir: self.path,
                blocker,
                user: self.identity.name,
            }),
            Some(_) | None => Ok(self),
        }
    }

    /// The data of Postgres.
    pub(super) fn pgdata(&self) -> PathBuf {
        self.path.join("pgdata")
    }

    /// What the server says.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    /// The password of the client role, for connections by TCP.
    pub(super) fn pgpass(&self) -> PathBuf {
        self.path.join("pgpass")
    }

    /// The major version that wrote the data; none where there is no data yet.
    pub(super) fn data_major(&self) -> Result<Option<u32>, ClusterError> {
        let file = self.pgdata().join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => match text.trim().parse() {
                Ok(major) => Ok(Some(major)),
                Err(_) => Err(self.foreign(
                    self.pgdata(),
                    "holds a PG_VERSION that is not one of Postgres 15 or newer",
                )),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&file, error)),
        }
    }

    /// Makes the folder if need be and takes it for the server's user alone; refuses one with
    /// contents that are not Daybook's.
    pub(super) fn prepare(&self) -> Result<(), ClusterError> {
        let failed = |error| self.failed(&self.path, error);
        if !self.path.exists() {
            if let Some(parent) = self.path.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            let made = DirBuilder::new().mode(0o700).create(&self.path);
            made.or_else(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
            })
            .map_err(failed)?;
            self.clone().reachable()?;
        }
        self.check_contents()?;
        fs::set_permissions(&self.path, Permissions::from_mode(0o700)).map_err(failed)?;
        self.identity.own(&self.path).map_err(failed)
    }

    fn check_contents(&self) -> Result<(), ClusterError> {
        let failed = |error| self.failed(&self.path, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        let has = |name: &str| names.iter().any(|found| found == OsStr::new(name));
        if has("PG_VERSION") {
            return Err(self.foreign(self.path.clone(), "is the data folder of a Postgres server"));
        }
        // A file system of its own has this from the start.
        let is_empty = names.iter().all(|name| name == OsStr::new("lost+found"));
        if !is_empty && !OWN_NAMES.into_iter().any(has) {
            return Err(self.foreign(self.path.clone(), "is not empty and was not made by Daybook"));
        }
        Ok(())
    }

    /// Says what a failed file operation in this folder means.
    pub(super) fn failed(&self, path: &Path, error: io::Error) -> ClusterError {
        ClusterError::file(path, &self.identity.name, error)
    }

    /// Writes a file of the server's user, which nobody else may read, whole or not at all.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), ClusterError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = path.with_file_name(name);
        let write = || {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let options = &mut OpenOptions::new();
            let mut file = self.identity.open(&new, options.write(true).create_new(true))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, path)
        };
        write().map_err(|error| self.failed(path, error))
    }

    fn foreign(&self, path: PathBuf, detail: &'static str) -> ClusterError {
        ClusterError::Foreign { path, detail }
    }
}

/// The canonical form of a path of which the last parts need not exist.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    let path = absolute(path)?;
    for existing in path.ancestors() {
        match fs::canonicalize(existing) {
            Ok(found) => {
                let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
                // Joining an empty path would add a slash, which some comparisons keep.
                return Ok(if rest.as_os_str().is_empty() { found } else { found.join(rest) });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{Permissions, create_dir, set_permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::Folder;

    #[test]
    fn a_default_folder_that_the_server_cannot_reach_gives_way_only_for_root() {
        let base = tempfile::tempdir_in("/tmp").expect("a temporary folder can be made");
        let open = |mode| Permissions::from_mode(mode);
        set_permissions(base.path(), open(0o755)).expect("its mode can be set");
        let home = base.path().join("home");
        create_dir(&home).expect("a folder can be made");
        let fall_back = base.path().join("fall-back");
        let find = || Folder::first_reachable(&home.join("daybook-data"), &fall_back);

        set_permissions(&home, open(0o700)).expect("its mode can be set");
        let found = find().expect("a folder is found");
        assert_eq!(found.fell_back, rustix::process::geteuid().is_root());
        assert_eq!(found.path == fall_back, found.fell_back);
        set_permissions(&home, open(0o711)).expect("its mode can be set");
        let found = find().expect("a folder is found");
        assert!(!found.fell_back && found.path.starts_with(&home));
        assert!(!found.path.exists(), "finding it makes nothing");
    }
}
