//! The user that the server runs as, and what that user can reach.
//!
//! Postgres refuses root. As root the server therefore runs as the owner of the data that is
//! already there, else as `postgres`, else as `nobody`; otherwise as whoever runs Daybook.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown, lchown},
    path::{Path, PathBuf},
    process::Command,
};

use super::error::ClusterError;

/// A user and its group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) user_id: u32,
    pub(super) group_id: u32,
    /// Its name, for messages.
    pub(super) name: String,
    /// Whether Daybook is root and has to step down to this user.
    pub(super) is_switch: bool,
}

impl Identity {
    /// The server's user for the data at `pgdata`, which need not exist.
    pub(super) fn of_server(pgdata: &Path) -> Result<Self, ClusterError> {
        let own = rustix::process::geteuid();
        if !own.is_root() {
            let group_id = rustix::process::getegid().as_raw();
            let user_id = own.as_raw();
            let name = ask_id("-un", None).unwrap_or_else(|| user_id.to_string());
            return Ok(Self { user_id, group_id, name, is_switch: false });
        }
        if let Ok(found) = fs::metadata(pgdata)
            && found.uid() != 0
        {
            let (user_id, group_id) = (found.uid(), found.gid());
            let name = ask_id("-un", Some(&user_id.to_string()));
            let name = name.unwrap_or_else(|| user_id.to_string());
            return Ok(Self { user_id, group_id, name, is_switch: true });
        }
        ["postgres", "nobody"].into_iter().find_map(Self::named).ok_or(ClusterError::NoUser)
    }

    /// Gives a folder to this user, where Daybook is root; does not follow a link.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        if self.is_switch {
            lchown(path, Some(self.user_id), Some(self.group_id))?;
        }
        Ok(())
    }

    /// Opens a file for writing, for this user alone. Does not follow a link: Daybook may be root,
    /// and the folder is another user's, who could lead it elsewhere.
    pub(super) fn open(&self, path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file = options.mode(0o600).custom_flags(no_link).open(path)?;
        if self.is_switch {
            fchown(&file, Some(self.user_id), Some(self.group_id))?;
        }
        Ok(file)
    }

    /// The folder above `path` that this user cannot enter, if there is one.
    ///
    /// `path` must be canonical; folders of it that do not exist yet count as enterable.
    pub(super) fn blocker(&self, path: &Path) -> Option<PathBuf> {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        above
            .into_iter()
            .find(|dir| fs::metadata(dir).is_ok_and(|found| !self.may_enter(&found)))
            .map(Path::to_path_buf)
    }

    fn may_enter(&self, dir: &Metadata) -> bool {
        let bit = if dir.uid() == self.user_id {
            0o100
        } else if dir.gid() == self.group_id {
            0o010
        } else {
            0o001
        };
        dir.mode() & bit != 0
    }

    fn named(name: &str) -> Option<Self> {
        let user_id = ask_id("-u", Some(name))?.parse().ok()?;
        let group_id = ask_id("-g", Some(name))?.parse().ok()?;
        (user_id != 0).then(|| Self { user_id, group_id, name: name.to_owned(), is_switch: true })
    }
}

/// Asks `id`, which knows every user database of the system, not only `/etc/passwd`.
fn ask_id(flag: &str, user: Option<&str>) -> Option<String> {
    let output = Command::new("id").arg(flag).args(user).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
