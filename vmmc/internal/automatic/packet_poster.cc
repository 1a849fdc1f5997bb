// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/packet_poster.h"

#include <cstring>

namespace vmmc::internal {
namespace {

bool same_import(const Binding& a, const Binding& b) {
  return a.import_slot == b.import_slot && a.import_generation == b.import_generation;
}

std::uint8_t flags_of(const Binding& binding) {
  return binding.notify ? wire::kNotify : binding.combining;
}

void address(wire::SendDescriptor& descriptor, const Binding& binding,
             const CombiningBuffer::Packet& packet) {
  descriptor.import_slot = binding.import_slot;
  descriptor.import_generation = binding.import_generation;
  descriptor.destination = binding.destination + (packet.address - binding.pages.begin);
}

}  // namespace

int PacketPoster::post(Binding& binding, const CombiningBuffer::Packet& packet,
                       BufferOrder& buffer) {
  const Fate fate = fate_of(binding, buffer.bindings);
  if (fate == Fate::kPost && try_host(binding, packet, buffer)) return VMMC_OK;
  if (fate != Fate::kDrop) {
    const int status = post_bytes(binding, packet, binding.last_ticket);
    if (status != VMMC_OK) return status;
    binding.posted = true;
    buffer.posted = binding.last_ticket + 1;
    if (fate == Fate::kPost) return VMMC_OK;
  }
  for (Binding* other = buffer.bindings; other != nullptr; other = other->next) {
    if (same_import(*other, binding)) other->silent = true;
  }
  return VMMC_OK;
}

// The byte is one that nicsim refuses: what has ended stays so.
int PacketPoster::post_end(Binding& binding, BufferOrder& buffer) {
  static constexpr std::byte kAny{};
  if (binding.silent || fate_of(binding, buffer.bindings) == Fate::kPost) return VMMC_OK;
  return post(binding, {binding.pages.begin, &kAny, sizeof kAny}, buffer);
}

int PacketPoster::post_flush() {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  slot.descriptor->import_slot = 0;  // there is none
  queue_.publish(slot, {.place = wire::LocalPlace::kInline, .operation = wire::Operation::kFlush});
  return VMMC_OK;
}

bool PacketPoster::try_host(const Binding& binding, const CombiningBuffer::Packet& packet,
                            const BufferOrder& buffer) {
  if (binding.notify || !HostExecutor::may_serve(binding.import_slot)) return false;
  if (!queue_.has_completed(buffer.posted)) return false;
  const std::uint64_t offset = packet.address - binding.pages.begin;
  return host_.try_update(
      {binding.import_slot, binding.import_generation, binding.destination + offset},
      binding.buffer_offset + offset, packet.bytes, packet.length);
}

// nicsim refuses everything that it comes to after it has said that the import has ended. So if it
// has refused the last packet, or has not come to it yet, the failure is known without another.
PacketPoster::Fate PacketPoster::fate_of(const Binding& binding, const Binding* bindings) const {
  const auto granted = [&](wire::ImportPhase phase, std::uint32_t state) {
    return state == wire::make_import_state(binding.import_generation, phase);
  };
  const std::uint32_t state =
      channel_.import_states[binding.import_slot].load(std::memory_order_acquire);
  if (binding.silent || waiter_.nicsim_gone()) return Fate::kDrop;
  if (granted(wire::ImportPhase::kGranted, state) ||
      granted(wire::ImportPhase::kGrantedToHost, state)) [[likely]] {
    return Fate::kPost;
  }
  for (const Binding* other = bindings; other != nullptr; other = other->next) {
    if (!same_import(*other, binding) || !other->posted) continue;
    if (queue_.test(other->last_ticket) != VMMC_OK) return Fate::kDrop;
  }
  return Fate::kPostAsLast;
}

int PacketPoster::post_bytes(const Binding& binding, const CombiningBuffer::Packet& packet,
                             std::uint64_t& ticket) {
  // A packet with notification is a word: always inline.
  return packet.length <= wire::kInlineBytes ? post_inline(binding, packet, ticket)
                                             : post_staged(binding, packet, ticket);
}

int PacketPoster::post_inline(const Binding& binding, const CombiningBuffer::Packet& packet,
                              std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.try_begin(slot); status != VMMC_OK) return status;
  address(*slot.descriptor, binding, packet);
  std::memcpy(slot.descriptor->inline_data, packet.bytes, packet.length);
  if (binding.notify) slot.descriptor->inline_notify.immediate = 0;
  ticket = queue_.publish(slot, {.place = wire::LocalPlace::kInline,
                                 .operation = wire::Operation::kAutomaticUpdate,
                                 .flags = flags_of(binding),
                                 .inline_length = static_cast<std::uint8_t>(packet.length)});
  return VMMC_OK;
}

int PacketPoster::post_staged(const Binding& binding, const CombiningBuffer::Packet& packet,
                              std::uint64_t& ticket) {
  StagingArea::Claim claim;
  const auto bytes = static_cast<std::uint32_t>(packet.length);
  if (const int status = queue_.try_claim_staging(bytes, claim); status != VMMC_OK) return status;
  SendQueue::Slot slot;
  if (const int status = queue_.try_begin(slot); status != VMMC_OK) {
    queue_.give_back_staging(claim);
    return status;
  }
  std::memcpy(channel_.staging + claim.offset, packet.bytes, packet.length);
  address(*slot.descriptor, binding, packet);
  slot.descriptor->local = {};
  slot.descriptor->local.length = packet.length;
  slot.descriptor->local.address = claim.offset;
  ticket = queue_.publish(slot, {.place = wire::LocalPlace::kStaged,
                                 .operation = wire::Operation::kAutomaticUpdate,
                                 .flags = binding.combining,
                                 .blocks = claim.blocks});
  return VMMC_OK;
}

}  // namespace vmmc::internal
