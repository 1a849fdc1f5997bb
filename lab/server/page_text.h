// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The lab's page (//lab/page), built in: one HTML document that needs nothing else.
//
// Threads: any.
#pragma once

#include <string_view>

namespace vmmc::lab {

std::string_view page_text();

}  // namespace vmmc::lab
