// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/attachment.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <iterator>

#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

// A process whose address space is limited (ulimit -v, valgrind) gets by with less; with less than
// this it would run out at once.
constexpr std::uint64_t kLeastDestinationSpaceBytes = std::uint64_t{64} << 20;

int executor_from_name(const char* name) {
  constexpr const char* kNames[] = {"auto", "nic", "host"};  // by enum vmmc_executor
  for (int i = 0; i < static_cast<int>(std::size(kNames)); ++i) {
    if (std::strcmp(name, kNames[i]) == 0) return i;
  }
  return -1;
}

// Leaves *value as it is if the variable is not set.
template <typename Value>
int choice_from_environment(const char* variable, int (*from_name)(const char*), const char* what,
                            Value* value) {
  const char* name = std::getenv(variable);
  if (name == nullptr || *name == '\0') return VMMC_OK;
  const int number = from_name(name);
  if (number < 0) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "$%s is \"%s\", no %s", variable, name, what);
  }
  *value = static_cast<Value>(number);
  return VMMC_OK;
}

}  // namespace

int Attachment::read_environment(Settings* settings) {
  const int status = choice_from_environment("VMMC_WAIT", vmmc_wait_strategy_from_name,
                                             "wait strategy", &settings->strategy);
  if (status != VMMC_OK) return status;
  return choice_from_environment("VMMC_EXECUTOR", executor_from_name, "executor",
                                 &settings->executor);
}

Attachment::Attachment(const vmmc_init_options& options, const Settings& settings, Meeting meeting,
                       platform::SharedMapping channel, std::unique_ptr<DestinationSpace> space)
    : self_{meeting.reply.node, meeting.reply.process},
      nodes_(meeting.reply.nodes),
      simulated_(meeting.reply.clock == wire::kSimulatedTime),
      recorded_(meeting.reply.recorded != 0),
      channel_mapping_(std::move(channel)),
      doorbell_(std::move(meeting.doorbell)),
      strategy_(settings.strategy),
      waiter_(this->channel()),
      notifications_(this->channel(), waiter_, std::move(meeting.notification_pipe),
                     doorbell_.get(), static_cast<vmmc_delivery>(options.delivery), options.signal),
      space_(std::move(space)),
      real_time_channels_(connection_, {&this->channel().doorbell.nic_sleeps, doorbell_.get()},
                          simulated_, settings.executor),
      connection_(std::move(meeting.socket)),
      rings_(connection_, waiter_, doorbell_.get()),
      queue_(this->channel(), waiter_, doorbell_.get(), strategy_),
      nicsim_segments_(connection_, queue_),
      segments_(nicsim_segments_),
      registrations_(segments_),
      redirections_(connection_, segments_, waiter_),
      exports_(connection_, segments_, redirections_, notifications_, waiter_, nodes_),
      host_(this->channel(), *space_, queue_),
      imports_(connection_, *space_, queue_, host_, exports_, waiter_.time(), self_,
               settings.executor),
      admission_(this->channel(), waiter_, *space_),
      completion_(waiter_, *space_, queue_),
      deliberate_update_(this->channel(), admission_, segments_, registrations_, queue_,
                         completion_, host_, meeting.reply.can_read_memory != 0),
      remote_access_(this->channel(), admission_, segments_, registrations_, queue_, completion_,
                     host_, meeting.reply.can_read_memory != 0),
      nicsim_bindings_(connection_, segments_),
      automatic_update_(this->channel(), waiter_, *space_, segments_, queue_, host_, capture_,
                        nicsim_bindings_) {
  notifications_.keep_off(queue_);
}

int Attachment::attach(const vmmc_init_options& options, std::unique_ptr<Attachment>& attachment) {
  if (const int status = Notifications::check_options(options.delivery, options.signal);
      status != VMMC_OK) {
    return status;
  }
  // Asked for by the first import or export it would have the kernel wait for all cores, tens of
  // milliseconds, because by then we have a thread.
  (void)HostExecutor::can_send();
  Settings settings;
  if (const int status = read_environment(&settings); status != VMMC_OK) return status;
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
  std::unique_ptr<Attachment> made(new Attachment(options, settings, std::move(meeting),
                                                  std::move(channel.value()), std::move(space)));
  const auto on_end = [&waiter = made->waiter_, &notifications = made->notifications_,
                       &host = made->host_, &channels = made->real_time_channels_] {
    waiter.note_end();  // first: a send that finds its import closed must not go to nicsim
    host.close_all();
    waiter.announce_end();
    notifications.announce_end();
    channels.announce_end();
  };
  if (made->simulated_ && !made->waiter_.time().start(made->doorbell_.get())) {
    return fail(VMMC_ERR_OUT_OF_MEMORY, "no room for what threads remember of simulated time");
  }
  if (const auto error = made->connection_.start(on_end)) {
    return fail_system("cannot start the control thread", *error);
  }
  if (made->recorded_) made->queue_.start_marking();
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
  real_time_channels_.close_all();
  int status = fence();
  rings_.close_all();
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

void Attachment::read_counters(vmmc_counters& counters) {
  // Before the sums that contain them: what is done meanwhile must not be taken away twice. Nor must
  // what nicsim did not count because the buffer was taken back at that moment.
  const std::uint64_t host_atomics = host_.atomics();
  const std::uint64_t bytes_of_host_atomics = host_.bytes_of_atomics();
  const auto without = [](std::uint64_t sum, std::uint64_t part) {
    return sum > part ? sum - part : 0;
  };
  // What was moved without nicsim it adds up when it is asked to.
  wire::PlainReply request{};
  ControlConnection::Reply reply;
  (void)connection_.call(wire::MessageType::kReadCounters, request, &reply);
  const wire::ChannelCounters& counted = channel().counters;
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  // To nicsim an atomic operation of the host executor is a transfer.
  counters.transfers_sent = without(read(counted.transfers_sent), host_atomics);
  counters.bytes_sent = without(read(counted.bytes_sent), bytes_of_host_atomics);
  counters.packets_sent = read(counted.packets_sent);
  counters.transfers_refused = read(counted.transfers_refused);
  counters.transfers_received = read(counted.transfers_received);
  counters.bytes_received = read(counted.bytes_received);
  counters.inline_transfers = read(counted.inline_transfers);
  counters.staged_transfers = read(counted.staged_transfers);
  counters.segment_transfers = read(counted.segment_transfers);
  counters.memory_transfers = read(counted.memory_transfers);
  counters.wakeups = read(counted.wakeups) + waiter_.rung();
  counters.automatic_updates = read(counted.automatic_updates) + host_.automatic_updates();
  counters.fetches = read(counted.fetches) + host_.fetches();
  counters.bytes_fetched = read(counted.bytes_fetched) + host_.bytes_fetched();
  counters.atomics = read(counted.atomics) + host_atomics;
  counters.notifications_sent = read(counted.notifications_sent);
  counters.notifications_received = read(counted.notifications_received);
  counters.notifications_discarded = read(counted.notifications_discarded);
  counters.notification_stalls = read(counted.notification_stalls);
  counters.bytes_redirected = read(counted.bytes_redirected);
  counters.doorbells = queue_.doorbells();
  counters.queue_full_waits = queue_.full_waits();
  counters.nic_executor_sends = without(queue_.posted(), queue_.marks_posted());
  counters.host_executor_sends = without(read(counted.host_transfers), host_atomics);
  const RegistrationCache::Counters registered = registrations_.counters();
  counters.registration_hits = registered.hits;
  counters.registration_misses = registered.misses;
  counters.registration_evictions = registered.evictions;
  counters.pinned_bytes = registered.pinned_bytes;
}

void Attachment::before_fork() {
  rings_.before_fork();
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
  rings_.after_fork_in_parent();
}

void Attachment::abandon_in_child() {
  automatic_update_.abandon_in_child();
  host_.abandon_in_child();
  real_time_channels_.abandon_in_child();
  segments_.make_private_after_fork();
  registrations_.after_fork();
  notifications_.abandon_in_child();
  rings_.abandon_in_child();
  waiter_.time().abandon_in_child();
  connection_.abandon();
  doorbell_.reset();
}

}  // namespace vmmc::internal
