// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The send queue between several posting threads and nicsim's side of the channel, one mapping, at
// random: every descriptor is carried out once, whole, in order, and its result is found.

#include <doctest/doctest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cstring>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/testing/local_nicsim.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/signal_storm.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::size_t kPosters = 3;
constexpr std::size_t kStreams = 2 * kPosters;  // each poster's own, and its signal handler's
// Handles are tested until they are so old (tickets); one in eight fails, so none is forgotten.
constexpr std::uint64_t kOldest = 4000;

// One descriptor, named by who posted it and when; everything else about it follows.
struct Name {
  std::uint32_t stream;
  std::uint32_t number;

  std::uint64_t mark() const {
    return (std::uint64_t{stream} << 32 | number) * 0x9e3779b97f4a7c15 + 1;
  }
  bool staged() const { return mark() >> 61 == 0; }
  std::uint32_t staged_bytes() const { return 8 + (mark() >> 20) % 12000 / 8 * 8; }
  int status() const { return mark() >> 40 & 7 ? VMMC_OK : VMMC_ERR_UNEXPORTED; }
  bool reports_itself() const { return (mark() >> 50 & 1) != 0; }
};

struct Ring {
  std::vector<Name> carried;  // by ticket
  std::atomic<std::uint64_t> torn{0};
  LocalNicsim nicsim{[this](std::uint64_t ticket, const vmmc::nicsim::DescriptorCopy& copy) {
    return carry(ticket, copy);
  }};
  Waiter waiter{nicsim.channel()};
  std::atomic<vmmc_wait_strategy> strategy{VMMC_WAIT_ADAPTIVE};
  SendQueue queue{nicsim.channel(), waiter, nicsim.doorbell(), strategy};

  wire::Status carry(std::uint64_t ticket, const vmmc::nicsim::DescriptorCopy& copy) {
    const Name name{copy.import_slot, copy.import_generation};
    if (ticket != carried.size() || copy.destination != name.mark() || !intact(name, copy)) ++torn;
    carried.push_back(name);
    return static_cast<wire::Status>(name.status());
  }

  bool intact(Name name, const vmmc::nicsim::DescriptorCopy& copy) {
    std::uint64_t word = 0;
    if (!name.staged()) {
      std::memcpy(&word, copy.inline_data, sizeof word);
      return wire::header_inline_length(copy.header) == sizeof word && word == ~name.mark();
    }
    if (copy.local.length != name.staged_bytes()) return false;
    for (std::uint32_t i = 0; i < copy.local.length; i += sizeof word) {
      std::memcpy(&word, nicsim.view().staging() + copy.local.address + i, sizeof word);
      if (word != name.mark() + i) return false;
    }
    return true;
  }

  // The ticket; nothing if the queue refused because this handler interrupted its holder.
  std::optional<std::uint64_t> post(Name name) {
    return name.staged() ? post_staged(name) : post_inline(name);
  }

  std::optional<std::uint64_t> post_inline(Name name) {
    SendQueue::Slot slot;
    if (queue.begin(slot) != VMMC_OK) return std::nullopt;
    fill(*slot.descriptor, name);
    const std::uint64_t word = ~name.mark();
    std::memcpy(slot.descriptor->inline_data, &word, sizeof word);
    return queue.publish(slot, {.place = wire::LocalPlace::kInline,
                                .inline_length = sizeof word,
                                .reports_itself = name.reports_itself()});
  }

  std::optional<std::uint64_t> post_staged(Name name) {
    StagingArea::Claim claim{};
    if (queue.claim_staging(name.staged_bytes(), claim) != VMMC_OK) return std::nullopt;
    for (std::uint32_t i = 0; i < name.staged_bytes(); i += 8) {
      const std::uint64_t word = name.mark() + i;
      std::memcpy(nicsim.channel().staging + claim.offset + i, &word, sizeof word);
    }
    SendQueue::Slot slot;
    if (queue.begin(slot) != VMMC_OK) {
      queue.give_back_staging(claim);
      return std::nullopt;
    }
    fill(*slot.descriptor, name);
    slot.descriptor->local = {.length = name.staged_bytes(),
                              .address = claim.offset,
                              .segment = 0,
                              .reserved = 0,
                              .message_length = 0,
                              .reserved2 = 0,
                              .immediate = 0};
    return queue.publish(slot, {.place = wire::LocalPlace::kStaged,
                                .blocks = claim.blocks,
                                .reports_itself = name.reports_itself()});
  }

  static void fill(wire::SendDescriptor& descriptor, Name name) {
    descriptor.import_slot = name.stream;
    descriptor.import_generation = name.number;
    descriptor.destination = name.mark();
  }
};

// What one stream has posted: the ticket of each number.
struct Stream {
  Ring* ring = nullptr;
  std::uint32_t id = 0;
  std::vector<std::uint64_t> tickets;
  std::uint64_t refused = 0;
  std::vector<std::uint64_t> reported;  // tickets that take_failure named
  std::uint64_t wrong = 0;

  bool post() {
    const auto ticket = ring->post({id, static_cast<std::uint32_t>(tickets.size())});
    if (!ticket) {
      ++refused;
      return false;
    }
    tickets.push_back(*ticket);
    return true;
  }

  void test(std::uint32_t number, bool settled) {
    const int status = ring->queue.test(tickets[number]);
    if (status == VMMC_PENDING && !settled) return;
    if (status != Name{id, number}.status()) ++wrong;
  }

  void take_failure() {
    const SendQueue::Failure failure = ring->queue.take_failure();
    if (failure.status == VMMC_OK) return;
    reported.push_back(failure.ticket);
  }
};

constexpr std::array<vmmc_wait_strategy, 5> kStrategies{
    VMMC_WAIT_ADAPTIVE, VMMC_WAIT_SPIN, VMMC_WAIT_PAUSE, VMMC_WAIT_YIELD, VMMC_WAIT_BLOCK};

void post_at_random(Stream& stream, std::uint64_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  Ring& ring = *stream.ring;
  while (stream.tickets.size() < count) {
    if (!stream.post()) ++stream.wrong;
    const auto posted = static_cast<std::uint32_t>(stream.tickets.size());
    switch (random() % 512) {
      case 0:
        ring.strategy = kStrategies[random() % kStrategies.size()];
        break;
      case 1:
        stream.take_failure();
        break;
      case 2:
        if (ring.queue.wait_completed(stream.tickets.back() + 1) != VMMC_OK) ++stream.wrong;
        stream.test(posted - 1, true);
        break;
      case 3:
        if (ring.queue.quiesce() != VMMC_OK) ++stream.wrong;
        stream.test(posted - 1, true);
        break;
      case 4:
        ::usleep(random() % 100);
        break;
      default:
        break;
    }
    const std::uint32_t number = posted - 1 - random() % std::min(posted, 1000u);
    if (ring.queue.posted() - stream.tickets[number] < kOldest) stream.test(number, false);
  }
}

void check_streams(const Ring& ring, const std::array<Stream, kStreams>& streams) {
  CHECK(ring.torn == 0);
  CHECK(ring.carried.size() == ring.queue.posted());
  std::uint64_t misplaced = 0;
  std::uint64_t posted = 0;
  for (const Stream& stream : streams) {
    CHECK(stream.wrong == 0);
    posted += stream.tickets.size();
    for (std::size_t i = 0; i < stream.tickets.size(); ++i) {
      const Name name = ring.carried[stream.tickets[i]];
      if (name.stream != stream.id || name.number != i) ++misplaced;
      if (i > 0 && stream.tickets[i] <= stream.tickets[i - 1]) ++misplaced;
    }
  }
  CHECK(misplaced == 0);
  CHECK(posted == ring.carried.size());  // none twice: every ticket has one poster
}

// Each reported once, and only what failed and could not report itself.
void check_reports(Ring& ring, const std::array<Stream, kStreams>& streams) {
  std::vector<char> seen(ring.carried.size());
  std::uint64_t wrong = 0;
  for (const Stream& stream : streams) {
    for (const std::uint64_t ticket : stream.reported) {
      const Name name = ring.carried[ticket];
      if (name.status() == VMMC_OK || name.reports_itself() || seen[ticket] != 0) ++wrong;
      seen[ticket] = 1;
    }
  }
  CHECK(wrong == 0);
  CHECK(ring.queue.take_failure().status == VMMC_OK);
}

thread_local Stream* handled = nullptr;

void send_from_handler(int) {
  if (handled->tickets.size() == handled->tickets.capacity())
    return;  // a handler allocates nothing
  const int saved = errno;
  handled->post();
  if (handled->tickets.size() % 8 == 7) handled->take_failure();
  errno = saved;
}

void run_ring(std::uint64_t count, bool storm) {
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  Ring ring;
  ring.carried.reserve(8 * kPosters * count);
  std::array<Stream, kStreams> streams;
  for (std::size_t i = 0; i < kStreams; ++i) {
    streams[i].ring = &ring;
    streams[i].id = static_cast<std::uint32_t>(i);
    streams[i].tickets.reserve(4 * count);
    streams[i].reported.reserve(4 * count);
  }
  ring.nicsim.start(seed);
  std::vector<std::thread> posters;
  for (std::uint32_t i = 0; i < kPosters; ++i) {
    posters.emplace_back([&, i] {
      handled = &streams[kPosters + i];
      std::optional<SignalStorm> interruptions;
      if (storm) interruptions.emplace(SIGUSR1, 50'000 + 7'000 * static_cast<long>(i));
      post_at_random(streams[i], count, seed + i);
    });
  }
  for (auto& poster : posters) poster.join();
  CHECK(ring.queue.quiesce() == VMMC_OK);
  ring.nicsim.stop();
  streams[0].take_failure();
  check_streams(ring, streams);
  check_reports(ring, streams);
  std::uint64_t refused = 0;
  for (const Stream& stream : streams) refused += stream.refused;
  MESSAGE(ring.queue.posted() << " sends, " << ring.queue.full_waits() << " waits for room, "
                              << ring.nicsim.sleeps() << " sleeps of nicsim, "
                              << ring.queue.doorbells() << " doorbells, " << refused
                              << " interrupted sends");
}

}  // namespace

TEST_CASE("every descriptor of several threads is carried out once, whole and in order") {
  const Watchdog watchdog;
  run_ring(rounds(5000), false);
}

TEST_CASE("the same while signal handlers send, too") {
  const Watchdog watchdog;
  struct sigaction action {};
  action.sa_handler = send_from_handler;
  REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
  run_ring(rounds(3000), true);
}
