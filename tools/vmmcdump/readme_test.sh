#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The examples of README.md, with a nicsim and a maker of captures at hand.
export VMMC_NICSIM=$PWD/nicsim/nicsim
VMMC_SOCKET="@vmmc-test-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
export VMMC_SOCKET
PATH=$PWD/examples/intrusiondetector:$PATH
exec tests/support/readme_examples.sh tools/vmmcdump
