// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Remote procedure calls above VMMC, as coroutines: one end, client or server. A call and its reply are
// stored by automatic update into the other end's memory: a header of some words, then the call's number,
// which the other end polls.
//
// VRPC is compatible with SunRPC: its header has 10 words in a null call and 6 in the reply (RFC 5531), and
// making it and taking it apart costs time. The fast RPC has no header.
//
// Threads: one (nicsim/sim).
#pragma once

#include <cstdint>

#include "nicsim/sim/process.h"

namespace vmmc::figures {

struct RpcCosts {
  double client_ns;  // of a call
  double server_ns;
  std::uint32_t call_words;
  std::uint32_t reply_words;
};

class RpcEnd {
 public:
  RpcEnd(nicsim::sim::Process& self, RpcCosts costs);

  nicsim::sim::Task<> connect(std::uint32_t peer);
  // A null call, until its reply has been taken apart.
  nicsim::sim::Task<> call();
  nicsim::sim::Task<> serve();

 private:
  nicsim::sim::Task<> put(std::uint32_t header_words);

  nicsim::sim::Process& self_;
  RpcCosts costs_;
  nicsim::sim::Buffer inbox_;
  nicsim::sim::Buffer outgoing_;
  nicsim::sim::Binding remote_;
  std::uint32_t number_ = 0;  // of the call
};

}  // namespace vmmc::figures
