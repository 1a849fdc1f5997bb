#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Keeps the benchmark alive: every contestant, frames of both sizes, both forms of output. The program itself ends with
# an error when a frame is unaccounted for, or not as it was sent. Says nothing about speed. Arguments: NICSIM RING.
set -eu
export VMMC_NICSIM="$PWD/$1"
ring="$PWD/$2"

. bench/support/expect.sh

output=$("$ring" --quick --part file)
expect '^File of 50000 frames of 64 B' "$output"
expect '^File of 2638 frames of 1500 B' "$output"
expect '^ring +one core +[0-9]+\.[0-9]+ .* 0 after the DMA$' "$output"
expect '^libpcap +one core +[0-9]+\.[0-9]+ ' "$output"
expect '^Every frame was accounted for' "$output"

output=$("$ring" --quick --part file --size 64 --contestant libpcap --json)
expect_json "$output" machine file end

# Where a network namespace is not permitted it says so, and that is all.
output=$("$ring" --quick --part live)
if grep -q '^Not measured: interfaces: ' <<< "$output"; then
  echo "interfaces: not permitted here"
else
  for contestant in ring libpcap tap; do
    expect "^$contestant +>? +[0-9]+ \([0-9]+-[0-9]+\)" "$output"
  done
  expect '^Interface, frames of 1500 B' "$output"
fi
expect '^Every frame was accounted for' "$output"

# What cannot be is an error, not a hang.
if "$ring" --quick --size 8 > /dev/null 2>&1; then exit 1; fi
if VMMC_NICSIM=/bin/false "$ring" --quick > /dev/null 2>&1; then exit 1; fi
