#!/bin/sh
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# readme_test.sh NICSIM VMMCRUN HELLO ANSWER WORD SAMPLES: the programs of README.md print what it says.
set -eu
export VMMC_NICSIM="$PWD/$1"
vmmcrun=$2

expect() {
  [ "$1" = "$2" ] && return
  printf 'expected:\n%s\ngot:\n%s\n' "$1" "$2" >&2
  exit 1
}

expect "rank 0 has received: hello" "$("$vmmcrun" -n 2 "$3")"
# The ranks print in any order.
expect "rank 0 has received 42
rank 1 has received 41" "$("$vmmcrun" -n 2 "$4" | sort)"
expect "the samples' sum is 55" "$("$vmmcrun" -n 2 "$6")"
# In simulated time, to the last digit; in real time, something.
expect "7.60 us each way" "$("$vmmcrun" -n 2 --model shrimp-2 "$5")"
expect "9.80 us each way" "$("$vmmcrun" -n 2 --model myrinet-vmmc "$5")"
"$vmmcrun" -n 2 "$5" | grep -qE '^[0-9.]+ us each way$'
