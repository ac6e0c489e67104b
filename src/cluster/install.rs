//! Finds the installed Postgres: its programs, its version and whether it has the extensions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{error::ClusterError, packages::PackageSystem};

/// Oldest major version that Daybook runs on.
const MAJOR_MIN: u32 = 15;

/// One installed Postgres.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    /// Folder with `initdb`, `postgres` and `psql`.
    pub(super) bin_dir: PathBuf,
    /// Major version.
    pub(super) major: u32,
    /// Version as `postgres --version` prints it, such as `15.18`.
    pub(super) version: String,
    /// Whether pg_partman can be made in a database; unknown where its folder is not known.
    pub(super) has_partman: Option<bool>,
    /// Whether the library of pg_cron can be preloaded.
    pub(super) has_cron: bool,
    /// Whether the server was built with LZ4.
    pub(super) has_lz4: bool,
}

impl Installation {
    /// Path of one of its programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    fn read(bin_dir: &Path) -> Result<Self, String> {
        for name in ["initdb", "postgres"] {
            if !bin_dir.join(name).is_file() {
                return Err(format!("{name} is not in it"));
            }
        }
        let words = answer(&bin_dir.join("postgres"), "--version")
            .ok_or_else(|| "postgres --version fails".to_owned())?;
        let (major, version) = parse_version(&words)
            .ok_or_else(|| format!("postgres --version says {words:?}, which is not understood"))?;
        let pg_config = bin_dir.join("pg_config");
        let ask = |flag| answer(&pg_config, flag).map(PathBuf::from);
        let share_dir = ask("--sharedir")
            .or_else(|| existing(share_dirs(bin_dir, major), |dir| dir.join("extension").is_dir()));
        let library_dir = ask("--pkglibdir")
            .or_else(|| existing(library_dirs(bin_dir), |dir| has_library(dir, "plpgsql")));
        Ok(Self {
            bin_dir: bin_dir.to_path_buf(),
            major,
            version,
            has_partman: share_dir.map(|dir| dir.join("extension/pg_partman.control").is_file()),
            has_cron: library_dir.is_some_and(|dir| has_library(&dir, "pg_cron")),
            has_lz4: answer(&pg_config, "--configure").is_some_and(|t| t.contains("--with-lz4")),
        })
    }
}

/// Finds the installation to use.
///
/// A folder that was given is the only candidate. Otherwise the one with pg_partman wins, then
/// the newest. Where data exists, only the major version that wrote it will do.
pub(super) fn find(
    given: Option<&Path>,
    data: Option<(&Path, u32)>,
) -> Result<Installation, ClusterError> {
    if let Some((data_dir, found)) = data
        && found < MAJOR_MIN
    {
        return Err(ClusterError::TooOld { data_dir: data_dir.to_path_buf(), found });
    }
    let candidates = match given {
        Some(bin_dir) => vec![read_given(bin_dir)?],
        None => installed(),
    };
    let majors = candidates.iter().map(|i| i.major.to_string()).collect::<Vec<_>>().join(", ");
    let system = PackageSystem::detect();
    let best = candidates
        .into_iter()
        .filter(|i| i.major >= MAJOR_MIN && data.is_none_or(|(_, major)| i.major == major))
        .max_by_key(|i| (i.has_partman.unwrap_or(false), i.major));
    let Some(best) = best else {
        return Err(match data {
            Some((data_dir, found)) if !majors.is_empty() => ClusterError::OtherMajor {
                data_dir: data_dir.to_path_buf(),
                found,
                installed: majors,
                install: system.postgres(Some(found)),
            },
            other => ClusterError::NoPostgres { install: system.postgres(other.map(|(_, m)| m)) },
        });
    };
    if best.has_partman == Some(false) {
        return Err(no_partman(best.major));
    }
    Ok(best)
}

/// The error of an installation without pg_partman.
pub(super) fn no_partman(major: u32) -> ClusterError {
    ClusterError::NoPartman { major, install: PackageSystem::detect().partman(major) }
}

fn read_given(bin_dir: &Path) -> Result<Installation, ClusterError> {
    let bad = |detail| ClusterError::BadBinDir { bin_dir: bin_dir.to_path_buf(), detail };
    let installation = Installation::read(bin_dir).map_err(bad)?;
    if installation.major < MAJOR_MIN {
        return Err(bad(format!("it is version {}", installation.version)));
    }
    Ok(installation)
}

/// Every installation found, each once.
fn installed() -> Vec<Installation> {
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(answer(Path::new("pg_config"), "--bindir").map(PathBuf::from));
    folders.extend(subfolders("/usr/lib/postgresql", |_| true).map(|dir| dir.join("bin")));
    folders.push(PathBuf::from("/usr/bin"));
    folders.extend(subfolders("/usr", |name| name.starts_with("pgsql-")).map(|d| d.join("bin")));
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    for prefix in ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"] {
        let is_postgres = |name: &str| name == "postgresql" || name.starts_with("postgresql@");
        folders.extend(subfolders(prefix, is_postgres).map(|dir| dir.join("bin")));
    }
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for folder in folders {
        let Ok(program) = fs::canonicalize(folder.join("postgres")) else { continue };
        if seen.contains(&program) {
            continue;
        }
        found.extend(Installation::read(&folder));
        seen.push(program);
    }
    found
}

fn subfolders(of: &str, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries
        .filter(move |entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
}

/// Where `postgres` keeps its share files relative to its programs, without a `pg_config`.
fn share_dirs(bin_dir: &Path, major: u32) -> Vec<PathBuf> {
    vec![
        bin_dir.join("../share/postgresql"),
        bin_dir.join(format!("../share/postgresql@{major}")),
        bin_dir.join("../share/pgsql"),
        bin_dir.join("../share"),
        PathBuf::from(format!("/usr/share/postgresql/{major}")),
    ]
}

fn library_dirs(bin_dir: &Path) -> Vec<PathBuf> {
    ["../lib/postgresql", "../lib64/pgsql", "../lib/pgsql", "../lib"]
        .into_iter()
        .map(|path| bin_dir.join(path))
        .collect()
}

fn existing(folders: Vec<PathBuf>, is_right: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    folders.into_iter().find(|dir| is_right(dir))
}

fn has_library(dir: &Path, name: &str) -> bool {
    ["so", "dylib"].into_iter().any(|suffix| dir.join(format!("{name}.{suffix}")).is_file())
}

/// What a program prints when it is asked by one flag; none if it cannot be run or fails.
fn answer(program: &Path, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).env("LC_ALL", "C").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Major and full version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(words: &str) -> Option<(u32, String)> {
    let version = words.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    Some((version[..digits].parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_of_releases_and_betas_are_read() {
        let major = |words| parse_version(words).map(|(major, _)| major);
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major("postgres (PostgreSQL) 18devel"), Some(18));
        assert_eq!(major("something else"), None);
    }
}
