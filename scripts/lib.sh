# Shared by the scripts beside it: where things are, how to speak, how to
# install a Debian package. Sourced, never run.
# shellcheck shell=bash disable=SC2034  # Those who source it use the variables.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools

say() { printf '%s\n' "$*" >&2; }

# A line that nobody overlooks: something that was asked for is not being done.
loud() { printf '\n!!! %s\n\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# True if version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Runs a command as root. Without a terminal sudo may not stop to ask.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif ! has sudo; then
    return 1
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# Installs Debian packages. The package lists are fetched only when apt cannot
# do with those it has: that is the slow part, and mostly not needed.
apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y)
  say "Installing with apt: $*"
  # Asked apart, because what the first try says is thrown away.
  as_root true || die "root is needed: apt-get install $*"
  if as_root "${apt[@]}" --no-install-recommends install "$@" >/dev/null 2>&1; then return; fi
  as_root "${apt[@]}" update >&2 || die "apt-get update failed; wanted: $*"
  as_root "${apt[@]}" --no-install-recommends install "$@" >&2 || die "apt could not install: $*"
}

# The folder with initdb and postgres that Daybook will use: the one it is given,
# else the newest that has pg_partman, else the newest. Prints nothing and fails
# where there is none of version 15 or later.
postgres_bin() {
  local dir best="" usual=(/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin)
  if [ -n "${DAYBOOK_POSTGRES_BIN_DIR:-}" ]; then
    usual=("$DAYBOOK_POSTGRES_BIN_DIR")
  elif has pg_config; then
    usual+=("$(pg_config --bindir)")
  fi
  while read -r dir; do
    if [ ! -x "$dir/initdb" ] || [ ! -x "$dir/postgres" ]; then continue; fi
    if [ "$(postgres_major "$dir")" -lt 15 ]; then continue; fi
    best=${best:-$dir}
    if [ -e "$(postgres_extensions "$dir")/pg_partman.control" ]; then best=$dir && break; fi
  done < <(printf '%s\n' "${usual[@]}" | sort -rVu)
  [ -n "$best" ] && echo "$best"
}

# The major version of the Postgres in a folder: "postgres (PostgreSQL) 17.2" is 17.
postgres_major() { "$1/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/'; }

# Where a Postgres keeps its extensions' control files, given its bin folder.
# Debian keeps one pg_config for all majors, so its answer may be for another.
postgres_extensions() {
  case $1 in
    */lib/postgresql/*/bin) echo "${1%/lib/postgresql/*}/share/postgresql/$(postgres_major "$1")/extension" ;;
    *) echo "$("$1/pg_config" --sharedir)/extension" ;;
  esac
}

# For scripts that measure. The binary that they were given in $daybook, else one that is built now.
measured_binary() {
  [ -z "$daybook" ] || return 0
  cargo build --release --locked --bins
  daybook=${CARGO_TARGET_DIR:-$root/target}/release/daybook
}

# A folder $scratch, and the same settings whatever the caller's environment says. At the end of the
# script the processes in $pid and $noise are stopped, and the folder goes.
measured_scratch() {
  local setting
  scratch=$(mktemp -d)
  # Started by root, Postgres runs as another user, who must reach its files.
  chmod 755 "$scratch"
  for setting in "${!DAYBOOK_@}"; do
    if [ "$setting" != DAYBOOK_POSTGRES_BIN_DIR ]; then unset "$setting"; fi
  done
  pid='' noise=''
  trap end_measuring EXIT
}
end_measuring() {
  local process
  for process in $noise $pid; do
    if kill -TERM "$process" 2>/dev/null; then wait "$process" || true; fi
  done
  rm -rf "$scratch"
}

# Waits until the daybook in $pid, which writes to $scratch/log, has seeded and serves; it says
# itself which port it got: $address.
until_serving() {
  address=''
  until address=$(sed -nE 's/^Daybook serves gRPC on //p' "$scratch/log") && [ -n "$address" ]; do
    kill -0 "$pid" 2>/dev/null || die "daybook ended: $(tail -n 3 "$scratch/log")"
    sleep 0.2
  done
}
