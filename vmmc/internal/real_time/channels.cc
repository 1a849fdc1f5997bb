// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/real_time/channels.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "vmmc/internal/clock.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/real_time/channel_refusals.h"
#include "vmmc/internal/real_time/datagram_receiver.h"
#include "vmmc/internal/real_time/datagram_sender.h"

namespace vmmc::internal {
namespace {

using Access = ChannelPart::Access;

// What comes with the replies, by place.
enum ReceiverPlace {
  kReceiverSource,
  kReceiverArrival,
  kReceiverDemand,
  kReceiverVerdict,
  kOwnBell
};
enum SenderPlace { kSenderSource, kSenderDemand, kSenderVerdict, kReceiversBell, kSenderArrival };

// What is under way when a sender closes has been carried out or lost after its deadline, if the receiver passes
// what it gets. One that does not must not hold the sender up: it waits for the deadline and so much longer, ns.
constexpr std::uint64_t kPatience = 100'000'000;

void sleep_for(std::uint64_t ns) {
  const timespec time{static_cast<time_t>(ns / 1'000'000'000),
                      static_cast<long>(ns % 1'000'000'000)};
  ::nanosleep(&time, nullptr);
}

int no_descriptor() {
  return fail_system("cannot receive the memory of a channel", {"recvmsg", EMFILE});
}

int in_simulated_time() {
  return fail(VMMC_ERR_NOT_IN_SIMULATED_TIME,
              "real-time channels work in real time only, and nicsim has a timing model");
}

}  // namespace

// Everything that one end has.
struct RealTimeChannels::Channel {
  std::uint32_t handle = 0;  // nicsim's
  ChannelPart source;
  ChannelPart arrival;
  ChannelPart demand;
  ChannelPart verdict;
  ChannelPart times;
  platform::FileDescriptor bell;
  std::unique_ptr<DatagramSender> sender;
  std::unique_ptr<DatagramReceiver> receiver;

  static int map(Reply& reply, std::size_t place, std::size_t bytes, Access access,
                 ChannelPart* part) {
    const platform::FileDescriptor memory = reply.take_descriptor(place);
    if (!memory.valid()) return no_descriptor();
    auto mapped = ChannelPart::map(memory.get(), bytes, access);
    if (!mapped.ok()) return fail_system("cannot map a channel", mapped.error());
    *part = std::move(mapped.value());
    return VMMC_OK;
  }

  // The verdict says how long the others are.
  int read_terms(Reply& reply, std::size_t place, ChannelTerms* terms) {
    const int status = map(reply, place, sizeof(wire::ChannelVerdict), Access::kRead, &verdict);
    if (status != VMMC_OK) return status;
    const auto& said = *verdict.as<const wire::ChannelVerdict>();
    *terms = terms_of(said);
    if (said.magic == wire::kMagic && said.version == wire::kVersion && terms->make_sense()) {
      return VMMC_OK;
    }
    return fail(VMMC_ERR_MALFORMED, "nicsim has made a channel that makes no sense");
  }

  int become_receiver(Reply& reply, int socket, const std::atomic<bool>& gone) {
    if (reply.descriptors_lost()) return no_descriptor();
    ChannelTerms terms;
    int status = read_terms(reply, kReceiverVerdict, &terms);
    if (status == VMMC_OK) {
      status = map(reply, kReceiverSource, terms.source_bytes(), Access::kRead, &source);
    }
    if (status == VMMC_OK) {
      status = map(reply, kReceiverArrival, terms.arrival_bytes(), Access::kReadWrite, &arrival);
    }
    if (status == VMMC_OK) {
      status =
          map(reply, kReceiverDemand, sizeof(wire::ChannelDemand), Access::kReadWrite, &demand);
    }
    if (status != VMMC_OK) return status;
    bell = reply.take_descriptor(kOwnBell);
    if (!bell.valid()) return no_descriptor();
    const ReceiverViews views{source.as<const wire::ChannelSource>(),
                              arrival.as<wire::ChannelArrival>(),
                              demand.as<wire::ChannelDemand>(),
                              verdict.as<const wire::ChannelVerdict>(),
                              bell.get(),
                              socket,
                              &gone};
    receiver = std::make_unique<DatagramReceiver>(views, terms);
    return VMMC_OK;
  }

  // Where nicsim has sent no arrival part it carries out everything.
  int become_sender(Reply& reply, const NicDoorbell& doorbell, const std::atomic<bool>& gone) {
    if (reply.descriptors_lost()) return no_descriptor();
    ChannelTerms terms;
    int status = read_terms(reply, kSenderVerdict, &terms);
    if (status == VMMC_OK) {
      status = map(reply, kSenderSource, terms.source_bytes(), Access::kReadWrite, &source);
    }
    if (status == VMMC_OK) {
      status = map(reply, kSenderDemand, sizeof(wire::ChannelDemand), Access::kRead, &demand);
    }
    if (status != VMMC_OK) return status;
    bell = reply.take_descriptor(kReceiversBell);
    if (!bell.valid()) return no_descriptor();
    if (platform::FileDescriptor memory = reply.take_descriptor(kSenderArrival); memory.valid()) {
      auto mapped = ChannelPart::map(memory.get(), terms.arrival_bytes(), Access::kReadWrite);
      if (!mapped.ok()) return fail_system("cannot map a channel", mapped.error());
      arrival = std::move(mapped.value());
    }
    auto ring = ChannelPart::reserve(terms.messages * sizeof(std::uint64_t));
    if (!ring.ok()) return fail_system("cannot reserve a budget's memory", ring.error());
    times = std::move(ring.value());
    const SenderViews views{source.as<wire::ChannelSource>(),
                            demand.as<const wire::ChannelDemand>(),
                            verdict.as<const wire::ChannelVerdict>(),
                            arrival.as<wire::ChannelArrival>(),
                            bell.get(),
                            doorbell,
                            &gone};
    sender = std::make_unique<DatagramSender>(views, terms,
                                              std::span(times.as<std::uint64_t>(), terms.messages));
    return VMMC_OK;
  }
};

RealTimeChannels::RealTimeChannels(ControlConnection& connection, NicDoorbell doorbell,
                                   bool simulated, vmmc_executor usual)
    : connection_(connection), doorbell_(doorbell), simulated_(simulated), usual_(usual) {}

RealTimeChannels::~RealTimeChannels() = default;

int RealTimeChannels::open(std::uint32_t id, const vmmc_rtz_budget& budget,
                           const vmmc_rtz_options& options, vmmc_rtz_channel** channel) {
  if (const int status = check_channel(budget, options); status != VMMC_OK) return status;
  if (simulated_) return in_simulated_time();
  const int executor = options.executor == VMMC_EXECUTOR_AUTO ? usual_ : options.executor;
  wire::OpenChannelRequest request{};
  request.channel = id;
  request.messages = budget.messages;
  request.period = budget.period;
  request.deadline = budget.deadline;
  request.longest = budget.longest;
  request.depth = options.depth;
  request.executor = static_cast<wire::ExecutorDemand>(executor);
  request.user = options.user == VMMC_RTZ_SAME_USER ? ::geteuid() : options.user;
  request.from_node = options.from_node;
  request.from_process = options.from_process;
  Reply reply;
  const int status = connection_.call(wire::MessageType::kOpenChannel, request, &reply);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK) return status;
  const auto answer = reply.as<wire::ChannelReply>();
  if (reply.status() != wire::Status::kOk) return refuse_channel(id, answer);
  auto made = std::make_unique<Channel>();
  made->handle = answer.handle;
  const int mapped = made->become_receiver(reply, connection_.socket(), gone_);
  if (mapped == VMMC_OK) return add(std::move(made), channel);
  give_up(answer.handle);
  return mapped;
}

int RealTimeChannels::connect(vmmc_identity receiver, std::uint32_t id, std::uint64_t timeout,
                              vmmc_rtz_channel** channel) {
  if (simulated_) return in_simulated_time();
  constexpr std::uint64_t kFirstPause = 100'000;
  constexpr std::uint64_t kLongestPause = 5'000'000;
  wire::ConnectChannelRequest request{};
  request.node = receiver.node;
  request.process = receiver.process;
  request.channel = id;
  Reply reply;
  Deadline deadline(timeout);
  for (std::uint64_t pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const int status = connection_.call(wire::MessageType::kConnectChannel, request, &reply);
    if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
    if (status != VMMC_OK) return status;
    if (reply.status() != wire::Status::kUnknownChannel) break;
    if (deadline.passed()) {
      return fail(VMMC_ERR_TIMEOUT, "process (%u, %u) has opened no channel %u in %.3f ms",
                  receiver.node, receiver.process, id, static_cast<double>(timeout) / 1e6);
    }
    sleep_for(std::min(pause, deadline.remaining()));
  }
  const auto answer = reply.as<wire::ChannelReply>();
  if (reply.status() != wire::Status::kOk) return refuse_channel(id, answer);
  auto made = std::make_unique<Channel>();
  made->handle = answer.handle;
  const int mapped = made->become_sender(reply, doorbell_, gone_);
  if (mapped == VMMC_OK) return add(std::move(made), channel);
  give_up(answer.handle);
  return mapped;
}

int RealTimeChannels::add(std::unique_ptr<Channel> channel, vmmc_rtz_channel** name) {
  const std::uint32_t handle = channel->handle;
  std::unique_lock lock(mutex_);
  vmmc_rtz_channel* const given =
      channel_table.put({channel->sender.get(), channel->receiver.get()});
  if (given == nullptr) {
    lock.unlock();
    give_up(handle);
    return fail(VMMC_ERR_TOO_MANY_CHANNELS, "the process has %zu channels", ChannelTable::kPlaces);
  }
  channels_.emplace(given, std::move(channel));
  *name = given;
  return VMMC_OK;
}

void RealTimeChannels::give_up(std::uint32_t handle) {
  wire::CloseChannelRequest request{};
  request.handle = handle;
  Reply ignored;
  (void)connection_.call(wire::MessageType::kCloseChannel, request, &ignored);
}

int RealTimeChannels::close(vmmc_rtz_channel* channel) {
  std::unique_lock lock(mutex_);
  const auto found = channels_.find(channel);
  if (found == channels_.end()) {
    return fail(VMMC_ERR_BAD_HANDLE, "%p is no open channel", static_cast<void*>(channel));
  }
  const std::unique_ptr<Channel> closing = std::move(found->second);
  channels_.erase(found);
  channel_table.take_out(channel);
  lock.unlock();
  // What was sent stays receivable: nicsim carries it out before the receiver hears of the end.
  give_up(closing->handle);
  return VMMC_OK;
}

void RealTimeChannels::close_all() {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (channels_.empty()) return;
    vmmc_rtz_channel* const first = channels_.begin()->first;
    lock.unlock();
    (void)close(first);
  }
}

// A receiver's open file of the bell is for writing, too. Rung whether or not it has armed: this happens once.
void RealTimeChannels::announce_end() {
  gone_.store(true, std::memory_order_seq_cst);
  const std::lock_guard lock(mutex_);
  const std::uint64_t one = 1;
  for (const auto& [name, channel] : channels_) {
    if (channel->receiver != nullptr) (void)!::write(channel->bell.get(), &one, sizeof one);
  }
}

// The mappings are not in the child; the descriptors are closed when it ends, or executes.
void RealTimeChannels::abandon_in_child() { channel_table.clear(); }

}  // namespace vmmc::internal
