// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A child process with pipes to its standard input and output, which dies with this one.
//
// Threads: the caller has no other thread, or none that holds a lock that a memory allocation needs.
#pragma once

#include <sys/types.h>

#include <string>
#include <variant>
#include <vector>

#include "platform/file_descriptor.h"

namespace vmmc::lab {

struct Child {
  pid_t pid = -1;
  platform::FileDescriptor input;   // its standard input is the other end
  platform::FileDescriptor output;  // its standard output
  platform::FileDescriptor pidfd;   // readable when it has ended
};

// Runs `program` without arguments, in a process group of its own, with this process's environment
// changed as `environment` says (NAME=VALUE). Or a sentence that says why there is none.
std::variant<Child, std::string> spawn(const std::string& program,
                                       const std::vector<std::string>& environment);

}  // namespace vmmc::lab
