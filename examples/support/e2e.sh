# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Sourced by the examples' end-to-end tests, with the arguments NICSIM VMMCRUN FILE... Sets VMMC_NICSIM and VMMCRUN,
# and offers `expect`.
set -eu
export VMMC_NICSIM="$PWD/$1"
VMMCRUN="$PWD/$2"

# expect TEXT OUTPUT: fails, and shows the output, unless it contains the text.
expect() {
  case "$2" in
    *"$1"*) ;;
    *) printf 'expected: %s\ngot:\n%s\n' "$1" "$2" >&2; exit 1 ;;
  esac
}
