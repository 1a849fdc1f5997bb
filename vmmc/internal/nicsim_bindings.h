// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Declares bindings to nicsim, for who looks at the machine: when bind or unbind returns nicsim knows. What
// nicsim does not keep, or a nicsim that has gone, changes nothing.
//
// Threads: any.
#pragma once

#include <atomic>

#include "vmmc/internal/automatic/binding_declarer.h"
#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/memory/shared_segments.h"

namespace vmmc::internal {

class NicsimBindings final : public BindingDeclarer {
 public:
  NicsimBindings(ControlConnection& connection, const SharedSegments& segments)
      : connection_(connection), segments_(segments) {}

  std::uint32_t declare(const BindingDeclaration& binding) override {
    wire::DeclareBindingRequest request{};
    request.binding = next_.fetch_add(1, std::memory_order_relaxed);
    request.import_slot = binding.import_slot;
    request.import_generation = binding.import_generation;
    request.capture = static_cast<std::uint8_t>(binding.options.capture);
    request.combining = static_cast<std::uint8_t>(binding.options.combining);
    request.notifies = binding.options.notify != 0 ? 1 : 0;
    request.offset = binding.offset;
    request.length = binding.length;
    request.timer = binding.options.timer;
    request.address = binding.address;
    name_pages(binding, request);
    ControlConnection::Reply reply;
    (void)connection_.call(wire::MessageType::kDeclareBinding, request, &reply);
    return request.binding;
  }

  void end(std::uint32_t number) override {
    wire::EndBindingRequest request{};
    request.binding = number;
    ControlConnection::Reply reply;
    (void)connection_.call(wire::MessageType::kEndBinding, request, &reply);
  }

 private:
  // With shared capture the local bytes are the remote ones.
  void name_pages(const BindingDeclaration& binding, wire::DeclareBindingRequest& request) const {
    if (binding.options.capture == VMMC_CAPTURE_SHARED) return;
    const auto place =
        segments_.find(reinterpret_cast<const void*>(binding.address), binding.length);
    if (!place) return;
    request.segment = place->segment;
    request.first_page = static_cast<std::uint32_t>(place->offset / wire::kPageSize);
  }

  ControlConnection& connection_;
  const SharedSegments& segments_;
  std::atomic<std::uint32_t> next_{1};
};

}  // namespace vmmc::internal
