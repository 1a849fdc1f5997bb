#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The Perfetto files of all sample traces pass the strict check, and have in them what they should.
set -u
tool=$PWD/tools/vmmctrace/vmmctrace
checker=$PWD/tools/vmmctrace/testing/check_perfetto.py
"$PWD/tools/vmmctrace/make_trace" "$TEST_TMPDIR" || exit 1
cd "$TEST_TMPDIR" || exit 1
failures=0

expect() {  # WHAT EXPECTED ACTUAL
  [[ $2 == "$3" ]] && return
  printf '%s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

check() {  # SAMPLE EXPECTED
  "$tool" perfetto "$1.vmmctrace" -o "$1.json" 2> /dev/null || failures=$((failures + 1))
  expect "$1" "$2" "$(python3 "$checker" "$1.json" 2>&1)"
}

check simulated "33 slices, 54 instants, 8 arrows, 34 counter values"
check real "16 slices, 71 instants, 8 arrows, 34 counter values"
check wrapped "8 slices, 9 instants, 2 arrows, 8 counter values"
check torn "32 slices, 54 instants, 7 arrows, 32 counter values"
check empty "0 slices, 0 instants, 0 arrows, 0 counter values"
"$tool" perfetto random.vmmctrace -o random.json || failures=$((failures + 1))
random=$(python3 "$checker" random.json 2>&1) || expect 'random packets' 'a good file' "$random"
echo "random: $random"
expect 'the checker itself' '13 defects found' "$(python3 "$checker" --self-test simulated.json 2>&1)"

# Losses are said at the very beginning, and on standard error.
expect 'in the file' 1 "$(grep -c '"ph":"i","name":"71 earlier records were overwritten".*"s":"g"' wrapped.json)"
expect 'on standard error' 'vmmctrace: wrapped.vmmctrace: 71 earlier records were overwritten' \
  "$("$tool" perfetto wrapped.vmmctrace 2>&1 > /dev/null)"

grep '"ph":"M"' simulated.json | grep -o '"process_name".*' | grep -o '"name":"[^"]*"}' > names
expect 'processes' '"name":"backplane"} "name":"node 0"} "name":"node 1"}' "$(tr '\n' ' ' < names | sed 's/ $//')"
expect 'a track for what overlaps' 1 "$(grep -c '"args":{"name":"processor (2)"}' simulated.json)"
[[ $failures -eq 0 ]]
