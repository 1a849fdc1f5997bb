// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The TCP socket at which the HTTP server listens: opened before nicsim goes to the background, so that a
// port that is taken is told to whoever has started it, and handed on over exec.
//
// Threads: any. What a crash leaves behind: nothing.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "platform/file_descriptor.h"

namespace vmmc::nicsim::web {

struct Listener {
  platform::FileDescriptor socket;
  std::string address;  // as a number: "127.0.0.1", "::1"
  std::uint16_t port = 0;
};

// Listens there; port 0: any that is free. Or a sentence that says why not.
std::variant<Listener, std::string> open_listener(const std::string& address, std::uint16_t port);

// The listening TCP socket that this process has got as descriptor `fd`, which will not be handed on
// unasked. Or a sentence.
std::variant<Listener, std::string> adopt_listener(int fd);

// Whether only this host reaches the address.
bool is_loopback(const std::string& address);

}  // namespace vmmc::nicsim::web
