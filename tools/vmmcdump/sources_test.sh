#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# vmmcdump with what lives: an interface of a network namespace of its own, the backplane of a machine on which a program
# sends, another one's ring; and how few system calls a file takes.
set -u
if [[ -z ${IN_NAMESPACE:-} ]] && unshare -n true 2> /dev/null; then
  IN_NAMESPACE=1 exec unshare -n "$0" "$@"
fi
export VMMC_NICSIM=$PWD/nicsim/nicsim
dump=$PWD/tools/vmmcdump/vmmcdump
show=$PWD/tools/vmmcdump/show_capture
traffic=$PWD/tools/vmmcdump/send_traffic
maker=$PWD/examples/intrusiondetector/intrusiondetector
stat=$PWD/tools/vmmcstat/vmmcstat
dissector=$PWD/tools/vmmctrace/vmmc.lua
VMMC_SOCKET="@vmmc-test-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
export VMMC_SOCKET
cd "${TEST_TMPDIR:-$(mktemp -d)}" || exit 1
failures=0

check() { # WHAT EXPECTED ACTUAL
  [[ $3 == *"$2"* ]] && return
  printf '%s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

await() { # COMMAND...: until it succeeds
  for _ in $(seq 1200); do
    "$@" && return
    sleep 0.05
  done
  echo "never: $*"
  failures=$((failures + 1))
}

says() { grep -qs -- "$2" "$1"; } # FILE TEXT

capture() { # NAME ARGUMENT...: in the background; it captures when this returns
  name=$1
  shift
  "$dump" "$@" > "$name.lines" 2> "$name.errors" &
  job=$!
  await says "$name.errors" 'capturing'
}

end() { # SIGNAL EXPECTED-CODE
  [[ -z $1 ]] || kill "-$1" "$job"
  wait "$job"
  check "exit code of $name" "<$2>" "<$?>"
}

lines() { # FILE PATTERN
  grep -c -- "$2" "$1"
}

interfaces() {
  ip link add near type veth peer name far || return 1
  sysctl -qw net.ipv6.conf.near.disable_ipv6=1 net.ipv6.conf.far.disable_ipv6=1 2> /dev/null
  ip link set near addrgenmode none 2> /dev/null
  ip link set far addrgenmode none 2> /dev/null
  ip link set near up && ip link set far up
}

test_interfaces() {
  # Summaries; SIGINT is a good end.
  capture plain -i near -c 100 udp
  "$traffic" frames far 100 53
  end '' 0
  check 'a line for each' '<100>' "<$(lines plain.lines '10.0.0.1:4000 > 10.0.0.2:53 UDP length 32')>"
  check 'the last line' '100 frames captured, 0 dropped by ring, 0 by source' "$(cat plain.errors)"

  # Into a file that libpcap and tshark read; the kernel filters, so nothing is filtered out here.
  capture written -i near -w written.pcapng udp port 80
  "$traffic" frames far 50 53
  "$traffic" frames far 60 80
  "$traffic" frames far 50 53
  await eval '[[ $("$show" written.pcapng 2> /dev/null | wc -l) -ge 60 ]]'
  end INT 0
  check 'filtered by the kernel' '60 frames captured, 0 dropped' "$(cat written.errors)"
  check 'what libpcap reads' '<60>' "<$("$show" written.pcapng 'udp dst port 80' | wc -l)>"
  check 'the bytes' "$(printf '%-32s' 59 | od -An -v -tx1 | tr -d ' \n')" "$("$show" written.pcapng | tail -n 1)"
  if command -v tshark > /dev/null; then
    check 'what tshark reads' '<60>' \
      "<$(tshark -r written.pcapng -Y 'udp.dstport == 80 && ip.src == 10.0.0.1' 2> tshark.errors | wc -l)>"
    check 'its interface' 'near' "$(tshark -r written.pcapng -c 1 -T fields -e frame.interface_name 2> tshark.errors)"
  fi

  # VLAN: the tag is put back; an expression with `vlan` works, in vmmcdump.
  capture tagged -i near -w tagged.pcapng -c 20 vlan 5
  "$traffic" frames far 10 53
  "$traffic" frames far 20 53 5
  end '' 0
  check 'tagged frames' '<20>' "<$("$show" tagged.pcapng 'vlan 5 and udp' | wc -l)>"
  check 'what came through' '20 frames captured, ' "$(cat tagged.errors)"
  # Ten of ours; the host's IPv6 may have said something of its own meanwhile.
  local filtered
  filtered=$(sed -n 's/.* captured, \([0-9]*\) filtered out.*/\1/p' tagged.errors)
  [[ ${filtered:-0} -ge 10 ]] || check 'others are filtered out' '10 or more' "$filtered"

  # A filter that does not compile, a user who may not.
  "$dump" -i near 'udp port' > /dev/null 2> filter.errors
  check 'no such filter' '<4>' "<$?>"
  check 'no such filter' 'syntax error' "$(cat filter.errors)"
  setpriv --bounding-set=-net_raw --inh-caps=-net_raw "$dump" -i near > /dev/null 2> forbidden.errors
  check 'no right to capture' '<6>' "<$?>"
  check 'no right to capture' 'vmmcdump: near: ' "$(cat forbidden.errors)"
  check 'no right to capture' 'CAP_NET_RAW' "$(cat forbidden.errors)"

  # A consumer is killed; nicsim, which another one uses, goes on.
  capture other -i far
  other=$job
  capture killed -i near -w killed.pcapng
  "$traffic" frames far 10 53
  kill -KILL "$job"
  wait "$job" 2> /dev/null
  job=$other name=other
  "$traffic" frames near 10 81
  await eval '[[ $(lines other.lines "10.0.0.2:81 ") -ge 10 ]]'
  end INT 0

  # The interface goes in mid-capture: what came before is written, and why it ended is said.
  capture gone -i near -w gone.pcapng
  "$traffic" frames far 30 53
  await eval '[[ $("$show" gone.pcapng 2> /dev/null | wc -l) -ge 30 ]]'
  "$traffic" frames far 12 53
  ip link del near
  end '' 9
  check 'all of them are written' '<42>' "<$("$show" gone.pcapng | wc -l)>"
  check 'why' 'vmmcdump: the capture ended: ' "$(cat gone.errors)"
}

test_backplane() {
  mkfifo commands
  "$traffic" transfers 200 < commands > transfers.out &
  local sender=$!
  exec 9> commands
  await says transfers.out ready
  capture packets --backplane --mirror --id 5 -w packets.pcapng -c 200
  local first=$job opener
  opener=$(sed -n 's/.*--join \([0-9:]*\)$/\1/p' packets.errors)
  "$dump" --join "$opener" -x -c 200 > joined.lines 2> joined.errors &
  local second=$!
  await joined_is_there
  echo go >&9
  await says transfers.out sent
  wait $second
  check 'exit code of the joiner' '<0>' "<$?>"
  job=$first name=packets
  end '' 0
  check 'packets' '200 frames captured, 0 dropped by ring' "$(cat packets.errors)"
  check 'packets of the joiner' '200 frames captured, 0 dropped by ring' "$(cat joined.errors)"
  check 'payload' "$(printf 'payload 00000199' | od -An -v -tx1 | tr -d ' \n')" "$("$show" packets.pcapng | tail -n 1)"
  check 'summaries' '<200>' "<$(lines joined.lines 'deliberate update')>"
  if command -v tshark > /dev/null; then
    check 'the dissector' '<200>' "<$(tshark -X "lua_script:$dissector" -r packets.pcapng \
      -Y 'vmmc.kind == 1 && vmmc.buffer == 7 && vmmc.offset == 64 && vmmc.length == 16' 2> tshark.errors | wc -l)>"
    check 'its payload' "$(printf 'payload 00000000' | od -An -v -tx1 | tr -d ' \n')" \
      "$(tshark -X "lua_script:$dissector" -r packets.pcapng -c 1 -T fields -e vmmc.content 2> tshark.errors)"
  fi
  echo end >&9
  exec 9>&-
  wait $sender
  check 'exit code of the sender' '<0>' "<$?>"
}

# The snapshot shows two consumers.
joined_is_there() { [[ $("$stat" --json | grep -o '"delivered":' | wc -l) -eq 2 ]]; }

test_system_calls() {
  "$maker" --make-capture long.pcap --frames 1000000 > /dev/null
  # One that runs already, so that its calls are not counted.
  "$VMMC_NICSIM" --socket "$VMMC_SOCKET" --leave-with-last-client || return
  strace -f -c -o calls "$dump" -r long.pcap -w long.pcapng 2> long.errors
  check 'all of it' '0 dropped by ring, 0 by source' "$(cat long.errors)"
  local calls frames
  # Those that only let others run are the more the busier the machine is.
  calls=$(awk '/ total$/ { total = $4 } / sched_yield$/ { yields = $4 } END { print total - yields }' calls)
  frames=$(sed -n 's/^vmmcdump: \([0-9]*\) frames.*/\1/p' long.errors)
  echo "$calls system calls for $frames frames"
  [[ $calls -gt 0 && $((calls * 100)) -lt $frames ]] || failures=$((failures + 1))
}

if [[ -n ${IN_NAMESPACE:-} ]] && interfaces; then
  test_interfaces
else
  echo 'skipped: no veth pair can be made here'
fi
test_backplane
if strace -o calls true 2> /dev/null; then
  test_system_calls
else
  echo 'skipped: strace does not work here'
fi
echo "$failures failures"
[[ $failures -eq 0 ]]
