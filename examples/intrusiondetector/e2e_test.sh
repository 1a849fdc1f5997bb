#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Exactly the planted attacks are found, by one process and by several; what cannot be read is refused.
. examples/support/e2e.sh
detector="$PWD/$3" rules="$PWD/$4"
work=$(mktemp -d -p "${TEST_TMPDIR:-/tmp}")
cd "$work" || exit 1

planted=$("$detector" --make-capture capture.pcap --frames 20000 | sed -n 's/^planted //p' | sort)
[ "$(wc -l <<< "$planted")" = 6 ]
"$detector" --make-capture again.pcap --frames 20000 > again
cmp capture.pcap again.pcap

# found OUTPUT: the alerts, without their times and the ranks that vmmcrun puts in front.
found() { sed -n 's/^.*alert \(.*\) at [0-9.]*$/\1/p' <<< "$1" | sort; }

for processes in 1 2 3; do
  output=$("$VMMCRUN" -n $processes "$detector" --rules "$rules" capture.pcap)
  if [ "$(found "$output")" != "$planted" ]; then
    printf 'planted:\n%s\ngot, of %s processes:\n%s\n' "$planted" "$processes" "$output" >&2
    exit 1
  fi
  expect "alerts: 6" "$output"
  expect "dropped: 0 by the ring, 0 by the source" "$output"
  frames=$(sed -n 's/^.*frames: \([0-9]*\),.*/\1/p' <<< "$output")
  [ "$frames" -gt 20000 ]
  [ "${first:=$frames}" = "$frames" ]
done

# fails TEXT COMMAND...: the command fails and says so.
fails() {
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'succeeded: %s\n' "$*" >&2
    exit 1
  fi
  expect "$text" "$output"
}
export VMMC_SOCKET="@vmmc-test-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
echo 'content x tcp 80' > wrong.txt
fails "line 1: the pattern is missing" "$detector" --rules wrong.txt capture.pcap
fails "cannot be opened" "$detector" --rules absent.txt capture.pcap
fails "absent.pcap" "$detector" --rules "$rules" absent.pcap
fails "wrong.txt" "$detector" --rules "$rules" wrong.txt
fails "needed" "$detector"
head -c 100000 capture.pcap > cut.pcap
fails "frames: " "$detector" --rules "$rules" cut.pcap
