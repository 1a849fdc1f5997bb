// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// NOT the public interface: a client that speaks to nicsim by its wire format, as a program would that
// wants to get round the library's checks. The lab's `forge` uses it, to show that nicsim believes nothing.
// No other program should.
//
// Threads: one. In simulated time it takes part as a process of its own: the thread that uses it leaves
// simulated time for as long as it lives.
#pragma once

#include <string>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/control.h"
#include "platform/shared_memory.h"
#include "platform/unix_socket.h"
#include "vmmc/vmmc.h"

namespace vmmc::lab {

class RawConnection {
 public:
  // Attaches at the node. False: it could not; nothing else may be called.
  bool attach(const std::string& socket, std::uint32_t node);

  wire::ImportReply import(vmmc_identity exporter, std::uint32_t buffer);
  void unimport(const wire::ImportReply& import);

  // A word that goes where the descriptor says, whatever that is. What nicsim says to it.
  struct Forged {
    std::uint32_t import_slot;
    std::uint32_t import_generation;
    std::uint64_t destination;
  };
  wire::Status send_word(const Forged& forged, std::uint32_t value);

 private:
  wire::MessageHeader header(wire::MessageType type);
  template <typename Reply, typename Request>
  Reply ask(const Request& request);
  wire::Channel& channel() { return *reinterpret_cast<wire::Channel*>(mapping_.data()); }
  void ring();
  void park();

  platform::FileDescriptor socket_;
  platform::FileDescriptor doorbell_;
  platform::SharedMapping mapping_;
  bool simulated_ = false;
  std::uint32_t requests_ = 0;
  std::uint64_t tickets_ = 0;
};

}  // namespace vmmc::lab
