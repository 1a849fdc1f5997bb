#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Keeps the benchmark alive: every mode, both forms of output, every strategy and placement, and the proof that a
# corrupted byte is noticed. Says nothing about speed. Arguments: NICSIM VMMCRUN PINGPONG.
set -eu
export VMMC_NICSIM="$PWD/$1"
vmmcrun="$PWD/$2"
pingpong="$PWD/$3"

. bench/support/expect.sh

for executor in nic host; do
  output=$("$pingpong" --smoke --executor $executor)
  expect '^  machine ' "$output"
  expect '^  placement +(none|split|spread): ' "$output"
  expect "executor asked for: $executor" "$output"
  expect "^ +4 +1 .* 20  $executor\$" "$output"
  expect "^ +4Ki +2 .* 20  $executor\$" "$output"
  expect "^ +100Ki +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +20  $executor\$" "$output"
  expect '^Message rate, 8 bytes' "$output"
  expect '^ +64 +10000 +[0-9]+ ' "$output"
  expect 'Every byte of every message was checked' "$output"
done
expect '^ +4 +1 .* 20  host$' "$("$pingpong" --smoke --mode pingpong --size 4)"

output=$("$pingpong" --smoke --json --executor nic)
expect_json "$output" machine pingpong bandwidth rate fixed-rate end

for wait in adaptive pause yield block; do
  expect "waiting +$wait" "$("$pingpong" --smoke --mode pingpong --size 64 --wait $wait)"
done
for placement in none split spread; do
  "$pingpong" --smoke --mode pingpong --size 8 --placement $placement > /dev/null
done
expect 'placement +none: as the program' "$("$vmmcrun" -n 2 "$pingpong" --smoke --mode pingpong --size 8)"

# One flipped byte anywhere must end the run with an error that says so.
for size in 4 8 12 32Ki; do
  for mode in pingpong bandwidth fixed-rate; do
    if output=$("$pingpong" --smoke --mode $mode --size $size --corrupt 7 2>&1); then
      echo "$mode of $size bytes did not notice a corrupted byte" >&2
      exit 1
    fi
    expect 'corrupted payload: message [0-9]+ of [0-9]+ bytes: byte [0-9]+ is' "$output"
  done
done

# A nicsim that does not start is an error, not a hang.
if VMMC_NICSIM=/bin/false "$pingpong" --smoke > /dev/null 2>&1; then exit 1; fi
