#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# One of the live tests: NAME_test.py.
set -euo pipefail
cd "$TEST_SRCDIR/$TEST_WORKSPACE"
export PYTHONDONTWRITEBYTECODE=1
exec python3 "lab/server/live/$1_test.py"
