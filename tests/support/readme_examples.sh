#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# readme_examples.sh TOOL, for instance tools/vmmcrun: runs every line "    $ COMMAND" of its README.md and compares
# the output (both streams, sorted, since ranks print in any order) with the indented lines below it.
set -u
directory=$PWD/$1
PATH=$directory:$PWD/nicsim:$PATH
expected=$TEST_TMPDIR/expected
actual=$TEST_TMPDIR/actual
commands=0
failures=0

check() {
  [[ -n $command ]] || return
  commands=$((commands + 1))
  timeout 60 bash -c "$command" 2>&1 < /dev/null | sort > "$actual"
  sort "$expected" | diff - "$actual" && return
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
