//! What the machine, or the container, has: the numbers that the configuration is made from.

use std::{fs, path::Path, process::Command, thread};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// Sizes of the machine in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// Memory that Daybook may use: the machine's, or less in a container.
    pub(super) memory_bytes: u64,
    /// The disk that holds the data.
    pub(super) disk_bytes: u64,
    /// `/dev/shm`; none where there is no such folder.
    pub(super) shared_memory_bytes: Option<u64>,
    /// Processors.
    pub(super) processors: usize,
}

impl Machine {
    /// Reads the sizes; what cannot be read counts as small.
    pub(super) fn read(data_dir: &Path) -> Self {
        Self {
            memory_bytes: memory_bytes(),
            disk_bytes: disk_bytes(data_dir).unwrap_or(16 * GIB),
            shared_memory_bytes: disk_bytes(Path::new("/dev/shm")),
            processors: thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

fn disk_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_blocks.saturating_mul(found.f_frsize))
}

fn memory_bytes() -> u64 {
    let machine = meminfo_bytes().or_else(sysctl_bytes).unwrap_or(GIB);
    cgroup_bytes().map_or(machine, |limit| limit.min(machine))
}

fn meminfo_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn sysctl_bytes() -> Option<u64> {
    let output = Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The smallest limit of the control groups that this process is in, of either version.
fn cgroup_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        // A container sees its own group as the root, whatever the path says.
        for dir in Path::new(group.trim_start_matches('/')).ancestors() {
            let text = fs::read_to_string(Path::new(root).join(dir).join(file));
            limits.extend(text.ok().and_then(|text| text.trim().parse::<u64>().ok()));
        }
    }
    limits.into_iter().min()
}
