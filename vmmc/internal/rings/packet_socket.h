// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The packet socket that a ring of an interface begins with. It is made here, not by nicsim, so
// that the right to capture is the program's own, and in its network namespace.
//
// Threads: any.
#pragma once

#include <linux/filter.h>

#include <span>

#include "platform/file_descriptor.h"

namespace vmmc::internal {

// A packet socket bound to `interface` ("": all), which is made promiscuous as long as the socket
// lives. Nothing that the filter refuses has ever been received by it; empty: no filter.
// VMMC_ERR_BAD_FRAME_SOURCE: no such interface. VMMC_ERR_PERMISSION_DENIED: no CAP_NET_RAW.
// VMMC_ERR_INVALID_ARGUMENT: the kernel does not take the filter. VMMC_ERR_SYSTEM.
int open_packet_socket(const char* interface, std::span<const sock_filter> filter,
                       platform::FileDescriptor* socket);

}  // namespace vmmc::internal
