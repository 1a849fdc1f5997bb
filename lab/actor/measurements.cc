// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Measurements: round_trip and answer, update.

#include <algorithm>
#include <ctime>

#include "lab/actor/bindings.h"
#include "lab/actor/table.h"
#include "lab/actor/waits.h"

namespace vmmc::lab {
namespace {

constexpr std::uint64_t kWord = sizeof(std::uint32_t);
constexpr std::uint64_t kSecond = 1'000'000'000;

// ------------------------------------------------------------------- round_trip and answer

// How a side learns that a message has come.
struct Way {
  bool notifies;
  vmmc_wait_strategy strategy;
};

Way way_of(const Command& command) {
  const std::size_t by = command.choice("by", {"spin", "adaptive", "block", "notification"});
  static constexpr Way kWays[] = {{false, VMMC_WAIT_SPIN},
                                  {false, VMMC_WAIT_ADAPTIVE},
                                  {false, VMMC_WAIT_BLOCK},
                                  {true, VMMC_WAIT_BLOCK}};
  return kWays[by];
}

struct Exchange {
  const Proxy& proxy;
  const Buffer& buffer;
  Way way;
  std::uint32_t count;

  int send(std::uint32_t number) const {
    return way.notifies ? vmmc_send_notify(&number, proxy.address, sizeof number, number)
                        : vmmc_send(&number, proxy.address, sizeof number);
  }
  int await(std::uint32_t number) const {
    if (way.notifies) return vmmc_wait_notification(buffer.id, longest_wait(), nullptr);
    return vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(buffer.memory), VMMC_EQUAL, number,
                        way.strategy, longest_wait());
  }
};

// So that none is handled before it is waited for.
class QueuedNotifications {
 public:
  explicit QueuedNotifications(bool wanted)
      : blocked_(wanted && vmmc_block_notifications() == VMMC_OK) {}
  ~QueuedNotifications() {
    if (blocked_) (void)vmmc_unblock_notifications();
  }
  QueuedNotifications(const QueuedNotifications&) = delete;
  QueuedNotifications& operator=(const QueuedNotifications&) = delete;

 private:
  bool blocked_;
};

Exchange exchange_of(Actor& actor, const Command& command) {
  const Exchange exchange{actor.proxy(command), actor.buffer(command), way_of(command),
                          static_cast<std::uint32_t>(command.number("count", 1, kMostCount))};
  store_word(exchange.buffer.memory, 0);
  return exchange;
}

std::uint64_t processor_ns() {
  timespec used{};
  (void)::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * kSecond +
         static_cast<std::uint64_t>(used.tv_nsec);
}

Answer round_trip(Actor& actor, const Command& command) {
  const Exchange exchange = exchange_of(actor, command);
  const QueuedNotifications queued(exchange.way.notifies);
  actor.announce();
  std::vector<std::uint64_t> times;
  times.reserve(exchange.count);
  Answer answer{"vmmc_send(&n, " + exchange.proxy.name + ", 4); wait for the answer", VMMC_OK, {}};
  const std::uint64_t processor = processor_ns();
  std::uint64_t before = vmmc_clock();
  for (std::uint32_t n = 1; n <= exchange.count && answer.status == VMMC_OK; ++n) {
    answer.status = exchange.send(n);
    if (answer.status == VMMC_OK) answer.status = exchange.await(n);
    const std::uint64_t now = vmmc_clock();
    times.push_back((now - before) / 2);
    before = now;
  }
  if (answer.status != VMMC_OK) return answer;
  const auto median = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), median, times.end());
  answer.members["one_way_ns"] = *median;
  answer.members["cpu_ns"] = (processor_ns() - processor) / exchange.count;
  return answer;
}

Answer answer_round_trips(Actor& actor, const Command& command) {
  const Exchange exchange = exchange_of(actor, command);
  const QueuedNotifications queued(exchange.way.notifies);
  actor.announce();
  Answer answer{"wait for n; vmmc_send(&n, " + exchange.proxy.name + ", 4)", VMMC_OK, {}};
  for (std::uint32_t n = 1; n <= exchange.count && answer.status == VMMC_OK; ++n) {
    answer.status = exchange.await(n);
    if (answer.status == VMMC_OK) answer.status = exchange.send(n);
  }
  return answer;
}

// ---------------------------------------------------------------------------------- update

struct Update {
  std::uint64_t bytes;
  std::uint64_t density;  // percent
  // Evenly spread, the first word among them.
  bool stores(std::uint64_t word) const { return word * density % 100 < density; }
};

// Pages of the actor's own that are bound to the proxy's, made once.
int bound_pages(Actor& actor, const Proxy& proxy, Binding*& found) {
  const auto [each, is_new] = actor.exchanges.try_emplace(proxy.name);
  found = &each->second;
  if (!is_new) return VMMC_OK;
  Binding& binding = each->second;
  binding.bytes = proxy.bytes;
  void* memory = nullptr;
  int status = vmmc_alloc(binding.bytes, &memory);
  binding.memory = static_cast<unsigned char*>(memory);
  if (status == VMMC_OK) {
    status = vmmc_bind(memory, proxy.address, binding.bytes, nullptr, &binding.handle);
    if (status != VMMC_OK) (void)vmmc_free(memory);
  }
  if (status != VMMC_OK) actor.exchanges.erase(each);
  return status;
}

int update_automatically(Actor& actor, const Proxy& proxy, const Update& update) {
  Binding* binding = nullptr;
  int status = bound_pages(actor, proxy, binding);
  for (std::uint64_t word = 0; word < update.bytes / kWord && status == VMMC_OK; ++word) {
    if (update.stores(word)) status = store_to(*binding, word * kWord, word + 1, kWord);
  }
  return status;
}

// Stores to memory that is not bound cost nothing in the models.
int update_deliberately(Actor& actor, const Proxy& proxy, const Update& update) {
  unsigned char* const source = actor.source(update.bytes);
  if (source == nullptr) return VMMC_ERR_OUT_OF_MEMORY;
  for (std::uint64_t word = 0; word < update.bytes / kWord; ++word) {
    if (update.stores(word))
      store_word(source + word * kWord, static_cast<std::uint32_t>(word + 1));
  }
  return vmmc_send(source, proxy.address, update.bytes);
}

Answer update(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const Update asked{command.number("bytes", kWord, std::min(kMostBytes, proxy.bytes)),
                     command.number("density", 1, 100)};
  if (asked.bytes % kWord != 0) throw Nonsense("\"bytes\" is not a multiple of 4");
  const bool automatic = command.choice("by", {"deliberate", "automatic"}) == 1;
  Answer answer{automatic ? "pages[i] = ...; vmmc_fence()"
                          : print("source[i] = ...; vmmc_send(source, %s, %llu); vmmc_fence()",
                                  proxy.name.c_str(), static_cast<unsigned long long>(asked.bytes)),
                VMMC_OK,
                {}};
  Binding* unused = nullptr;
  if (automatic) answer.status = bound_pages(actor, proxy, unused);  // is not measured
  vmmc_counters before{};
  vmmc_counters after{};
  if (answer.status == VMMC_OK) answer.status = vmmc_fence();
  if (answer.status == VMMC_OK) answer.status = vmmc_get_counters(&before);
  if (answer.status != VMMC_OK) return answer;
  const std::uint64_t began = vmmc_clock();
  answer.status = automatic ? update_automatically(actor, proxy, asked)
                            : update_deliberately(actor, proxy, asked);
  if (answer.status == VMMC_OK) answer.status = vmmc_fence();
  const std::uint64_t ended = vmmc_clock();
  if (answer.status == VMMC_OK) answer.status = vmmc_get_counters(&after);
  if (answer.status != VMMC_OK) return answer;
  answer.members["ns"] = ended - began;
  answer.members["packets"] = after.packets_sent - before.packets_sent;
  return answer;
}

}  // namespace

Table measurement_commands() {
  return {
      {"round_trip", round_trip, true}, {"answer", answer_round_trips, true}, {"update", update}};
}

}  // namespace vmmc::lab
