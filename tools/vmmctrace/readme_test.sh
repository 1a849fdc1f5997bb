#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The examples of README.md, on a trace that is made for them.
set -u
directory=$PWD/tools/vmmctrace
examples=$PWD/tests/support/readme_examples.sh
export HOME=$TEST_TMPDIR
"$directory/make_trace" "$TEST_TMPDIR" && cd "$TEST_TMPDIR" || exit 1
mkdir work && cp wrapped.vmmctrace work/run.vmmctrace && cp "$directory/vmmc.lua" work && cd work || exit 1
exec "$examples" "$directory" cat
