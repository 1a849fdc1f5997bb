// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cstring>
#include <vector>

#include "bench/pingpong/tasks.h"
#include "bench/support/machine.h"

namespace vmmc::bench {
namespace {

MessageNumber message(std::uint32_t stream, std::uint64_t burst, std::uint64_t slots,
                      std::uint64_t slot) {
  return {stream, burst * slots + slot + 1};
}

void send_all(Link& link, const SlotLayout& layout, const BurstPlan& plan) {
  if (plan.window == 0) {
    for (std::uint64_t slot = 0; slot < plan.slots; ++slot) link.send_payload(layout, slot);
    return;
  }
  std::vector<vmmc_send_handle> pending(plan.window);
  const std::uint64_t messages = plan.passes * plan.slots;
  for (std::uint64_t i = 0; i < messages; ++i) {
    vmmc_send_handle& oldest = pending[i % plan.window];
    if (i >= plan.window) Link::finish(oldest);
    oldest = link.start_payload(layout, i % plan.slots);
  }
  for (std::uint64_t i = 0; i < std::min(plan.window, messages); ++i) Link::finish(pending[i]);
}

void fill_all(Link& link, const SlotLayout& layout, std::uint64_t slots, std::uint32_t stream,
              std::uint64_t burst) {
  for (std::uint64_t slot = 0; slot < slots; ++slot) {
    link.fill(layout, slot, message(stream, burst, slots, slot));
  }
}

std::uint64_t time_burst(Link& link, const SlotLayout& layout, const BurstPlan& plan,
                         std::uint32_t stream, std::uint32_t burst) {
  fill_all(link, layout, plan.slots, stream, burst);
  link.await_ready();
  const std::uint64_t start = now();
  send_all(link, layout, plan);
  link.send_flag(layout, 0, burst);
  link.await_confirmation();
  return now() - start;
}

// The same work for memcpy: the source has just been written, the destination has just been read.
std::uint64_t time_copies(Link& link, const SlotLayout& layout, const BurstPlan& plan,
                          std::byte* copies, MessageNumber base) {
  fill_all(link, layout, plan.slots, base.stream, base.sequence);
  const std::uint64_t start = now();
  for (std::uint64_t i = 0; i < plan.passes * plan.slots; ++i) {
    const std::uint64_t slot = i % plan.slots;
    std::memcpy(copies + layout.payload_offset(slot), link.source(layout, slot).data(),
                layout.bytes);
  }
  const std::uint64_t duration = now() - start;
  for (std::uint64_t slot = 0; slot < plan.slots; ++slot) {
    Link::check({copies + layout.payload_offset(slot), layout.bytes},
                message(base.stream, base.sequence, plan.slots, slot));
  }
  return duration;
}

}  // namespace

std::uint64_t slots_of_burst(const Link& link, std::uint64_t bytes) {
  const std::uint64_t room = std::min<std::uint64_t>(kBurstBytes, link.payload_capacity());
  return std::clamp<std::uint64_t>(room / SlotLayout{bytes}.stride(), 1, kBurstSlots);
}

BurstResult measure_bursts(Link& link, const BurstPlan& plan, std::byte* copies,
                           std::uint64_t count) {
  const SlotLayout layout{plan.bytes};
  const std::uint32_t stream = link.give({.task = Task::kBurst,
                                          .stream = 0,
                                          .bytes = plan.bytes,
                                          .slots = plan.slots,
                                          .count = count,
                                          .start = 0,
                                          .period = 0});
  BurstResult result;
  for (std::uint32_t burst = 1; burst <= count; ++burst) {
    result.bursts.record(time_burst(link, layout, plan, 2 * stream, burst));
    if (plan.with_memcpy) {
      result.copies.record(time_copies(link, layout, plan, copies, {2 * stream + 1, burst}));
    }
  }
  return result;
}

void answer_bursts(Link& link, const Command& command) {
  const SlotLayout layout{command.bytes};
  link.clear_flag(layout, 0);
  for (std::uint32_t burst = 1; burst <= command.count; ++burst) {
    link.say_ready();
    link.await_flag(layout, 0, burst);
    link.confirm_burst();
    for (std::uint64_t slot = 0; slot < command.slots; ++slot) {
      link.check(layout, slot, message(2 * command.stream, burst, command.slots, slot));
    }
  }
}

}  // namespace vmmc::bench
