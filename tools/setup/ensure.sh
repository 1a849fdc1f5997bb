# Sourced by ./run and ./test: makes sure that the packages are there and that Bazel can work. Needs `root` (the project's root).
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Conditions that the list may name: node and npm may be there from another archive, whose packages are called otherwise or exclude Debian's.
# 18.15: the first with reporters of one's own for its tests.
node_is_new_enough() {
  command -v node >/dev/null &&
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 18 || (major === 18 && minor >= 15) ? 0 : 1)'
}
npm_works() { command -v npm >/dev/null && npm --version >/dev/null 2>&1; }

# The packages of one section of the list: "build" (before any heading), "test", "lint" or "browser".
packages_of() {
  local package condition
  awk -v want="$1" 'BEGIN { section = "build" }
    /^\[/ { section = substr($0, 2, index($0, "]") - 2); next }
    /^[^#[:space:]]/ && section == want { sub(":", "", $3); print $1, ($2 == "unless" ? $3 : "false") }' "$root/tools/setup/packages.txt" |
    while read -r package condition; do
      case $condition in
        false | node_is_new_enough | npm_works) ;;
        *) fail "packages.txt: there is no condition '$condition'" ;;
      esac
      "$condition" || printf '%s\n' "$package"
    done
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

# What drives the browser in the tests of the lab, at exactly the versions of the lock file. Once: again only when the lock file has changed.
ensure_browser_modules() {
  local folder=$root/lab/browser log
  local stamp=$folder/node_modules/.installed-lock.json
  cmp -s "$folder/package-lock.json" "$stamp" && return 0
  say "Installing the modules of lab/browser"
  log=$(mktemp)
  quietly "npm ci" "$log" env PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts ||
    { say "The tests in lab/browser will fail: their modules cannot be installed; check the network, then: npm ci --prefix lab/browser"; return 0; }
  rm -f "$log"
  cp "$folder/package-lock.json" "$stamp"
}
