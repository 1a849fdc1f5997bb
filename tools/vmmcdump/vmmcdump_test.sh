#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# vmmcdump with a real nicsim: files go through it unchanged, a refused input has its exit code and one sentence, SIGINT
# ends it with everything written.
set -u
export VMMC_NICSIM=$PWD/nicsim/nicsim
dump=$PWD/tools/vmmcdump/vmmcdump
show=$PWD/tools/vmmcdump/show_capture
maker=$PWD/examples/intrusiondetector/intrusiondetector
VMMC_SOCKET="@vmmc-test-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
export VMMC_SOCKET
cd "$TEST_TMPDIR" || exit 1
"$maker" --make-capture run.pcap > /dev/null || exit 1
frames=$("$show" run.pcap | wc -l)
[[ $frames -gt 20000 ]] || exit 1
failures=0

check() { # WHAT EXPECTED ACTUAL
  [[ $3 == *"$2"* ]] && return
  printf '%s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

refused() { # CODE TEXT ARGUMENT...
  local code=$1 text=$2 output status
  shift 2
  output=$(timeout 60 "$dump" "$@" 2>&1 > /dev/null)
  status=$?
  check "exit code of $*" "<$code>" "<$status>"
  check "sentence of $*" "$text" "$output"
}

same() { # ONE OTHER: the same frames, every byte
  cmp <("$show" "$1") <("$show" "$2")
  check "$2 has the frames of $1" 0 $?
}

# A file goes through the ring unchanged: pcap, then the pcapng that was made of it.
check 'the last line' "$frames frames captured, 0 dropped by ring, 0 by source" "$("$dump" -r run.pcap -w one.pcapng 2>&1)"
same run.pcap one.pcapng
"$dump" -r one.pcapng -w two.pcapng --blocks 2 --block-size 69632 2> /dev/null
same run.pcap two.pcapng
check 'a line for each' "$frames" "$("$dump" -r run.pcap 2> /dev/null | wc -l)"
check 'cut frames' "$frames" "$("$dump" -r run.pcap -s 20 2> /dev/null | wc -l)"
check 'count' '7 frames captured' "$("$dump" -r run.pcap -q -c 7 2>&1)"
check 'from standard input' "$frames frames" "$("$dump" -q -r - < run.pcap 2>&1)"
for filter in 'udp' 'tcp port 80' 'ip6' 'greater 500' 'host 10.66.0.5 and tcp[tcpflags] = tcp-syn'; do
  check "filter $filter" "<$("$show" run.pcap "$filter" | wc -l)>" \
    "<$("$dump" -r run.pcap "$filter" 2> /dev/null | wc -l)>"
done

# What is refused.
refused 2 'what is to be captured'
refused 4 'syntax error' -r run.pcap 'tcp port'
refused 5 'No such file' -r absent
refused 5 'vmmcdump: no-such-if' -i no-such-if
head -c 1000 /dev/urandom > noise
refused 7 'vmmcdump: noise' -r noise
head -c 100001 run.pcap > cut.pcap
refused 8 'dropped by ring' -r cut.pcap -q
"$dump" -r cut.pcap -w cut.pcapng 2> /dev/null
same cut.pcap cut.pcapng
refused 10 'overwrite' -r run.pcap -w one.pcapng
refused 10 'is the file that is read' -r run.pcap -w run.pcap --overwrite
refused 11 'No space left' -r run.pcap -w /dev/full
refused 11 'No such file' -r run.pcap -w no/such/place
VMMC_SOCKET=@vmmc-test-nobody refused 3 'nicsim' --backplane

# Nobody has a ring of that number; then one joins the other's ring, whose frames both of them get.
"$VMMC_NICSIM" --socket "$VMMC_SOCKET" --leave-with-last-client || exit 1
refused 5 'vmmcdump: ring 0:99:1' --join 0:99:1
"$dump" -r run.pcap --recorded-speed --mirror --id 7 -w first.pcapng 2> first.errors &
first=$!
until [[ -s first.pcapng ]] || ! kill -0 $first; do sleep 0.05; done
check 'a second consumer' '50 frames captured, 0 dropped' "$(timeout 60 "$dump" --join 0:0:7 -q -c 50 2>&1)"
kill -INT $first
wait $first
check 'the first one goes on meanwhile' '0 dropped by ring' "$(cat first.errors)"

# SIGINT in the middle of a replay that takes as long as it was recorded.
"$dump" -r run.pcap --recorded-speed -w slow.pcapng 2> slow.errors &
job=$!
for _ in $(seq 600); do
  [[ -s slow.pcapng ]] && break
  sleep 0.05
done
kill -INT $job
wait $job
check 'SIGINT is a good end' '<0>' "<$?>"
captured=$(sed -n 's/^vmmcdump: \([0-9]*\) frame.*/\1/p' slow.errors)
check 'everything is written' "<$captured>" "<$("$show" slow.pcapng | wc -l)>"
[[ $captured -gt 0 && $captured -lt $frames ]] || failures=$((failures + 1))

# On a terminal there are live figures, and the last line behind them.
live=$(script -qec "'$dump' -r run.pcap --recorded-speed -w live.pcapng -c 2500" /dev/null < /dev/null)
check 'live figures' ' frames/s, ' "$live"
check 'drops, live' ', dropped 0 by ring, 0 by source' "$live"
check 'the last line on a terminal' 'vmmcdump: 2500 frames captured' "$live"

echo "$failures failures"
[[ $failures -eq 0 ]]
