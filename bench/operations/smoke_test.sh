#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Keeps the benchmark alive; says nothing about speed. Arguments: NICSIM OPERATIONS.
set -eu
export VMMC_NICSIM="$PWD/$1"
output=$("$2" --smoke)
for line in 'deliberate update of 8 B' 'plain store of 8 B \(trap\), one way' 'typed store of 8 B, one way' \
  'plain store of 8 B \(trap\), combined' 'typed store of 8 B, combined' 'fetch of 8 B' 'fetch of 65536 B' \
  'fetch-and-add' 'by thread' 'by signal' 'by dispatch'; do
  grep -qE -- "$line.* [0-9]+\.[0-9]+ .* [0-9]+$" <<< "$output" || { echo "no line for: $line" >&2; echo "$output" >&2; exit 1; }
done
if "$2" --iterations 0 2> /dev/null; then echo "0 iterations are accepted" >&2; exit 1; fi
