#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs the example as its README says: on a nicsim that it starts itself, and on one of two nodes.
. examples/support/e2e.sh
primes="$PWD/$3"
nicsim="$VMMC_NICSIM"

export VMMC_SOCKET="@vmmc-test-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
output=$("$primes" 100000 3)
expect "3 workers on 4 node(s)" "$output"
expect "9592 primes" "$output"
expect "worker 2 got to 100000" "$output"

VMMC_SOCKET="$VMMC_SOCKET-two"
"$nicsim" --socket "$VMMC_SOCKET" --nodes 2 --leave-with-last-client  # returns when it listens
output=$("$primes" 100000 7)
expect "7 workers on 2 node(s)" "$output"
expect "9592 primes" "$output"

if output=$("$primes" 10 2>&1); then echo "too few arguments are accepted" >&2; exit 1; fi
expect "usage: primes LIMIT WORKERS" "$output"
