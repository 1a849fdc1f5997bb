// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A text to a descriptor that waits, whole: in as many writes as it takes.
#pragma once

#include <string_view>

namespace vmmc::platform {

// 0, or errno of the write that failed; what was written before it stays.
int write_all(int descriptor, std::string_view text);

}  // namespace vmmc::platform
