// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/channel_view.h"

#include <cstring>
#include <new>

#include "platform/futex.h"

namespace vmmc::nicsim {

ChannelView::ChannelView(platform::SharedMapping mapping) : mapping_(std::move(mapping)) {
  auto* channel = new (mapping_.data()) wire::Channel;
  channel->header = wire::ChannelHeader{.magic = wire::kMagic,
                                        .version = wire::kVersion,
                                        .bytes = wire::kChannelBytes,
                                        .send_slots = wire::kSendSlots,
                                        .import_slots = wire::kImportSlots,
                                        .staging_bytes = wire::kStagingBytes,
                                        .notification_slots = wire::kNotificationSlots,
                                        .reserved = {}};
}

bool ChannelView::take(std::uint64_t ticket, DescriptorCopy& copy) const {
  const wire::SendDescriptor& descriptor = slot(ticket);
  copy.header = descriptor.header.load(std::memory_order_acquire);
  if (wire::header_sequence(copy.header) != wire::sequence_of_ticket(ticket)) return false;
  copy.import_slot = descriptor.import_slot;
  copy.import_generation = descriptor.import_generation;
  copy.destination = descriptor.destination;
  std::memcpy(copy.inline_data, descriptor.inline_data, wire::kInlineBytes);
  // The compiler must not read the shared line again in place of the copy, which is checked before
  // it is used.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  asm volatile("" : : "r"(&copy) : "memory");
  return true;
}

std::uint64_t ChannelView::published() const {
  std::uint64_t ticket = head_;
  while (ticket - head_ < wire::kSendSlots &&
         wire::header_sequence(slot(ticket).header.load(std::memory_order_relaxed)) ==
             wire::sequence_of_ticket(ticket)) {
    ++ticket;
  }
  return ticket;
}

bool ChannelView::park() {
  channel().doorbell.nic_sleeps.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!ready()) return true;
  unpark();
  return false;
}

void ChannelView::wake_if_armed(std::uint32_t reasons) {
  std::atomic<std::uint32_t>& armed = channel().wake_request.armed;
  if ((armed.load(std::memory_order_relaxed) & reasons) == 0) return;
  if (armed.exchange(0, std::memory_order_seq_cst) == 0) return;
  count(counters().wakeups);
  wake();
}

void ChannelView::wake() {
  channel().arrivals.count.fetch_add(1, std::memory_order_release);
  platform::futex_wake(channel().arrivals.count);
}

}  // namespace vmmc::nicsim
