#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Keeps the benchmark alive: every contestant, size, manner and condition, both forms of output; nothing is lost. Says
# nothing about speed. Arguments: NICSIM RTZ.
set -eu
export VMMC_NICSIM="$PWD/$1"
rtz="$PWD/$2"

. bench/support/expect.sh

output=$("$rtz" --quick)
for contestant in rtz-host rtz-nic udp unix bare; do
  for manner in spin block 'spin\+fifo' 'block\+fifo'; do
    # With two cores nobody would carry out what rtz-nic sends.
    if [ "$contestant $manner" = 'rtz-nic spin\+fifo' ] && [ "$(nproc)" -lt 3 ]; then continue; fi
    # p50, p99 and so on, max; all 100 messages, some missed, none lost; by whom; awake, from send.
    expect "^$contestant +$manner( +[0-9.-]+){5} +(100|40) +[0-9]+ +0  [a-z]+ +[0-9]+ +[0-9.]+ " "$output"
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

output=$("$rtz" --quick --json)
expect_json "$output" machine one-way ping-pong fifo end
if grep '"lost":' <<< "$output" | grep -v '"lost":0,'; then echo "messages were lost" >&2; exit 1; fi

output=$("$rtz" --quick --million --samples 500 --contestant rtz-host --contestant rtz-nic)
expect '^later than +1 ms +2 ms' "$output"
output=$("$rtz" --quick --million --samples 500 --contestant rtz-host --contestant rtz-nic --json)
expect '"condition":"bulk","contestant":"rtz-nic","manner":"block".*"lost":0,.*"samples":500,.*"later_than_50_ms":' "$output"

# What cannot be is an error, not a hang.
if "$rtz" --quick --size 8 > /dev/null 2>&1; then exit 1; fi
if VMMC_NICSIM=/bin/false "$rtz" --quick > /dev/null 2>&1; then exit 1; fi
