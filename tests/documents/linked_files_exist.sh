#!/bin/sh
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# linked_files_exist.sh DOCUMENT FILE...: each file that DOCUMENT (in docs/) links to is one of FILE...
set -eu
document=$1
shift
links=$(grep -oE '\]\([^)]+\)' "$document" | sed -e 's/^](//' -e 's/)$//' -e 's/#.*//' | sort -u)
[ -n "$links" ] || { echo "no links found in $document" >&2; exit 1; }
status=0
for link in $links; do
  case $link in
    ../*) path=${link#../} ;;
    *) path=docs/$link ;;
  esac
  case " $* " in
    *" $path "*) ;;
    *) echo "$document links to $link, which is not there" >&2; status=1 ;;
  esac
done
exit $status
