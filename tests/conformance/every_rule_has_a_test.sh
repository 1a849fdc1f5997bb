#!/bin/sh
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# every_rule_has_a_test.sh SEMANTICS TEST...: each numbered rule stands in the name of a test case.
set -eu
semantics=$1
shift
rules=$(grep -oE '\*\*S[0-9]+\.[0-9]+\*\*' "$semantics" | tr -d '*')
[ -n "$rules" ] || { echo "no rules found in $semantics" >&2; exit 1; }
status=0
for rule in $rules; do
  grep -qE "TEST_CASE\(.*\b$rule\b" "$@" || { echo "no test case names rule $rule" >&2; status=1; }
done
exit $status
