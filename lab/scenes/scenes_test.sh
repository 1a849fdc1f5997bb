#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Every scene with real processes: what it expects, and the figures of the key.
set -euo pipefail
cd "$TEST_SRCDIR/$TEST_WORKSPACE"
exec python3 lab/scenes/run_scenes.py --nicsim nicsim/nicsim --actor lab/actor/actor --key docs/lab-key.md lab/scenes/*.json
