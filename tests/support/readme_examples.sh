#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# readme_examples.sh TOOL [ORDER]: TOOL, for instance tools/vmmcrun: runs every line "    $ COMMAND" of its README.md
# and compares the output (both streams) with the indented lines below it. ORDER: what both are passed through; sort,
# if it is not given, since ranks print in any order; cat: in their order.
set -u
[[ $1 == /* ]] && directory=$1 || directory=$PWD/$1
order=${2:-sort}
PATH=$directory:$PWD/nicsim:$PATH
expected=$TEST_TMPDIR/expected
actual=$TEST_TMPDIR/actual
commands=0
failures=0

check() {
  [[ -n $command ]] || return
  commands=$((commands + 1))
  # Of programs that do not like to be run by root.
  timeout 60 bash -c "$command" 2>&1 < /dev/null | grep -v 'Running as user' | $order > "$actual"
  $order "$expected" | diff - "$actual" && return
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
