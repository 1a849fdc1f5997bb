#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The request server under vmmcrun and by hand: right answers, clients that are killed or hostile, its clean end.
. examples/support/e2e.sh
server="$PWD/$3" client="$PWD/$4" epoll_client="$PWD/$5" hostile_client="$PWD/$6"
log=$(mktemp -p "${TEST_TMPDIR:-/tmp}")
server_job=
trap '[ -z "$server_job" ] || kill -9 "$server_job" 2> /dev/null || true' EXIT

# fails OUTPUT-TEXT COMMAND...: the command fails and says so.
fails() {
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'succeeded: %s\n' "$*" >&2
    exit 1
  fi
  expect "$text" "$output"
}

# await TEXT: until the server has printed it.
await() {
  for _ in $(seq 600); do
    grep -q "$1" "$log" && return
    sleep 0.05
  done
  expect "$1" "$(cat "$log")"
}

start_server() {
  : > "$log" # now, not when the background job gets to it: await must not see the last server's lines
  "$server" --interval 50 "$@" > "$log" 2>&1 &
  server_job=$!
  await "server: ready"
}

end_server() {
  kill -"$1" "$server_job"
  wait "$server_job"
  server_job=
  expect "server: answered" "$(cat "$log")"
}

# Under vmmcrun; the server leaves when its clients have left.
output=$("$VMMCRUN" -n 4 bash -c '
  [ "$VMMC_RANK" = 0 ] && exec "$0" --interval 50 --leave-after 3
  exec "$1" --requests 3000 --seed "$VMMC_RANK" --lanes "$VMMC_RANK"' "$server" "$client")
for rank in 1 2 3; do
  expect "client $rank: 3000 requests, every answer right" "$output"
done
expect "server: answered 9003 requests, refused 0" "$output"

# By hand.
export VMMC_SOCKET="@vmmc-test-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
fails "no nicsim" "$client"
start_server
fails "cannot attach as process 0" "$server"
expect "every answer right" "$("$client" --requests 1 --sizes 4096)"
await "client 1 has gone"

# A client is killed while it asks; the others get their answers, and its number goes to the next.
VMMC_PROCESS=7 "$client" --requests 1000000000 > "$log.killed" 2>&1 &
victim=$!
await "client 7 on node 0 says hello"
"$client" --requests 20000 --seed 2 > "$log.other" &
other=$!
sleep 0.2
kill -9 "$victim"
wait "$victim" 2> /dev/null && exit 1
wait "$other"
expect "20000 requests, every answer right" "$(cat "$log.other")"
await "client 7 has gone"
expect "client 7: 100 requests, every answer right" "$(VMMC_PROCESS=7 "$client" --requests 100)"

# Garbage is refused with a sentence, or ignored, and hurts nobody else.
"$client" --requests 20000 --seed 3 > "$log.other" &
other=$!
output=$("$hostile_client")
wait "$other"
expect "20000 requests, every answer right" "$(cat "$log.other")"
expect "VMMC_ERR_PERMISSION_DENIED
refused: a hello says plain or notify
refused: this server sends no notifications
refused: 99 is no kind of request
refused: offset 4 is not the start of a lane
refused: a request has 1 .. 4096 bytes, not 4097
refused: a hello belongs in lane 0
refused: a request has 1 .. 4096 bytes, not 16384
refused: the text is no decimal number
refused: the number is not in 2 .. 1000000000
answered: 3e1077c1
answered: ereh llits" "$output"
await "cannot answer client"
fails "this server sends no notifications" "$epoll_client" reverse abc
end_server TERM

# Notifications reach a client that uses plain epoll.
start_server --notify
expect "olleh
dlrow" "$("$epoll_client" reverse hello world)"
expect "refused: the text is no decimal number
2 2 3" "$("$epoll_client" factor 3x 12)"
end_server INT

# Wrong arguments.
fails "--interval" "$server" --interval 0
fails "--lanes" "$client" --lanes 5
fails "--sizes" "$client" --sizes 16,4097
fails "--requests" "$client" --requests 0
fails "usage" "$epoll_client" sing song
fails "usage" "$epoll_client" reverse
