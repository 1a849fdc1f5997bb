// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// In which order packets may leave a node: those of one process to one node as they were begun,
// though automatic updates pass through the outgoing FIFO and deliberate updates through their
// engine.
//
// Everything that leaves has a number, which grows: an operation, or a packet of automatic update
// (which may hold several operations, and gets its number when it is closed). It leaves when all
// with a smaller number of the same process to the same node have left. A packet that combines
// waits only for what was numbered when it was opened: a deliberate update begun meanwhile need not
// wait for it, nor it for that. A fetch or an atomic operation has left when its reply has come: so
// what follows it cannot change what it reads.
//
// No deadlock: an operation waits for nothing that was handed to the interface later.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "nicsim/parts/hardware.h"

namespace vmmc::nicsim::parts {

class DepartureOrder {
 public:
  // Of a process (its table is unique) to a node.
  struct Stream {
    const OutgoingPageTable* process;
    std::uint32_t node;
    bool operator==(const Stream&) const = default;
  };
  // REQUIRES: the operation has been begun.
  static Stream stream_of(const Operation& operation) {
    return {operation.destinations, operation.remote_node};
  }

  // The number that the next one will get.
  std::uint64_t next() const { return next_; }
  std::uint64_t enter(const Stream& stream) {
    waiting_[stream].push_back(next_);
    return next_++;
  }
  // Whether all of the stream with smaller numbers have left.
  bool may_leave(const Stream& stream, std::uint64_t number) const {
    const auto found = waiting_.find(stream);
    return found == waiting_.end() || found->second.front() >= number;
  }
  void left(const Stream& stream, std::uint64_t number) {
    const auto found = waiting_.find(stream);
    std::vector<std::uint64_t>& numbers = found->second;
    numbers.erase(std::ranges::lower_bound(numbers, number));
    if (numbers.empty()) waiting_.erase(found);
  }

 private:
  struct Hash {
    std::size_t operator()(const Stream& stream) const {
      return std::hash<const void*>()(stream.process) * 31 + stream.node;
    }
  };

  // Never iterated over: its order is not the same in every run. The numbers grow.
  std::unordered_map<Stream, std::vector<std::uint64_t>, Hash> waiting_;
  std::uint64_t next_ = 0;
};

}  // namespace vmmc::nicsim::parts
