#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Keeps the benchmark alive; says nothing about speed. Arguments: NICSIM SCALE.
set -eu
export VMMC_NICSIM="$PWD/$1"
output=$("$2" --smoke)
json=$("$2" --smoke --json --part all-to-all)
expect() { grep -qE -- "$1" <<< "$output" || { printf 'no line for: %s\n%s\n' "$1" "$output" >&2; exit 1; }; }
for executor in nic host; do
  for wait in adaptive block; do
    expect "all-to-all +processes 5 +bytes 8 +executor \"$executor\" +wait \"$wait\""
    expect "all-to-all +processes 5 +bytes 4096 +executor \"$executor\" +wait \"$wait\""
  done
  expect "ping-pong +attached 12 +executor \"$executor\""
done
expect 'exports +kind "own pages" +exports 60'
expect 'imports +kind "own pages" .*executor "host"'
expect 'imports +kind "slices" .*executor "nic"'
expect '^idle +attached 12 +nicsim_percent [0-9]'
expect '^attach +attached 12 '
if grep -qv '^{"type":.*}$' <<< "$json"; then echo "a line is no JSON object" >&2; exit 1; fi
if "$2" --part nothing 2> /dev/null; then echo "a part that does not exist is accepted" >&2; exit 1; fi
