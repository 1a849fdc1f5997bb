// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/channel.h"

#include <utility>

namespace vmmc::nicsim::real_time {

ChannelTerms ChannelTerms::of(const wire::OpenChannelRequest& request) {
  return {.id = request.channel,
          .budget = {.messages = request.messages,
                     .period = request.period,
                     .deadline = request.deadline,
                     .longest = request.longest},
          .depth = request.depth,
          .executor = request.executor,
          .user = request.user,
          .from_node = request.from_node,
          .from_process = request.from_process};
}

bool ChannelDescriptors::add(platform::FileDescriptor descriptor) {
  if (!descriptor.valid()) return false;
  add(descriptor.get());
  opened.push_back(std::move(descriptor));
  return true;
}

RealTimeChannel::RealTimeChannel(Process& receiver, std::uint32_t handle, const ChannelTerms& terms,
                                 ChannelMemory memory)
    : terms_(terms),
      memory_(std::move(memory)),
      carrier_(memory_, terms.budget),
      receiver_{&receiver, handle} {
  wire::ChannelVerdict& verdict = memory_.verdict();
  verdict.magic = wire::kMagic;
  verdict.version = wire::kVersion;
  verdict.depth = terms.depth;
  verdict.longest = terms.budget.longest;
  verdict.buffer_bytes = memory_.shape.buffer_bytes;
  verdict.messages = terms.budget.messages;
  verdict.period = terms.budget.period;
  verdict.deadline = terms.budget.deadline;
}

bool RealTimeChannel::admits(const Process& sender) const {
  return (terms_.user == wire::kAnyUser || terms_.user == sender.uid) &&
         (terms_.from_node == wire::kAnyNode || terms_.from_node == sender.node) &&
         (terms_.from_process == wire::kAnyProcess || terms_.from_process == sender.id);
}

bool RealTimeChannel::is_on_nic() const {
  return memory_.verdict().executor.load(std::memory_order_relaxed) ==
         static_cast<std::uint32_t>(wire::ExecutorDemand::kNic);
}

std::optional<ChannelDescriptors> RealTimeChannel::for_receiver() const {
  ChannelDescriptors result;
  if (!result.add(memory_.source_part.read_only())) return std::nullopt;
  result.add(memory_.arrival_part.file.get());
  result.add(memory_.demand_part.file.get());
  if (!result.add(memory_.verdict_part.read_only())) return std::nullopt;
  if (!result.add(memory_.bell_for_client())) return std::nullopt;
  return result;
}

// From now on nobody else gets any of it, so the descriptors go.
std::optional<ChannelDescriptors> RealTimeChannel::connect(Process& sender, std::uint32_t handle,
                                                           Instruments& instruments) {
  ChannelDescriptors result;
  result.opened.reserve(result.numbers.size());
  result.add(memory_.source_part.file.get());
  if (!result.add(memory_.demand_part.read_only()) ||
      !result.add(memory_.verdict_part.read_only()) || !result.add(memory_.bell_for_client())) {
    return std::nullopt;
  }
  if (terms_.executor != wire::ExecutorDemand::kNic) result.add(memory_.arrival_part.file.get());
  result.opened.push_back(std::move(memory_.source_part.file));
  result.opened.push_back(std::move(memory_.arrival_part.file));
  memory_.demand_part.file.reset();
  memory_.verdict_part.file.reset();
  sender_ = {&sender, handle};
  taken_ = true;
  carrier_.connect({.ends = {.from_node = sender.node,
                             .from_process = sender.id,
                             .to_node = receiver_.process->node,
                             .to_process = receiver_.process->id,
                             .channel = terms_.id},
                    .faults = &instruments.faults,
                    .instruments = &instruments});
  set_state(wire::ChannelState::kConnected, wire::Status::kOk);
  return result;
}

void RealTimeChannel::choose_executor(bool watched) {
  const bool host = terms_.executor != wire::ExecutorDemand::kNic && !watched;
  memory_.verdict().executor.store(
      static_cast<std::uint32_t>(host ? wire::ExecutorDemand::kHost : wire::ExecutorDemand::kNic),
      std::memory_order_release);
}

void RealTimeChannel::begin_sender_end(wire::Status status) {
  sender_ = {};
  ending_ = true;
  sender_status_ = status;
  carrier_.end();
}

void RealTimeChannel::finish_sender_end() {
  ending_ = false;
  in_use_ = false;
  set_state(wire::ChannelState::kSenderEnded, sender_status_);
}

void RealTimeChannel::end_receiver(wire::Status status) {
  receiver_ = {};
  ending_ = false;
  in_use_ = false;
  carrier_.drop();
  set_state(wire::ChannelState::kReceiverEnded, status);
}

// Whoever waits hears of it, whether he has said so or not: this happens once.
void RealTimeChannel::set_state(wire::ChannelState state, wire::Status status) {
  wire::ChannelVerdict& verdict = memory_.verdict();
  verdict.status.store(static_cast<std::int32_t>(status), std::memory_order_relaxed);
  verdict.state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
  memory_.ring();
}

}  // namespace vmmc::nicsim::real_time
