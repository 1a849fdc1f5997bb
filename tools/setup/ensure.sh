# Sourced by ./run and ./test: makes sure that the packages are there and that Bazel can work. Needs `root` (the project's root).
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# The packages of one section of the list: "build" (before any heading) or "lint".
packages_of() {
  awk -v want="$1" 'BEGIN { section = "build" }
    /^\[/ { section = substr($0, 2, index($0, "]") - 2); next }
    /^[^#[:space:]]/ && section == want { print $1 }' "$root/tools/setup/packages.txt"
}

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || printf '%s ' "$package"
  done
}

# Runs a command with its output in a file and says every 15 s that it is still at work. Shows the end of the file on failure.
quietly() {
  local what=$1 log=$2
  shift 2
  local start=$SECONDS status=0
  "$@" >"$log" 2>&1 &
  local worker=$!
  while kill -0 "$worker" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - start >= 15 && (SECONDS - start) % 15 == 0)); then
      say "  ... $what: $((SECONDS - start)) s"
      sleep 1
    fi
  done
  wait "$worker" || status=$?
  ((status == 0)) || tail -n 40 "$log" >&2
  return "$status"
}

# ensure_packages SECTION...
ensure_packages() {
  local wanted missing as_root=""
  # One word a package on purpose.
  # shellcheck disable=SC2046
  wanted=$(for section in "$@"; do packages_of "$section"; done)
  # shellcheck disable=SC2086
  missing=$(missing_packages $wanted)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "packages are missing; as root: apt-get install --no-install-recommends $missing"
    as_root=sudo
  fi
  command -v apt-get >/dev/null || fail "this is not a Debian machine; install by hand: $missing"
  say "Installing: $missing"
  local log
  log=$(mktemp)
  quietly "apt-get update" "$log" $as_root apt-get -q update ||
    fail "cannot reach the package archive; check the network, then: apt-get update"
  # shellcheck disable=SC2086
  quietly "apt-get install" "$log" $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends $missing ||
    fail "cannot install; as root: apt-get install --no-install-recommends $missing"
  rm -f "$log"
}
