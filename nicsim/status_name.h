// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Statuses for people: the names that programs know them by, and why.
#pragma once

#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

// The name of VMMC_ERR_... without that, for instance "PERMISSION_DENIED"; "OK"; "UNKNOWN" for a number
// that is none.
const char* status_name(wire::Status status);

// Half a sentence that says why: "the rights of the buffer do not admit it".
const char* status_reason(wire::Status status);

}  // namespace vmmc::nicsim
