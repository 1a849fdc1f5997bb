// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Meeting nicsim: find its socket, start one if none runs, make sure who it is, attach.
//
// Threads and processes
//   Any thread, nothing shared. Programs that race to start a nicsim end up with one: each tries
//   again to connect after its attempt to start one, whatever became of that.
//
// What a crash at any instruction leaves behind
//   At most a nicsim without clients, which ends by itself.
#pragma once

#include <cstdint>
#include <string>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/control.h"
#include "platform/file_descriptor.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

struct Meeting {
  std::uint64_t destination_space = 0;  // bytes that the caller has reserved; 0: none yet
  std::string place;                    // name of the socket
  platform::FileDescriptor socket;
  platform::FileDescriptor channel;            // memfd of wire::kChannelBytes
  platform::FileDescriptor doorbell;           // eventfd
  platform::FileDescriptor notification_pipe;  // reading end, non-blocking
  wire::AttachReply reply{};
};

// Fills `meeting`. Environment variables stand in for options that are not given. Errors: those of
// vmmc_init, with a sentence.
int meet_nicsim(const vmmc_init_options& options, Meeting& meeting);

// The number in an environment variable; `otherwise` if it is unset or empty.
// VMMC_ERR_INVALID_ARGUMENT, with a sentence, if it is no number below 2^32 - 1.
int number_from_environment(const char* name, std::uint32_t otherwise, std::uint32_t* number);

}  // namespace vmmc::internal
