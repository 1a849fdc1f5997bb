#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Both ways sort, for several numbers of processes, sizes and options; no packet where there is nobody to send to; and
# wrong arguments are refused.
. examples/support/e2e.sh
radixsort="$PWD/$3"
seed=$RANDOM
echo "seed $seed"

# sorted PROCESSES OPTION...: the result is right.
sorted() { output=$("$VMMCRUN" -n "$1" "$radixsort" --seed $seed "${@:2}"); expect "check: equal to std::sort" "$output"; }

# transfers WAY: of the last output.
transfers() { sed -n "s/^$1: .* \([0-9]*\) transfers.*/\1/p" <<< "$output"; }

# holds CONDITION: true of numbers.
holds() { (($1)) || { printf 'not true: %s\n%s\n' "$1" "$output" >&2; exit 1; }; }

for processes in 1 2 3 4; do
  sorted $processes --keys 20011
  expect "deliberate:" "$output"
  expect "automatic:" "$output"
done

sorted 1 --keys 5000
holds "$(transfers deliberate) + $(transfers automatic) == 0"

# Fewer keys than processes, and a last process that has none although there are more.
sorted 4 --keys 1
sorted 4 --keys 3
sorted 4 --keys 5
sorted 3 --keys 9001 --bits 11

# Without combining there is a packet for each key that leaves, about half of them in each of 8 passes, whoever captures the
# stores. With it there are fewer, and far fewer for runs that were gathered.
sorted 2 --keys 3000 --bits 4 --combining off
leaving=$(transfers automatic)
holds "10000 < $leaving && $leaving < 14000 && 10 * $(transfers deliberate) < $leaving"
sorted 2 --keys 3000 --bits 4 --by automatic --combining single
holds "$(transfers automatic) == $leaving"
sorted 2 --keys 3000 --bits 4 --by automatic --combining off --capture trap
holds "$(transfers automatic) == $leaving"
sorted 2 --keys 3000 --bits 4 --by automatic --combining block
holds "20 * $(transfers automatic) < 19 * $leaving"
sorted 3 --keys 500 --by automatic --capture trap

for wrong in "--keys 0" "--bits 17" "--by post" "--capture shared" "--combining maybe" "--seed -1" "--unknown"; do
  # shellcheck disable=SC2086  # an option and its value
  if "$radixsort" $wrong > /dev/null 2>&1; then echo "$wrong is accepted" >&2; exit 1; fi
done
