#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The parallel plate is that of the serial run in every bit, for several numbers of processes and shapes.
. examples/support/e2e.sh
heat2d="$PWD/$3"

shape=(--rows 130 --columns 67 --max-steps 1000)
serial=$("$heat2d" --serial "${shape[@]}")
for processes in 1 2 3 5; do
  output=$("$VMMCRUN" -n $processes "$heat2d" --check "${shape[@]}")
  expect "check: equal in every bit to the serial run" "$output"
  expect "$(grep '^residual:' <<< "$serial")" "$output"
done

# One row for each process: every row is a halo of two neighbours.
output=$("$VMMCRUN" -n 4 "$heat2d" --check --rows 6 --columns 5 --max-steps 201)
expect "check: equal in every bit to the serial run" "$output"
