// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/actor/raw_connection.h"

#include <sched.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <span>

namespace vmmc::lab {

using wire::MessageType;

wire::MessageHeader RawConnection::header(MessageType type) {
  return {wire::kMagic, wire::kVersion, type, ++requests_, wire::Status::kOk};
}

// A reply of another size, or none, reads as kMalformed.
template <typename Reply, typename Request>
Reply RawConnection::ask(const Request& request) {
  Reply reply{};
  reply.header.status = wire::Status::kMalformed;
  if (!platform::send_message(socket_.get(), std::as_bytes(std::span(&request, 1))).ok()) {
    return reply;
  }
  std::array<std::byte, wire::kMaxMessageBytes> buffer;
  auto received = platform::receive_message(socket_.get(), buffer);
  if (received.ok() && received.value().bytes == sizeof reply) {
    std::memcpy(&reply, buffer.data(), sizeof reply);
  }
  return reply;
}

bool RawConnection::attach(const std::string& socket, std::uint32_t node) {
  auto connected = platform::connect_unix_socket(socket);
  if (!connected.ok()) return false;
  socket_ = std::move(connected.value());
  const wire::AttachRequest request{header(MessageType::kAttach), node, wire::kAnyProcess, 0, 0, 0};
  if (!platform::send_message(socket_.get(), std::as_bytes(std::span(&request, 1))).ok()) {
    return false;
  }
  std::array<std::byte, wire::kMaxMessageBytes> buffer;
  auto received = platform::receive_message(socket_.get(), buffer);
  wire::AttachReply reply{};
  if (!received.ok() || received.value().bytes != sizeof reply) return false;
  std::memcpy(&reply, buffer.data(), sizeof reply);
  if (reply.header.status != wire::Status::kOk) return false;
  auto mapped =
      platform::SharedMapping::map(received.value().descriptors[0].get(), wire::kChannelBytes);
  if (!mapped.ok()) return false;
  mapping_ = std::move(mapped.value());
  doorbell_ = std::move(received.value().descriptors[1]);
  simulated_ = reply.clock == wire::kSimulatedTime;
  return true;
}

wire::ImportReply RawConnection::import(vmmc_identity exporter, std::uint32_t buffer) {
  return ask<wire::ImportReply>(wire::ImportRequest{header(MessageType::kImport), exporter.node,
                                                    exporter.process, buffer, wire::kAccessWrite,
                                                    wire::ExecutorDemand::kNic, 0, 0});
}

void RawConnection::unimport(const wire::ImportReply& import) {
  (void)ask<wire::PlainReply>(wire::UnimportRequest{header(MessageType::kUnimport),
                                                    import.import_slot, import.import_generation});
}

void RawConnection::ring() {
  const std::uint64_t one = 1;
  (void)!::write(doorbell_.get(), &one, sizeof one);
}

// In simulated time nothing happens while a thread runs: it waits for the completion.
void RawConnection::park() {
  wire::TimeContext& context = channel().time_contexts[0];
  context.reasons = wire::kWakeOnCompletion;
  context.wait = wire::kNoEnd;
  ++context.parks;
  context.state.store(static_cast<std::uint32_t>(wire::ContextState::kParked));
}

wire::Status RawConnection::send_word(const Forged& forged, std::uint32_t value) {
  wire::SendDescriptor& slot = channel().send_queue[tickets_ % wire::kSendSlots];
  slot.import_slot = forged.import_slot;
  slot.import_generation = forged.import_generation;
  slot.destination = forged.destination;
  std::memcpy(slot.inline_data, &value, sizeof value);
  slot.header.store(wire::make_header(tickets_, wire::LocalPlace::kInline,
                                      wire::Operation::kDeliberateUpdate, 0, sizeof value),
                    std::memory_order_release);
  if (simulated_) park();
  ring();
  const std::uint64_t ticket = tickets_++;
  while (channel().send_status.completed.load() <= ticket) ::sched_yield();
  return static_cast<wire::Status>(channel().results[ticket % wire::kSendSlots].load());
}

}  // namespace vmmc::lab
