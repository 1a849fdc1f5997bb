// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The file that nicsim writes its trace to.
#pragma once

#include <string>
#include <variant>

#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

// Open for writing: new, or empty, or, if it may be replaced, with whatever it holds (Trace::start()
// empties it). A sentence if that cannot be.
std::variant<platform::FileDescriptor, std::string> open_trace_file(const std::string& path,
                                                                    bool overwrite);

}  // namespace vmmc::nicsim
