#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# tshark reads the pcapng files of the sample traces, alone and with vmmc.lua.
set -u
export HOME=$TEST_TMPDIR
tool=$PWD/tools/vmmctrace/vmmctrace
dissector=$PWD/tools/vmmctrace/vmmc.lua
"$PWD/tools/vmmctrace/make_trace" "$TEST_TMPDIR" || exit 1
cd "$TEST_TMPDIR" || exit 1
failures=0
for sample in simulated real wrapped empty datagrams; do
  "$tool" pcapng $sample.vmmctrace -o $sample.pcapng 2> /dev/null || failures=$((failures + 1))
done

expect() {  # WHAT EXPECTED ACTUAL
  [[ $2 == "$3" ]] && return
  printf '%s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

dissect() {  # SAMPLE ARGUMENT...
  local file=$1.pcapng
  shift
  tshark -X "lua_script:$dissector" -r "$file" "$@" 2> errors || echo "tshark ended with $?"
  # Root is told that it is root; everything else would be a complaint.
  grep -v 'Running as user' errors
}

fields() {  # SAMPLE FILTER FIELD...: values with commas between, a line for each packet
  local sample=$1 filter=$2 names=()
  for name in "${@:3}"; do names+=(-e "$name"); done
  dissect "$sample" -Y "$filter" -T fields -E separator=, "${names[@]}" | tr '\n' ' ' | sed 's/ $//'
}

# The container.
expect interfaces 'node 0,0 node 1,1' \
  "$(fields simulated 'frame.number <= 2' frame.interface_name frame.interface_id)"
expect 'captured and whole length' '108,4168' "$(fields simulated 'frame.number == 1' frame.cap_len frame.len)"
expect 'small packets are whole' '80,80' \
  "$(fields simulated 'vmmc.kind == 2 && vmmc.event == 23' frame.cap_len frame.len)"
expect 'directions' '0x00000002 0x00000001' "$(fields simulated 'frame.number <= 2' frame.packet_flags)"
expect 'simulated time' '0.000003000' "$(fields simulated 'frame.number == 1' frame.time_epoch)"
expect 'real time' '1700000000.000003000' "$(fields real 'frame.number == 1' frame.time_epoch)"
expect 'a sentence for each packet' \
  'deliberate update 1, packet 2 (last), from node 0 process 1 to node 1 process 2: 1000 bytes for buffer 5 at 8192 are sent' \
  "$(dissect simulated -Y 'frame.number == 5' -T fields -e frame.comment)"
expect 'packets' 16 "$(dissect simulated | grep -c .)"
expect 'nothing at all' '' "$(dissect empty)"
expect 'losses are a comment of the section' 1 "$(grep -a -c '71 earlier records were overwritten' wrapped.pcapng)"
expect 'and said' 'vmmctrace: wrapped.vmmctrace: 71 earlier records were overwritten' \
  "$("$tool" pcapng wrapped.vmmctrace 2>&1 > /dev/null)"

# The dissector.
expect 'every field' '1,23,1,0,0,0,0,1,1,2,5,1,0,1,4096,4096,5250000,800000' "$(fields simulated 'frame.number == 3' \
  vmmc.version vmmc.event vmmc.kind vmmc.notifies vmmc.last_packet vmmc.status vmmc.from_node vmmc.to_node \
  vmmc.from_process vmmc.to_process vmmc.buffer vmmc.packet vmmc.page vmmc.operation vmmc.offset vmmc.length \
  vmmc.time vmmc.duration)"
expect 'content, of what is sent too' 'a2a2a2a2a2a2a2a2 a2a2a2a2a2a2a2a2' "$(fields simulated 'vmmc.operation == 2' vmmc.content)"
expect 'an operation' '1 2 3 4 5 6' "$(fields simulated 'vmmc.operation == 1' frame.number)"
expect 'notifications' '5 5 6 6' "$(fields simulated 'vmmc.notifies == 1' vmmc.operation)"
expect 'the way' '1,1950.75' "$(fields simulated 'frame.number == 2' vmmc.sent_in vmmc.transit)"
expect 'the way in a second pass' '9' "$(dissect simulated -2 -Y 'frame.number == 10' -T fields -e vmmc.sent_in)"
expect 'a refusal' '10,-61' "$(fields simulated vmmc.refused frame.number vmmc.status)"
expect 'a loss' '16,7' "$(fields simulated vmmc.lost frame.number vmmc.operation)"
expect 'where it is said' '16,node 1,0,1,1,2' "$(fields simulated vmmc.lost \
  frame.number frame.interface_name vmmc.from_node vmmc.to_node vmmc.from_process vmmc.to_process)"
expect 'columns' 'VMMC,node 0 process 1,node 1 process 2' \
  "$(fields simulated 'frame.number == 1' _ws.col.Protocol _ws.col.Source _ws.col.Destination)"
expect 'what is said of a refusal' \
  'deliberate update 3, packet 0: 4 bytes for buffer 5 at 0, refused: UNEXPORTED' \
  "$(fields simulated 'frame.number == 10' _ws.col.Info)"
expect 'JSON' 'vmmc' "$(dissect simulated -c 1 -T json | python3 -c '
import json, sys
layers = json.load(sys.stdin)[0]["_source"]["layers"]
print("vmmc" if layers["vmmc"]["vmmc.buffer"] == "5" else layers)')"

# Real-time datagrams.
expect 'a page that is lent' '24,32,1,7,9' \
  "$(fields datagrams 'vmmc.lends_page == 1 && vmmc.event == 24' vmmc.event vmmc.kind vmmc.lends_page vmmc.buffer vmmc.page)"
expect 'what is said of it' 'real-time datagram 1, packet 0: 100 bytes for channel 7 at 0, arrived in a page that is lent' \
  "$(fields datagrams 'frame.number == 2' _ws.col.Info)"
expect 'its direction and its way' '0x00000001,1,250' \
  "$(fields datagrams 'frame.number == 2' frame.packet_flags vmmc.sent_in vmmc.transit)"
expect 'a fragment that is lost' '6,2' "$(fields datagrams vmmc.lost frame.number vmmc.operation)"

# Another version of the header is said, not guessed at.
python3 - << 'END'
data = open("simulated.pcapng", "rb").read()
at = data.index(b"\x01\x17\x01")  # the first packet's header: version 1, packet_sent, deliberate update
open("other.pcapng", "wb").write(data[:at] + b"\x02" + data[at + 1:])
END
expect 'another version' 1 "$(fields other vmmc.unknown frame.number)"
[[ $failures -eq 0 ]]
