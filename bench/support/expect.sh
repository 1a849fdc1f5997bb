# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# For the smoke tests, which source it: what a benchmark is to print. Ends the test if it did not.

# expect PATTERN OUTPUT
expect() {
  if ! grep -qE -- "$1" <<< "$2"; then
    printf 'expected: %s\ngot:\n%s\n' "$1" "$2" >&2
    exit 1
  fi
}

# expect_json OUTPUT TYPE...: every line is a JSON object, and there is one of each type.
expect_json() {
  local output=$1 type
  shift
  if grep -v '^{.*}$' <<< "$output" >&2; then echo "a line is no JSON object" >&2; exit 1; fi
  for type in "$@"; do expect "^\{\"type\":\"$type\",.*\}\$" "$output"; done
}
