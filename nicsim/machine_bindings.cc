// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The bindings that processes have declared: for who looks at the machine, and for nothing else.

#include "nicsim/machine.h"

namespace vmmc::nicsim {
namespace {

// The highest values of enum vmmc_capture (0 stands for another one) and enum vmmc_combining.
constexpr std::uint8_t kLastCapture = 3;
constexpr std::uint8_t kLastCombining = 3;

}  // namespace

wire::Status Machine::declare_binding(Process& process,
                                      const wire::DeclareBindingRequest& request) {
  return noted(process, wire::MessageType::kDeclareBinding, keep_binding(process, request));
}

wire::Status Machine::keep_binding(Process& process, const wire::DeclareBindingRequest& request) {
  if (request.capture == 0 || request.capture > kLastCapture ||
      request.combining > kLastCombining || request.notifies > 1) {
    return wire::Status::kMalformed;
  }
  const bool known = request.import_slot < process.imports.size() &&
                     process.imports[request.import_slot].phase != wire::ImportPhase::kFree &&
                     process.imports[request.import_slot].generation == request.import_generation;
  if (!known) return wire::Status::kUnknownImport;
  if (process.bindings.contains(request.binding)) return wire::Status::kDuplicateId;
  if (process.bindings.size() >= wire::kMaxDeclaredBindings) return wire::Status::kOutOfMemory;
  process.bindings[request.binding] = {.import_slot = request.import_slot,
                                       .capture = request.capture,
                                       .combining = request.combining,
                                       .notifies = request.notifies != 0,
                                       .offset = request.offset,
                                       .length = request.length,
                                       .timer = request.timer,
                                       .address = request.address,
                                       .segment = request.segment,
                                       .first_page = request.first_page};
  trace_binding(wire::TraceEvent::kBound, process, process.bindings[request.binding]);
  return wire::Status::kOk;
}

wire::Status Machine::end_binding(Process& process, const wire::EndBindingRequest& request) {
  const auto found = process.bindings.find(request.binding);
  if (found == process.bindings.end()) return wire::Status::kMalformed;
  trace_binding(wire::TraceEvent::kUnbound, process, found->second);
  process.bindings.erase(found);
  return wire::Status::kOk;
}

void Machine::end_bindings_of(Process& process, std::uint32_t slot) {
  std::erase_if(process.bindings, [&](const auto& each) {
    if (each.second.import_slot != slot) return false;
    trace_binding(wire::TraceEvent::kUnbound, process, each.second);
    return true;
  });
}

}  // namespace vmmc::nicsim
