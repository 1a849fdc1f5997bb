// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: a machine without sockets, and a client that plays its half of a channel in the
// same process.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nicsim/machine.h"

namespace vmmc::nicsim::testing {

// A client: its own mapping of the channel, and one segment.
class FakeClient {
 public:
  FakeClient(Machine& machine, std::uint32_t node, std::uint32_t segment_pages = 16)
      : machine_(machine) {
    std::uint64_t probe = 0x1234;
    wire::AttachRequest request{};
    request.node = node;
    request.process = wire::kAnyProcess;
    request.probe_address = reinterpret_cast<std::uint64_t>(&probe);
    request.probe_value = probe;
    auto attached = std::move(
        std::get<Machine::Attached>(machine.attach({::getpid(), ::getuid(), ::getgid()}, request)));
    process = attached.process;
    channel_mapping_ = std::move(
        platform::SharedMapping::map(attached.channel.get(), wire::kChannelBytes).value());
    const std::size_t bytes = std::size_t{segment_pages} * wire::kPageSize;
    auto file = platform::create_shared_memory("segment", bytes);
    segment_mapping_ = std::move(platform::SharedMapping::map(file.value().get(), bytes).value());
    segment = std::get<std::uint32_t>(register_memory(file.value().get(), bytes));
  }

  // The machine gets a descriptor of its own, as if it had come by a message.
  std::variant<std::uint32_t, wire::Status> register_memory(int memory, std::uint64_t bytes,
                                                            std::uint32_t lendable = 0) {
    wire::RegisterSegmentRequest request{};
    request.bytes = bytes;
    request.lendable = lendable;
    return machine_.register_segment(
        *process, platform::FileDescriptor(::fcntl(memory, F_DUPFD_CLOEXEC, 0)), request);
  }

  wire::Channel& channel() { return *reinterpret_cast<wire::Channel*>(channel_mapping_.data()); }
  std::byte* memory() { return segment_mapping_.data(); }

  // An export of `length` bytes from `offset` of the segment on.
  wire::ExportRequest export_request(std::uint32_t id, std::uint64_t offset,
                                     std::uint64_t length) const {
    wire::ExportRequest request{};
    request.buffer_id = id;
    request.access = wire::kAccessRead | wire::kAccessWrite;
    request.user = wire::kAnyUser;
    request.node = wire::kAnyNode;
    request.process = wire::kAnyProcess;
    request.length = length;
    request.page_offset = static_cast<std::uint32_t>(offset % wire::kPageSize);
    request.extent_count = 1;
    request.extents[0] = {
        segment, static_cast<std::uint32_t>(offset / wire::kPageSize),
        static_cast<std::uint32_t>((request.page_offset + length + wire::kPageSize - 1) /
                                   wire::kPageSize),
        0};
    return request;
  }

  wire::Status export_bytes(std::uint32_t id, std::uint64_t offset, std::uint64_t length) {
    return machine_.export_buffer(*process, export_request(id, offset, length));
  }

  wire::ImportRequest import_request(const FakeClient& exporter, std::uint32_t id,
                                     std::uint32_t access = wire::kAccessWrite) {
    wire::ImportRequest request{};
    request.header.request = ++requests_;
    request.node = exporter.process->node;
    request.process = exporter.process->id;
    request.buffer_id = id;
    request.access = access;
    return request;
  }

  // Publishes a descriptor as the library would; returns its ticket.
  std::uint64_t post(const wire::ImportReply& import, std::uint64_t offset,
                     std::span<const std::byte> data) {
    wire::SendDescriptor& slot = next_slot(import, offset);
    std::memcpy(slot.inline_data, data.data(), data.size());
    return publish(slot, wire::LocalPlace::kInline, static_cast<std::uint8_t>(data.size()));
  }
  std::uint64_t post(const wire::ImportReply& import, std::uint64_t offset, wire::LocalPlace kind,
                     const wire::LocalBytes& source) {
    wire::SendDescriptor& slot = next_slot(import, offset);
    slot.local = source;
    return publish(slot, kind, 0);
  }

  // Local bytes in this client's segment, or (with another place) in its staging area.
  wire::LocalBytes local(std::uint64_t length, std::uint64_t address) const {
    return {length, address, segment, 0, length, 0, 0};
  }
  wire::LocalBytes memory_bytes(void* address, std::uint64_t length) const {
    return local(length, reinterpret_cast<std::uint64_t>(address));
  }
  std::uint64_t post_operation(const wire::ImportReply& import, std::uint64_t offset,
                               wire::Operation operation, wire::LocalPlace place,
                               const wire::LocalBytes& bytes, std::uint8_t flags = 0) {
    wire::SendDescriptor& slot = next_slot(import, offset);
    slot.local = bytes;
    return publish(slot, place, 0, operation, flags);
  }
  std::uint64_t post_atomic(const wire::ImportReply& import, std::uint64_t offset,
                            const wire::AtomicOperands& operands) {
    wire::SendDescriptor& slot = next_slot(import, offset);
    slot.atomic = operands;
    return publish(slot, wire::LocalPlace::kInline, 0, wire::Operation::kAtomic);
  }
  // An update with its bytes inline, and a notification.
  std::uint64_t post_notify(const wire::ImportReply& import, std::uint64_t offset,
                            std::string_view bytes, std::uint32_t immediate) {
    wire::SendDescriptor& slot = next_slot(import, offset);
    std::memcpy(slot.inline_notify.bytes, bytes.data(), bytes.size());
    slot.inline_notify.immediate = immediate;
    return publish(slot, wire::LocalPlace::kInline, static_cast<std::uint8_t>(bytes.size()),
                   wire::Operation::kDeliberateUpdate, wire::kNotify);
  }

  wire::SendDescriptor& next_slot(const wire::ImportReply& import, std::uint64_t offset) {
    wire::SendDescriptor& slot = channel().send_queue[tickets_ % wire::kSendSlots];
    slot.import_slot = import.import_slot;
    slot.import_generation = import.import_generation;
    slot.destination = import.destination + offset;
    return slot;
  }
  std::uint64_t publish(wire::SendDescriptor& slot, wire::LocalPlace kind, std::uint8_t length,
                        wire::Operation operation = wire::Operation::kDeliberateUpdate,
                        std::uint8_t flags = 0) {
    slot.header.store(wire::make_header(tickets_, kind, operation, flags, length),
                      std::memory_order_release);
    return tickets_++;
  }

  bool completed(std::uint64_t ticket) { return channel().send_status.completed.load() > ticket; }
  wire::Status result(std::uint64_t ticket) {
    return static_cast<wire::Status>(channel().results[ticket % wire::kSendSlots].load());
  }

  std::uint64_t previous(std::uint64_t ticket) {
    return channel().previous[ticket % wire::kSendSlots].load();
  }

  // Takes the next notification as the library would; nothing: there is none.
  std::optional<wire::Notification> take_notification() {
    if (channel().notification_status.produced.load() == taken_) return std::nullopt;
    const wire::Notification result = channel().notifications[taken_ % wire::kNotificationSlots];
    channel().notification_demand.consumed.store(++taken_);
    return result;
  }
  // True, once, if nicsim waits for the room that has been made: now the doorbell has to be rung.
  bool must_ring_for_room() { return channel().notification_demand.nic_waits.exchange(0) == 1; }
  std::uint64_t notifications_waiting() {
    return channel().notification_status.produced.load() - taken_;
  }
  std::uint64_t tickets() const { return tickets_; }

  Process* process;
  std::uint32_t segment;

 private:
  Machine& machine_;
  platform::SharedMapping channel_mapping_;
  platform::SharedMapping segment_mapping_;
  std::uint64_t tickets_ = 0;
  std::uint64_t taken_ = 0;
  std::uint32_t requests_ = 0;
};

// A machine that keeps the late replies.
struct MachineFixture {
  std::vector<std::pair<Process*, ImportAnswer>> late_imports;
  std::vector<std::pair<Process*, wire::UnexportReply>> late_unexports;
  Machine machine{4,
                  {.import =
                       [this](Process& process, const ImportAnswer& answer) {
                         late_imports.emplace_back(&process, answer);
                       },
                   .unexport =
                       [this](Process& process, const wire::UnexportReply& reply) {
                         late_unexports.emplace_back(&process, reply);
                       },
                   .attend =
                       [this](Process& process) {
                         if (attend) attend(process);
                       }}};
  std::function<void(Process&)> attend;
};

}  // namespace vmmc::nicsim::testing
