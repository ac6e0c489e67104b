//! The lock on the data folder: one Daybook a folder.
//!
//! The system drops it with the process that holds it, however that ends, and the server does
//! not inherit it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::PathBuf,
    process,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{error::ClusterError, folder::Folder};

/// `attach` holds the lock for an instant to see whether it is free; `acquire` outwaits that.
const RETRY_LIMIT: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A held lock; dropping it lets the folder go.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock and leaves this process' id in the file, for the message of the next one.
    pub(super) async fn acquire(folder: &Folder) -> Result<Self, ClusterError> {
        let path = path_of(folder);
        let failed = |error| folder.failed(&path, error);
        let options = &mut OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = folder.identity.open(&path, options).map_err(failed)?;
        let started = Instant::now();
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::WouldBlock if started.elapsed() < RETRY_LIMIT => {
                    sleep(RETRY_PAUSE).await;
                }
                TryLockError::WouldBlock => {
                    return Err(ClusterError::InUse {
                        data_dir: folder.path.clone(),
                        pid: holder_pid(folder),
                    });
                }
                TryLockError::Error(error) => return Err(failed(error)),
            }
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Whether another process has the lock.
pub(super) fn is_held(folder: &Folder) -> Result<bool, ClusterError> {
    let path = path_of(folder);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(folder.failed(&path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(folder.failed(&path, error)),
    }
}

/// The process that took the lock last.
pub(super) fn holder_pid(folder: &Folder) -> Option<u32> {
    fs::read_to_string(path_of(folder)).ok()?.trim().parse().ok()
}

fn path_of(folder: &Folder) -> PathBuf {
    folder.path.join("daybook.lock")
}
