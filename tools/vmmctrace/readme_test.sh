#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs every line "    $ COMMAND" of README.md, in its order, and compares its output (both streams) with the
# indented lines below it.
set -u
directory=$PWD/tools/vmmctrace
PATH=$directory:$PATH
export HOME=$TEST_TMPDIR
"$directory/make_trace" "$TEST_TMPDIR" && cd "$TEST_TMPDIR" || exit 1
mkdir work && cp wrapped.vmmctrace work/run.vmmctrace && cp "$directory/vmmc.lua" work && cd work || exit 1
expected=$TEST_TMPDIR/expected
actual=$TEST_TMPDIR/actual
commands=0
failures=0

check() {
  [[ -n $command ]] || return
  commands=$((commands + 1))
  timeout 60 bash -c "$command" < /dev/null 2>&1 | grep -v 'Running as user' > "$actual"
  diff "$expected" "$actual" && return
  echo "differs: $command"
  failures=$((failures + 1))
}

command=
while IFS= read -r line; do
  case $line in
    '    $ '*) check; command=${line#'    $ '}; : > "$expected" ;;
    '    '*) echo "${line#    }" >> "$expected" ;;
    *) check; command= ;;
  esac
done < "$directory/README.md"
check
echo "$commands commands, $failures failures"
[[ $commands -gt 0 && $failures -eq 0 ]]
