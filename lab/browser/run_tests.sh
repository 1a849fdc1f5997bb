#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
# run_tests.sh TEST...: tests of the page in a browser, with node's test runner. LAB_PAGE names the page; tests with a real
# nicsim want LAB_NICSIM, LAB_ACTOR, LAB_VMMCSTAT and LAB_VMMCTRACE, too. LAB_CHROMIUM: another browser than Debian's.
set -euo pipefail

here=lab/browser
fail() {
  echo "$1" >&2
  exit 1
}
chromium=${LAB_CHROMIUM:-/usr/bin/chromium}
[ -x "$chromium" ] || fail "$chromium is missing: install the package chromium (apt-get install chromium; ./test does it)"
command -v node >/dev/null || fail "node is missing: install the package nodejs (apt-get install nodejs npm; ./test does it)"
[ -d "$here/node_modules/playwright-core" ] || fail "lab/browser/node_modules is missing: npm ci --prefix lab/browser (./test does it)"
LAB_PAGE=$PWD/$LAB_PAGE
export LAB_PAGE
export HOME=${TEST_TMPDIR:-$(mktemp -d)}
[ -z "${TEST_SHARD_STATUS_FILE:-}" ] || touch "$TEST_SHARD_STATUS_FILE"
# Bazel may link its files to where they come from: modules are to be found among the links.
export NODE_OPTIONS="--preserve-symlinks --preserve-symlinks-main"
exec node --test --test-reporter="$PWD/$here/junit_reporter.mjs" --test-reporter-destination="${XML_OUTPUT_FILE:-/dev/null}" \
  --test-reporter=spec --test-reporter-destination=stdout "$@"
