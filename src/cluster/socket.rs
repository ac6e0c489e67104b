//! The folder of the server's Unix socket, whose path has to be short.

use std::{
    fmt::Write,
    fs::{self, DirBuilder},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{error::ClusterError, folder::Folder};

/// Longest path of a Unix socket: 104 bytes with the closing zero on macOS, 108 on Linux.
const PATH_BYTES_MAX: usize = 103;

/// The socket folder for a data folder: `run` in it where that is short enough, else one under
/// `/tmp` whose name follows from the data folder's.
pub(super) fn folder_path(data_dir: &Path, port: u16) -> PathBuf {
    let inside = data_dir.join("run");
    let bytes = inside.as_os_str().as_bytes();
    let length = bytes.len() + format!("/.s.PGSQL.{port}").len();
    // A comma separates hosts in libpq and folders in Postgres.
    if length <= PATH_BYTES_MAX && !bytes.contains(&b',') && inside.to_str().is_some() {
        return inside;
    }
    let mut name = String::from("daybook-");
    for byte in Sha256::digest(data_dir.as_os_str().as_bytes()).iter().take(8) {
        // Writing into a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Path::new("/tmp").join(name)
}

/// Makes the socket folder, for the server's user alone, and takes the lock of a killed server
/// out of it. Call with the folder's lock held and no server left on its data.
pub(super) fn prepare(path: &Path, port: u16, folder: &Folder) -> Result<(), ClusterError> {
    let failed = |error| folder.failed(path, error);
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            check(path, folder)?;
            // Postgres takes any process that has the id in it by now for its server.
            let lock = path.join(format!(".s.PGSQL.{port}.lock"));
            match fs::remove_file(&lock) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(folder.failed(&lock, error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Err(error) => return Err(failed(error)),
    }
    folder.identity.own(path).map_err(failed)
}

/// Refuses a socket folder that someone else may have made: under `/tmp` anybody can.
pub(super) fn check(path: &Path, folder: &Folder) -> Result<(), ClusterError> {
    let found = fs::symlink_metadata(path).map_err(|error| folder.failed(path, error))?;
    let own = rustix::process::geteuid().as_raw();
    let is_ours = found.uid() == folder.identity.user_id || found.uid() == own;
    if found.is_dir() && is_ours && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(ClusterError::SocketFolder { path: path.to_path_buf(), user: folder.identity.name.clone() })
}

/// Removes the socket folder after the server has ended; one with other contents stays.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(path = %path.display(), %error, "the socket folder stays");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::folder_path;

    #[test]
    fn a_long_or_odd_path_gets_a_short_socket_folder_and_always_the_same() {
        let short = Path::new("/srv/daybook-data");
        assert_eq!(folder_path(short, 5432), short.join("run"));
        for odd in [format!("/srv/{}", "x".repeat(90)), "/srv/a,b".to_owned()] {
            let path = folder_path(Path::new(&odd), 5432);
            assert!(path.starts_with("/tmp"), "{path:?}");
            assert_eq!(path, folder_path(Path::new(&odd), 5432));
        }
        let edge = format!("/{}", "x".repeat(103 - "//run/.s.PGSQL.5432".len()));
        assert!(folder_path(Path::new(&edge), 5432).starts_with(&edge));
        assert!(folder_path(Path::new(&edge), 15432).starts_with("/tmp"));
    }
}
