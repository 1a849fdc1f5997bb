// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What observers may ask for, and its answers. An observer is a connection that never attaches: it reads
// what there is to see, and starts and stops the trace.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <variant>

#include "nicsim/wire/control.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

// A reply, and the descriptor that goes with it, if any.
struct ObserverAnswer {
  std::array<std::byte, 24> bytes{};  // the longest
  std::size_t length = 0;
  platform::FileDescriptor descriptor;
};

class Observers {
 public:
  // Who does what is asked for.
  struct Services {
    std::function<boost::json::object()> snapshot;
    std::function<wire::Status(std::uint64_t records)> start_trace;  // 0: the default number
    std::function<wire::Status()> stop_trace;
    std::function<std::variant<platform::FileDescriptor, wire::Status>()> read_trace;
  };
  explicit Observers(Services services) : services_(std::move(services)) {}

  // Whether this type of request is for observers, and for nobody else.
  static bool concerns(wire::MessageType type) {
    return type >= wire::MessageType::kSnapshot && type <= wire::MessageType::kReadTrace;
  }

  // The answer to a request; kMalformed if it makes no sense.
  ObserverAnswer answer(const wire::MessageHeader& header, std::span<const std::byte> message);

 private:
  ObserverAnswer snapshot(const wire::MessageHeader& header);
  ObserverAnswer start_trace(std::span<const std::byte> message);
  ObserverAnswer read_trace(const wire::MessageHeader& header);

  Services services_;
};

}  // namespace vmmc::nicsim
