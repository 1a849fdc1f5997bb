// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// User-level DMA, reference by reference: the initiation state machine of each node
// (nicsim/parts/initiation/initiation_state.h) as a scene drives it.
//
// Threads: one.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "nicsim/parts/initiation/initiation_state.h"

namespace vmmc::lab {

class Initiation {
 public:
  // A transfer that a LOAD has started: this actor sends these bytes.
  struct Transfer {
    std::string actor;
    boost::json::object send;  // the command
  };
  struct Result {
    boost::json::object answer;
    std::optional<Transfer> transfer;  // then finished() is to be called when it has been sent
  };

  // `command` is a "reference" that has been checked, of `actor`, which is on `node`.
  Result refer(const std::string& actor, std::uint32_t node, const boost::json::object& command);
  void finished(std::uint32_t node);

  // The kernel changes to another process, on every node. `invalidate`: as SHRIMP's does, it withdraws a
  // STORE that no LOAD has followed.
  void context_switch(bool invalidate);
  void clear() { nodes_.clear(); }

 private:
  struct Node {
    nicsim::parts::InitiationState state;
    std::string storer;  // whose STORE it was that stands there
    std::string proxy;
    std::int64_t offset = 0;
  };

  Result store(Node& node, const std::string& actor, const boost::json::object& command);
  Result load(Node& node, const std::string& actor, const boost::json::object& command);

  std::map<std::uint32_t, Node> nodes_;
};

}  // namespace vmmc::lab
