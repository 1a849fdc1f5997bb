// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/attachment.h"

#include <sys/mman.h>

#include <cstdlib>

#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

// A process whose address space is limited (ulimit -v, valgrind) gets by with less; with less than
// this it would run out at once.
constexpr std::uint64_t kLeastDestinationSpaceBytes = std::uint64_t{64} << 20;

int strategy_from_environment(vmmc_wait_strategy* strategy) {
  const char* name = std::getenv("VMMC_WAIT");
  if (name == nullptr || *name == '\0') return VMMC_OK;
  const int number = vmmc_wait_strategy_from_name(name);
  if (number < 0) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "$VMMC_WAIT is \"%s\", no wait strategy", name);
  }
  *strategy = static_cast<vmmc_wait_strategy>(number);
  return VMMC_OK;
}

}  // namespace

Attachment::Attachment(const vmmc_init_options& options, Meeting meeting,
                       platform::SharedMapping channel, std::unique_ptr<DestinationSpace> space)
    : self_{meeting.reply.node, meeting.reply.process},
      nodes_(meeting.reply.nodes),
      channel_mapping_(std::move(channel)),
      doorbell_(std::move(meeting.doorbell)),
      waiter_(this->channel()),
      notifications_(this->channel(), waiter_, std::move(meeting.notification_pipe),
                     doorbell_.get(), static_cast<vmmc_delivery>(options.delivery), options.signal),
      space_(std::move(space)),
      connection_(std::move(meeting.socket)),
      queue_(this->channel(), waiter_, doorbell_.get(), strategy_),
      nicsim_segments_(connection_, queue_),
      segments_(nicsim_segments_),
      registrations_(segments_),
      redirections_(connection_, segments_, waiter_),
      exports_(connection_, segments_, redirections_, notifications_, waiter_, nodes_),
      imports_(connection_, *space_, queue_),
      admission_(this->channel(), waiter_, *space_),
      completion_(waiter_, *space_, queue_),
      deliberate_update_(this->channel(), admission_, segments_, registrations_, queue_,
                         completion_, meeting.reply.can_read_memory != 0),
      remote_access_(this->channel(), admission_, segments_, registrations_, queue_, completion_,
                     meeting.reply.can_read_memory != 0),
      automatic_update_(this->channel(), waiter_, *space_, segments_, queue_, capture_) {
  notifications_.keep_off(queue_);
}

int Attachment::attach(const vmmc_init_options& options, std::unique_ptr<Attachment>& attachment) {
  if (const int status = Notifications::check_options(options.delivery, options.signal);
      status != VMMC_OK) {
    return status;
  }
  vmmc_wait_strategy strategy = VMMC_WAIT_ADAPTIVE;
  if (const int status = strategy_from_environment(&strategy); status != VMMC_OK) return status;
  auto space = std::make_unique<DestinationSpace>();
  const auto reserved =
      space->reserve(wire::kMaxDestinationSpaceBytes, kLeastDestinationSpaceBytes);
  if (!reserved.ok()) return fail_system("cannot reserve the destination space", reserved.error());
  Meeting meeting;
  meeting.destination_space = space->bytes();
  if (const int status = meet_nicsim(options, meeting); status != VMMC_OK) return status;
  auto channel = platform::SharedMapping::map(meeting.channel.get(), wire::kChannelBytes);
  if (!channel.ok()) return fail_system("cannot map the channel", channel.error());
  if (::madvise(channel.value().data(), wire::kChannelBytes, MADV_DONTFORK) != 0) {
    return fail_system("cannot keep the channel to ourselves",
                       platform::last_system_error("madvise"));
  }
  std::unique_ptr<Attachment> made(
      new Attachment(options, std::move(meeting), std::move(channel.value()), std::move(space)));
  made->strategy_ = strategy;
  const auto on_end = [&waiter = made->waiter_, &notifications = made->notifications_] {
    waiter.announce_end();
    notifications.announce_end();
  };
  if (const auto error = made->connection_.start(on_end)) {
    return fail_system("cannot start the control thread", *error);
  }
  attachment = std::move(made);
  return VMMC_OK;
}

// Those who wait for room in our notification queue go on: they may be who our fence waits for.
void Attachment::refuse_notifications() {
  wire::AcceptNotificationsRequest request{};
  request.scope = wire::kAllBuffers;
  ControlConnection::Reply reply;
  (void)connection_.call(wire::MessageType::kAcceptNotifications, request, &reply);
}

int Attachment::fence() {
  const int flushed = automatic_update_.flush();
  return flushed == VMMC_OK ? completion_.fence() : flushed;
}

int Attachment::detach() {
  (void)notifications_.block();  // no handler runs any more that could send, store or export
  refuse_notifications();
  int status = fence();
  automatic_update_.release_all();
  exports_.remove_all();
  notifications_.stop();
  registrations_.release_all();
  segments_.release_all();
  if (waiter_.nicsim_gone()) {
    status = fail_nicsim_gone();
  }
  return status;
}

int Attachment::allocate(std::size_t length, void** memory) {
  const SharedSegments::Allocation allocation = segments_.allocate(length);
  if (!allocation.verdict.ok()) {
    return fail(allocation.verdict.status, "%zu bytes cannot be allocated: %s", length,
                allocation.verdict.detail.c_str());
  }
  *memory = allocation.memory;
  return VMMC_OK;
}

int Attachment::free(void* memory) {
  const SegmentVerdict verdict = segments_.free(memory);
  if (verdict.ok()) return VMMC_OK;
  return fail(verdict.status, "%p cannot be freed: %s", memory, verdict.detail.c_str());
}

void Attachment::read_counters(vmmc_counters& counters) const {
  const wire::ChannelCounters& counted = channel().counters;
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  counters.transfers_sent = read(counted.transfers_sent);
  counters.bytes_sent = read(counted.bytes_sent);
  counters.packets_sent = read(counted.packets_sent);
  counters.transfers_refused = read(counted.transfers_refused);
  counters.transfers_received = read(counted.transfers_received);
  counters.bytes_received = read(counted.bytes_received);
  counters.inline_transfers = read(counted.inline_transfers);
  counters.staged_transfers = read(counted.staged_transfers);
  counters.segment_transfers = read(counted.segment_transfers);
  counters.memory_transfers = read(counted.memory_transfers);
  counters.wakeups = read(counted.wakeups);
  counters.automatic_updates = read(counted.automatic_updates);
  counters.fetches = read(counted.fetches);
  counters.bytes_fetched = read(counted.bytes_fetched);
  counters.atomics = read(counted.atomics);
  counters.notifications_sent = read(counted.notifications_sent);
  counters.notifications_received = read(counted.notifications_received);
  counters.notifications_discarded = read(counted.notifications_discarded);
  counters.notification_stalls = read(counted.notification_stalls);
  counters.bytes_redirected = read(counted.bytes_redirected);
  counters.doorbells = queue_.doorbells();
  counters.queue_full_waits = queue_.full_waits();
  counters.nic_executor_sends = queue_.posted();
  counters.host_executor_sends = 0;
  const RegistrationCache::Counters registered = registrations_.counters();
  counters.registration_hits = registered.hits;
  counters.registration_misses = registered.misses;
  counters.registration_evictions = registered.evictions;
  counters.pinned_bytes = registered.pinned_bytes;
}

void Attachment::before_fork() {
  automatic_update_.before_fork();
  exports_.before_fork();
  redirections_.before_fork();
  registrations_.before_fork();
  segments_.before_fork();
}

void Attachment::after_fork_in_parent() {
  segments_.after_fork_in_parent();
  registrations_.after_fork();
  redirections_.after_fork();
  exports_.after_fork();
  automatic_update_.after_fork_in_parent();
}

void Attachment::abandon_in_child() {
  automatic_update_.abandon_in_child();
  segments_.make_private_after_fork();
  registrations_.after_fork();
  notifications_.abandon_in_child();
  connection_.abandon();
  doorbell_.reset();
}

}  // namespace vmmc::internal
