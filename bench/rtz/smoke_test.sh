#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Keeps the benchmark alive: every contestant, size, manner and condition, both forms of output; nothing is lost. Says
# nothing about speed. Arguments: NICSIM RTZ.
set -eu
export VMMC_NICSIM="$PWD/$1"
rtz="$PWD/$2"

# expect PATTERN OUTPUT
expect() {
  if ! grep -qE -- "$1" <<< "$2"; then
    printf 'expected: %s\ngot:\n%s\n' "$1" "$2" >&2
    exit 1
  fi
}

output=$("$rtz" --quick)
for contestant in rtz-host rtz-nic udp unix; do
  for manner in spin block 'block\+fifo'; do
    # p50, p99 and so on, max; all 100 messages, some missed, none lost.
    expect "^$contestant +$manner( +[0-9.-]+){5} +(100|40) +[0-9]+ +0 " "$output"
  done
done
expect '^rtz-host .* 0  host ' "$output"
expect '^rtz-nic .* 0  nic ' "$output"
for size in 64 1024 4096 20480; do
  expect "^$size B, alone: latency" "$output"
  expect "^$size B, bulk\+load: latency" "$output"
  expect "^$size B, closed loop" "$output"
done
expect 'Every byte of every message was checked' "$output"

output=$("$rtz" --quick --million --samples 500 --contestant rtz-host --contestant rtz-nic --json)
for type in machine one-way fifo end; do expect "^\{\"type\":\"$type\",.*\}\$" "$output"; done
expect '"condition":"bulk","contestant":"rtz-nic","manner":"block".*"lost":0,.*"samples":500' "$output"
if grep -qv '^{.*}$' <<< "$output"; then echo "a line is no JSON object" >&2; exit 1; fi

# What cannot be is an error, not a hang.
if "$rtz" --quick --size 8 > /dev/null 2>&1; then exit 1; fi
if VMMC_NICSIM=/bin/false "$rtz" --quick > /dev/null 2>&1; then exit 1; fi
