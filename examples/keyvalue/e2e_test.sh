#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Clients that check all they read, alone and together; all their operations, put in one order; a client that is killed; commands
# from a script; and what is said about wrong arguments.
. examples/support/e2e.sh
keyvalue="$PWD/$3"
checker="$PWD/$4"
scratch=$(mktemp -d -p "${TEST_TMPDIR:-/tmp}")
trap 'rm -rf "$scratch"' EXIT

# check HISTORY... : all operations together are in the order of their versions.
check() { sort -k1,1n -k2,2nr "$@" | awk -v killed="${killed:-none}" -f "$checker"; }

# refused SENTENCE COMMAND...: it fails and says so.
refused() {
  local sentence=$1 output
  shift
  if output=$("$@" 2>&1); then printf 'not refused: %s\n' "$*" >&2; exit 1; fi
  expect "$sentence" "$output"
}

# One client; three on few keys, with long and short values and deletions; a table with no slot to spare.
seed=${RANDOM}
echo "seed $seed"
output=$("$VMMCRUN" -n 2 "$keyvalue" --seed $seed --operations 5000)
expect "every answer checked" "$output"
expect "it sent, fetched and changed 0" "$output"

workload() { "$VMMCRUN" -n 4 "$keyvalue" --seed $seed --gets 60 --history "$scratch/$1" "${@:2}"; }
output=$(workload few --operations 10000 --keys 3 --deletes 10 --record-bytes 4096 --value-bytes 4000)
expect "every answer checked" "$output"
expect "linearizable: 30003 operations" "$(check "$scratch"/few.*)"
output=$(workload full --operations 3000 --keys 64 --slots 64)
expect "linearizable: 9064 operations" "$(check "$scratch"/full.*)"

# The check finds what it is for: a read that comes too late for its version, and a version without a change.
late=$(printf '%s\n' '1 1 put 0 1 10 20' '1 2 put 0 2 30 40' '1 1 get 0 1 41 50' > "$scratch/bad"; check "$scratch/bad" || true)
expect "version 1: seen or made after a newer one" "$late"
nobody=$(echo '1 1 get 0 1 10 20' > "$scratch/bad"; check "$scratch/bad" || true)
expect "version 1: made by nobody" "$nobody"
twice=$(printf '%s\n' '1 1 put 0 1 10 20' '1 1 put 1 1 10 20' > "$scratch/bad"; check "$scratch/bad" || true)
expect "version 1: made by 2 changes" "$twice"

# Client 2 is killed in the midst of its puts; the others do not notice.
cat > "$scratch/rank" <<'RANK'
#!/bin/bash
[ "$VMMC_RANK" = 3 ] || exec "$@" --operations 20000
"$@" --operations 1000000000 &
until [ -s "$HISTORY.2" ] || ! kill -0 $!; do sleep 0.01; done
kill -9 $!
wait $!
[ $? = 137 ]
RANK
chmod +x "$scratch/rank"
export HISTORY="$scratch/killed"
output=$("$VMMCRUN" -n 4 "$scratch/rank" "$keyvalue" --seed $seed --keys 4 --gets 20 --deletes 5 \
  --history "$HISTORY" 2>&1)
expect "2  ended without a report" "$output"
expect "every answer checked" "$output"
sed -i '$d' "$HISTORY.2"  # it may be half a line
killed=2 check "$HISTORY".*

# Commands from a script.
output=$("$VMMCRUN" -n 2 "$keyvalue" --commands --slots 2 << 'COMMANDS'
put colour dark green
get colour

get shape
del colour
del colour
get colour
put shape round
put size 7
put colour red
COMMANDS
)
expect "colour: stored (version 1)
colour = dark green (version 1)
shape: no such key
colour: deleted (version 2)
colour: no such key
colour: no such key
shape: stored (version 1)
size: the table is full: all slots have keys
colour: stored (version 3)" "$output"
output=$(echo "put k $(printf %0300d 0)" | "$VMMCRUN" -n 2 "$keyvalue" --commands)
expect "k: key and value are too long for a record" "$output"

# Wrong commands and arguments.
refused 'line 2: "steal a" is none of: get KEY, put KEY VALUE, del KEY' \
  "$VMMCRUN" -n 2 "$keyvalue" --commands < <(printf 'get a\nsteal a\n')
refused 'line 1: "put a" is none of' "$VMMCRUN" -n 2 "$keyvalue" --commands <<< "put a"
refused "needs 2 processes at least" "$VMMCRUN" -n 1 "$keyvalue"
refused "--commands needs 2 processes" "$VMMCRUN" -n 3 "$keyvalue" --commands < /dev/null
refused "100 keys do not fit into 99 slots" "$keyvalue" --keys 100 --slots 99
refused "more than 100 percent" "$keyvalue" --gets 60 --deletes 41
refused "values of 300 bytes, with their keys, do not fit into records of 256" "$keyvalue" --value-bytes 300
refused "--slots" "$keyvalue" --slots 0
refused "--keys" "$keyvalue" --keys many
refused "cannot write /no/such/folder/file" \
  "$VMMCRUN" -n 2 "$keyvalue" --history /no/such/folder/file
