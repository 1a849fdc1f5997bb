#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs the example as its README says: by vmmcrun, and by hand in two "terminals".
. examples/support/e2e.sh
pingpong="$PWD/$3"

output=$("$VMMCRUN" -n 2 "$pingpong")
expect "process 0 has seen 10000 rounds" "$output"
expect "process 1 has seen 10000 rounds" "$output"

export VMMC_SOCKET="@vmmc-test-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')" VMMC_SIZE=2
first=$(mktemp -p "${TEST_TMPDIR:-/tmp}")
VMMC_RANK=0 VMMC_PROCESS=0 VMMC_NODE=0 "$pingpong" > "$first" &
output=$(VMMC_RANK=1 VMMC_PROCESS=1 VMMC_NODE=1 "$pingpong")
wait $!
expect "process 0 has seen 10000 rounds" "$(cat "$first")"
expect "process 1 has seen 10000 rounds" "$output"
