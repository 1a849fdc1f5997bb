#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The whole program: what it ends with, and what it leaves behind.
set -u
tool=$PWD/tools/vmmctrace/vmmctrace
"$PWD/tools/vmmctrace/make_trace" "$TEST_TMPDIR" || exit 1
cd "$TEST_TMPDIR" || exit 1
trace=simulated.vmmctrace
failures=0

expect() {  # EXIT_CODE SENTENCE COMMAND...
  local said code
  said=$(timeout 20 "${@:3}" 2>&1 > /dev/null)
  code=$?
  [[ $code == "$1" && $said == *"$2"* ]] && return
  printf '%s\n  expected: %s, %s\n  actual:   %s, %s\n' "${*:3}" "$1" "$2" "$code" "$said"
  failures=$((failures + 1))
}

printf 'VMMCREC\n%100s' x > recording
printf '%5000s' x > text
{ head -c 4 $trace; printf '\7'; tail -c +6 $trace; } > version
head -c 6000 $trace > cut
{ head -c 12 $trace; printf '\1'; tail -c +14 $trace; } > damaged

expect 0 '' "$tool" info $trace
expect 2 "Try 'vmmctrace --help'" "$tool" svg $trace
expect 3 'absent: No such file or directory' "$tool" info absent
expect 4 'text: not a trace of nicsim' "$tool" info text
expect 5 "recording: a recording of 'nicsim --record'" "$tool" info recording
expect 6 'version: a trace of version 7' "$tool" info version
expect 7 'cut: is cut off' "$tool" info cut
expect 8 'damaged: its header is damaged' "$tool" info damaged
for format in info text perfetto pcapng csv run; do
  expect 0 '' "$tool" $format $trace -o $format.out
  expect 9 "$format.out: exists and is not empty" "$tool" $format $trace -o $format.out
  expect 0 '' "$tool" $format $trace -o $format.out --overwrite
  "$tool" $format $trace -o - | cmp - $format.out || failures=$((failures + 1))
  expect 10 '/dev/full: No space left on device' "$tool" $format $trace -o /dev/full
  expect 10 'standard output: No space left on device' sh -c "exec '$tool' $format $trace > /dev/full"
done
expect 9 "$trace: is the trace itself" "$tool" csv $trace --overwrite -o $trace

# A disk that becomes full: no half of a file is left.
(
  trap '' XFSZ
  ulimit -f 1
  expect 10 'half: File too large' "$tool" text $trace -o half
  [[ $failures -eq 0 && ! -e half ]]
) || failures=$((failures + 1))
[[ $failures -eq 0 ]]
