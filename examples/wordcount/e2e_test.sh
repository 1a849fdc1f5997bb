#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The parallel counts are those of the serial run, for several numbers of processes; the total agrees with wc and tr.
. examples/support/e2e.sh
wordcount="$PWD/$3"
text="$PWD/$4"

total=$(tr -cs 'A-Za-z' '\n' < "$text" | grep -c .)
serial=$("$wordcount" --serial "$text")
expect "words: $total" "$serial"
for processes in 1 2 3 5; do
  output=$("$VMMCRUN" -n $processes "$wordcount" --check "$text")
  expect "check: equal to the serial run" "$output"
  expect "$(grep -v '^time:' <<< "$serial")" "$output"
done

# Fewer words than processes: some have nothing to count and nothing to send.
tiny=$(mktemp -p "${TEST_TMPDIR:-/tmp}")
printf 'One word' > "$tiny"
output=$("$VMMCRUN" -n 4 "$wordcount" --check "$tiny")
expect "words: 2" "$output"
expect "check: equal to the serial run" "$output"
