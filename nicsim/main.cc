// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/run_nicsim.h"

int main(int argc, char** argv) { return vmmc::nicsim::run_nicsim(argc, argv, nullptr); }
