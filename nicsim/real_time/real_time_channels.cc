// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/real_time_channels.h"

#include <algorithm>
#include <utility>

namespace vmmc::nicsim::real_time {
namespace {

ChannelAnswer refusal(const wire::MessageHeader& request, const Refusal& why) {
  ChannelAnswer answer;
  answer.reply.header = request;
  answer.reply.header.status = why.status;
  answer.reply.needed = why.needed;
  answer.reply.available = why.available;
  return answer;
}

ChannelAnswer grant(const wire::MessageHeader& request, std::uint32_t handle,
                    ChannelDescriptors descriptors) {
  ChannelAnswer answer;
  answer.reply.header = request;
  answer.reply.handle = handle;
  answer.descriptors = std::move(descriptors);
  return answer;
}

}  // namespace

// ------------------------------------------------------------------------------- opening, connecting

wire::Status RealTimeChannels::check(const Process& receiver,
                                     const wire::OpenChannelRequest& request) const {
  if (request.executor > wire::ExecutorDemand::kHost) return wire::Status::kInvalidRights;
  if (request.depth < 1 || request.depth > wire::kMaxChannelDepth) return wire::Status::kBadBudget;
  const bool known = std::any_of(channels_.begin(), channels_.end(), [&](const auto& channel) {
    return channel->receiver().process == &receiver && channel->terms().id == request.channel;
  });
  return known ? wire::Status::kDuplicateId : wire::Status::kOk;
}

std::optional<Refusal> RealTimeChannels::admit(const Process& receiver,
                                               const ChannelTerms& terms) const {
  std::vector<Budget> budgets;
  std::size_t of_process = 0;
  for (const auto& channel : channels_) {
    if (channel->is_in_use()) budgets.push_back(channel->terms().budget);
    // One that its receiver has closed is whose sender keeps it.
    const Process* const opener = channel->receiver().process;
    if ((opener != nullptr ? opener : channel->sender().process) == &receiver) ++of_process;
  }
  const Promised promised{.budgets = budgets,
                          .channels = channels_.size(),
                          .of_process = of_process,
                          .memory = memory_};
  return refuse(limits_, promised, terms.budget, terms.memory());
}

ChannelAnswer RealTimeChannels::open(Process& receiver, const wire::OpenChannelRequest& request) {
  if (const wire::Status status = check(receiver, request); status != wire::Status::kOk) {
    return refusal(request.header, {status});
  }
  const ChannelTerms terms = ChannelTerms::of(request);
  if (const auto why = admit(receiver, terms)) return refusal(request.header, *why);
  auto memory = ChannelMemory::make(terms.shape());
  if (!memory.ok() || memory.value().bell_heard.get() >= kept_descriptors_) {
    return refusal(request.header, {wire::Status::kOutOfMemory});
  }
  auto channel =
      std::make_unique<RealTimeChannel>(receiver, ++last_handle_, terms, std::move(memory.value()));
  channel->choose_executor(watched_);
  auto descriptors = channel->for_receiver();
  if (!descriptors) return refusal(request.header, {wire::Status::kOutOfMemory});
  channels_.push_back(std::move(channel));
  memory_ += terms.memory();
  return grant(request.header, last_handle_, std::move(*descriptors));
}

RealTimeChannel* RealTimeChannels::find(const wire::ConnectChannelRequest& request) const {
  for (const auto& channel : channels_) {
    const Process* const receiver = channel->receiver().process;
    if (receiver != nullptr && receiver->node == request.node && receiver->id == request.process &&
        channel->terms().id == request.channel) {
      return channel.get();
    }
  }
  return nullptr;
}

ChannelAnswer RealTimeChannels::connect(Process& sender,
                                        const wire::ConnectChannelRequest& request) {
  RealTimeChannel* const channel = find(request);
  if (channel == nullptr) return refusal(request.header, {wire::Status::kUnknownChannel});
  if (!channel->admits(sender)) return refusal(request.header, {wire::Status::kPermissionDenied});
  if (channel->is_taken()) return refusal(request.header, {wire::Status::kChannelTaken});
  auto descriptors = channel->connect(sender, ++last_handle_, *instruments_);
  if (!descriptors) return refusal(request.header, {wire::Status::kOutOfMemory});
  if (channel->is_on_nic()) poll(*channel);
  refresh();
  return grant(request.header, last_handle_, std::move(*descriptors));
}

// ------------------------------------------------------------------------------------ who is executor

void RealTimeChannels::poll(RealTimeChannel& channel) {
  // One whose sender has not gone to host meanwhile goes on as before.
  if (channel.carrier().is_idle()) channel.carrier().resume();
  if (channel.is_polled()) return;
  engine_.add(channel.carrier());
  channel.set_polled(true);
  ++channel.sender().process->real_time_channels;
}

void RealTimeChannels::end_poll(RealTimeChannel& channel) {
  if (!channel.is_polled()) return;
  engine_.remove(channel.carrier());
  channel.set_polled(false);
  if (channel.is_connected()) --channel.sender().process->real_time_channels;
}

void RealTimeChannels::watch(bool watched) {
  watched_ = watched;
  for (const auto& channel : channels_) {
    // Before the sender can see it, as it obeys at once.
    const bool was_on_host = !channel->is_on_nic();
    if (watched && was_on_host && channel->is_connected()) poll(*channel);
    channel->choose_executor(watched);
  }
  refresh();
}

// What its sender has put into the queue before it heard that host is executor, or before it ended.
bool RealTimeChannels::is_draining(RealTimeChannel& channel) {
  return channel.is_polled() && !channel.carrier().is_idle();
}

// Whether ordinary transfers have to go packet by packet.
void RealTimeChannels::refresh() {
  const bool some_on_nic = std::any_of(channels_.begin(), channels_.end(), [](const auto& channel) {
    return channel->is_connected() && channel->is_in_use() && channel->is_on_nic();
  });
  some_drain_ = !some_on_nic && std::any_of(channels_.begin(), channels_.end(),
                                            [](const auto& c) { return is_draining(*c); });
  instruments_->put_real_time_first(some_on_nic || some_drain_);
}

bool RealTimeChannels::serve_some() {
  const bool worked = engine_.serve_all();
  if (some_end_) finish_ends();
  if (some_drain_) refresh();
  return worked;
}

bool RealTimeChannels::has_ready() const {
  const auto ends = [](const auto& channel) {
    return channel->sender_is_ending() && channel->carrier().has_ended();
  };
  return engine_.has_ready() ||
         (some_end_ && std::any_of(channels_.begin(), channels_.end(), ends));
}

// --------------------------------------------------------------------------------------------- ends

wire::Status RealTimeChannels::close(Process& process, std::uint32_t handle) {
  for (const auto& channel : channels_) {
    const bool receives =
        channel->receiver().process == &process && channel->receiver().handle == handle;
    const bool sends = channel->sender().process == &process && channel->sender().handle == handle;
    if (!receives && !sends) continue;
    if (receives) end_receiver(*channel, wire::Status::kOk);
    if (sends) end_sender(*channel, wire::Status::kOk);
    drop_abandoned();
    return wire::Status::kOk;
  }
  return wire::Status::kUnknownChannel;
}

void RealTimeChannels::leave(Process& process) {
  for (const auto& channel : channels_) {
    if (channel->receiver().process == &process) {
      end_receiver(*channel, wire::Status::kPeerDead);
    }
    if (channel->sender().process == &process) end_sender(*channel, wire::Status::kPeerDead);
  }
  drop_abandoned();
}

void RealTimeChannels::end_sender(RealTimeChannel& channel, wire::Status status) {
  if (channel.is_polled()) --channel.sender().process->real_time_channels;
  const bool receives = channel.receiver().process != nullptr;
  channel.begin_sender_end(status);
  if (!receives) return;
  some_end_ = true;
  finish_ends();
}

// Of senders all of whose datagrams have been carried out.
void RealTimeChannels::finish_ends() {
  some_end_ = false;
  for (const auto& channel : channels_) {
    if (!channel->sender_is_ending()) continue;
    if (channel->is_polled() && !channel->carrier().has_ended()) {
      some_end_ = true;
      continue;
    }
    end_poll(*channel);
    channel->finish_sender_end();
  }
  refresh();
}

void RealTimeChannels::end_receiver(RealTimeChannel& channel, wire::Status status) {
  end_poll(channel);
  channel.end_receiver(status);
  refresh();
}

// Their memory can be promised again.
void RealTimeChannels::drop_abandoned() {
  std::erase_if(channels_, [this](const auto& channel) {
    if (!channel->is_abandoned()) return false;
    end_poll(*channel);
    memory_ -= channel->terms().memory();
    return true;
  });
}

}  // namespace vmmc::nicsim::real_time
