//! Which command installs what is missing, on Debian, Fedora and macOS.

use std::fs;

/// How this system names and installs packages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PackageSystem {
    /// Debian, Ubuntu and their like; with the major version of Postgres that the release has.
    Apt(Option<u32>),
    /// Fedora, Red Hat and their like, with the repository of postgresql.org for extensions.
    Dnf,
    /// Homebrew on macOS.
    Brew,
    /// Any other.
    Unknown,
}

impl PackageSystem {
    /// The one of this machine.
    pub fn detect() -> Self {
        if cfg!(target_os = "macos") {
            return Self::Brew;
        }
        Self::from_os_release(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// The one that a text of `/etc/os-release` tells of.
    pub fn from_os_release(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let names = format!("{} {}", value("ID"), value("ID_LIKE"));
        let is_like = |any: &[&str]| names.split_whitespace().any(|name| any.contains(&name));
        if is_like(&["debian", "ubuntu"]) {
            return Self::Apt(match (value("ID").as_str(), value("VERSION_ID").as_str()) {
                ("debian", "12") => Some(15),
                ("debian", "13") | ("ubuntu", "25.04" | "25.10") => Some(17),
                ("ubuntu", "24.04") => Some(16),
                _ => None,
            });
        }
        if is_like(&["fedora", "rhel", "centos"]) {
            return Self::Dnf;
        }
        Self::Unknown
    }

    /// Installs a Postgres with pg_partman; `major` where only that version will do.
    pub fn postgres(self, major: Option<u32>) -> String {
        match self {
            Self::Apt(release) => {
                let version = major.or(release).map_or_else(|| "17".to_owned(), |m| m.to_string());
                format!(
                    "apt install postgresql-{version} postgresql-{version}-partman \
                     postgresql-{version}-cron"
                )
            }
            Self::Dnf => {
                let version = major.unwrap_or(17);
                format!(
                    "dnf install postgresql{version}-server pg_partman_{version} \
                     pg_cron_{version} (from the repository at yum.postgresql.org)"
                )
            }
            Self::Brew => {
                format!("brew install postgresql@{} pg_partman pg_cron", major.unwrap_or(17))
            }
            Self::Unknown => {
                let version = major.map_or_else(|| "15 or newer".to_owned(), |m| m.to_string());
                format!("your system's packages of PostgreSQL {version}, pg_partman and pg_cron")
            }
        }
    }

    /// Installs pg_partman for a Postgres of version `major`.
    pub fn partman(self, major: u32) -> String {
        self.extension("partman", major)
    }

    /// Installs pg_cron for a Postgres of version `major`.
    pub fn cron(self, major: u32) -> String {
        self.extension("cron", major)
    }

    fn extension(self, name: &str, major: u32) -> String {
        match self {
            Self::Apt(_) => format!("apt install postgresql-{major}-{name}"),
            Self::Dnf => {
                format!("dnf install pg_{name}_{major} (from the repository at yum.postgresql.org)")
            }
            Self::Brew => format!("brew install pg_{name}"),
            Self::Unknown => format!("your system's package of pg_{name} for PostgreSQL {major}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PackageSystem;

    #[test]
    fn packages_are_named_as_each_system_names_them() {
        let debian = PackageSystem::from_os_release("ID=debian\nVERSION_ID=\"12\"\n");
        assert!(debian.postgres(None).contains("postgresql-15-partman"));
        assert_eq!(debian.partman(15), "apt install postgresql-15-partman");
        let mint = PackageSystem::from_os_release("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
        assert_eq!(mint.cron(16), "apt install postgresql-16-cron");
        let alma = PackageSystem::from_os_release("ID=almalinux\nID_LIKE=\"rhel centos fedora\"");
        assert!(alma.partman(17).starts_with("dnf install pg_partman_17"));
        assert!(PackageSystem::from_os_release("ID=fedora").postgres(None).starts_with("dnf"));
        assert_eq!(PackageSystem::Brew.partman(17), "brew install pg_partman");
        assert_eq!(PackageSystem::from_os_release(""), PackageSystem::Unknown);
    }
}
