#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Keeps the benchmark alive; says nothing about speed. Argument: COPY.
set -eu
output=$("$1" --smoke)
for scenario in warm read written cold; do
  for way in memcpy copy_words vectors-16 ; do
    grep -qE -- "^ +4096 +$scenario +$way +[0-9]+\.[0-9]+ .* [0-9]+\.[0-9]+ " <<< "$output" ||
      { echo "no line for: $scenario $way" >&2; echo "$output" >&2; exit 1; }
  done
done
if "$1" --rounds 0 2> /dev/null; then echo "0 rounds are accepted" >&2; exit 1; fi
if "$1" --scenario tepid 2> /dev/null; then echo "an unknown scenario is accepted" >&2; exit 1; fi
