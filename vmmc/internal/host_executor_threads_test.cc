// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Several threads, and their handlers, by one import of the host executor.

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/testing/host_rig.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/signal_storm.h"

using namespace vmmc;
using namespace vmmc::internal;
using namespace vmmc::internal::testing;
using wire::ImportPhase;

namespace {

host_executor::record& record_of(const Import& import) {
  return host_executor::records[import.slot];
}

bool store(const Import& import, std::uint64_t offset, std::uint64_t word) {
  return host_executor::try_store(record_of(import), offset, word);
}

std::uint64_t look(const std::byte* address) {
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(address), __ATOMIC_ACQUIRE);
}

}  // namespace

TEST_CASE_FIXTURE(HostRig, "the counts of many threads are exact, and of the first one alone") {
  const Watchdog watchdog;
  constexpr int kThreads = 4;
  const Buffer buffer = make_buffer();
  for (int time = 0; time < 20; ++time) {
    const Import import = open(buffer);
    const std::uint64_t before = counts(import).transfers;
    const std::uint64_t each = rounds(20'000) / 10;
    std::atomic<std::uint64_t> sent{0};
    std::vector<std::thread> threads;
    for (int number = 0; number < kThreads; ++number) {
      threads.emplace_back([&, number] {
        std::uint64_t mine = 0;
        const std::uint64_t offset = 64 + 64 * static_cast<std::uint64_t>(number);
        for (std::uint64_t i = 0; i < each; ++i) {
          if (store(import, offset, i) || send(import, offset, i)) ++mine;
        }
        sent += mine;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(counts(import).transfers - before == sent);
    CHECK(sent > 0);
    CHECK(record_of(import).busy == 0);
    CHECK(record_of(import).busy_others == 0);
    CHECK(send(import, 0, 1));
    close(import);
  }
}

TEST_CASE_FIXTURE(HostRig, "close waits for who is inside, and nobody stores afterwards") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  for (int time = 0; time < 300; ++time) {
    const Import import = open(buffer);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> refused{0};
    std::vector<std::thread> threads;
    for (int number = 0; number < 1 + time % 3; ++number) {
      threads.emplace_back([&, number] {
        const std::uint64_t offset = 64 * static_cast<std::uint64_t>(number);
        std::vector<std::byte> many(wire::kPageSize, std::byte{1});
        for (std::uint64_t i = 1; !stop; ++i) {
          bool sent = store(import, offset, i);
          if (!sent) sent = send(import, offset, i);
          if (sent && time % 2 == 0) {
            sent = host.send(at(import, wire::kPageSize), many.data(), many.size());
          }
          if (!sent) ++refused;
        }
      });
    }
    while (look(buffer.memory.data()) < 100) ::sched_yield();
    host.close(import);  // and takes the mapping away: whoever stored now would fault
    std::vector<std::byte> then(kLength);
    std::memcpy(then.data(), buffer.memory.data(), kLength);
    const std::uint64_t had = refused;
    while (refused < had + 20) ::sched_yield();
    CHECK(std::memcmp(then.data(), buffer.memory.data(), kLength) == 0);
    stop = true;
    for (std::thread& thread : threads) thread.join();
    CHECK(refused > 0);
    close(import);
    std::memset(buffer.memory.data(), 0, kLength);
  }
}

TEST_CASE_FIXTURE(HostRig, "close waits for one long store of another thread") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  std::atomic<int> stage{0};
  SUBCASE("of the owner") {}
  SUBCASE("of one among many") {
    REQUIRE(send(import, 0, 1));
    std::thread([&] { CHECK(send(import, 0, 1)); }).join();
  }
  std::thread inside([&] {
    auto fill = [&](std::byte* to, std::size_t n) {
      stage = 1;
      while (stage == 1) ::sched_yield();
      std::memset(to, 3, n);
    };
    CHECK(host.send_filled(at(import, 8), 8, fill));
  });
  while (stage == 0) ::sched_yield();
  std::atomic<bool> closed{false};
  std::thread closer([&] {
    host.close(import);
    closed = true;
  });
  ::usleep(20'000);
  CHECK_FALSE(closed);
  stage = 2;
  inside.join();
  closer.join();
  CHECK(look(buffer.memory.data() + 8) == 0x0303030303030303);
}

TEST_CASE_FIXTURE(HostRig, "a transfer given to nicsim by one thread closes the record for all") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  REQUIRE(send(import, 0, 1));
  nicsim.start(1);
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> sent{1};
  for (int number = 0; number < 3; ++number) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 3000; ++i) {
        if (i % 10 == 0) {
          const std::uint64_t ticket = post(import);
          // Served before it, or after its end.
          if (send(import, 8, i)) {
            CHECK(queue.has_completed(ticket + 1));
            ++sent;
          }
        } else if (store(import, 8, i) || send(import, 8, i)) {
          ++sent;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  nicsim.stop();
  CHECK(counts(import).transfers == sent);
}

namespace {

HostRig* rig = nullptr;
Import handlers_import;

void send_in_handler(int) {
  if (!store(handlers_import, 64, 1)) (void)rig->send(handlers_import, 64, 1);
}

}  // namespace

// The one who makes itself known waits for the owner, who may be in a handler; the one who makes
// itself known may be interrupted itself.
TEST_CASE_FIXTURE(HostRig, "a second thread comes while handlers of both send") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  rig = this;
  ::signal(SIGUSR1, send_in_handler);
  for (int time = 0; time < 300; ++time) {
    handlers_import = open(buffer);
    std::atomic<bool> owned{false};
    std::atomic<bool> stop{false};
    std::thread owner([&] {
      const SignalStorm storm(SIGUSR1, 15'000);
      std::vector<std::byte> bytes(kLength);
      while (!stop) {
        (void)host.send(at(handlers_import, 0), bytes.data(), bytes.size());
        owned = true;
      }
    });
    while (!owned) ::sched_yield();
    {
      const SignalStorm storm(SIGUSR1, 15'000);
      for (int i = 0; i < 50; ++i) (void)send(handlers_import, 8, 1);
    }
    stop = true;
    owner.join();
    CHECK(send(handlers_import, 8, 1));
    close(handlers_import);
  }
  ::signal(SIGUSR1, SIG_DFL);
}

namespace {

std::atomic<int> handler_stage{0};
std::atomic<bool> handler_sent{false};

void wait_and_send_in_handler(int) {
  handler_stage = 1;
  while (handler_stage == 1) ::sched_yield();
  handler_sent = store(handlers_import, 64, 1) || rig->send(handlers_import, 64, 1);
  handler_stage = 3;
}

}  // namespace

TEST_CASE_FIXTURE(HostRig,
                  "who is inside can send in a handler while a second thread waits for it") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  rig = this;
  handlers_import = open(buffer);
  handler_stage = 0;
  ::signal(SIGUSR1, wait_and_send_in_handler);
  std::thread owner([&] {
    auto fill = [&](std::byte* to, std::size_t n) {
      ::raise(SIGUSR1);
      std::memset(to, 3, n);
    };
    CHECK(host.send_filled(at(handlers_import, 8), 8, fill));
  });
  while (handler_stage != 1) ::sched_yield();
  std::thread second([&] {
    while (!send(handlers_import, 16, 1)) ::sched_yield();
  });
  // Now it waits for the owner to leave.
  while ((record_of(handlers_import).owner & 2) == 0) ::sched_yield();
  handler_stage = 2;
  owner.join();
  second.join();
  CHECK(handler_stage == 3);
  CHECK_FALSE(handler_sent);  // nicsim is to be asked
  CHECK(look(buffer.memory.data() + 16) == 1);
  ::signal(SIGUSR1, SIG_DFL);
}

TEST_CASE_FIXTURE(HostRig, "nobody waits for ever for an owner who stays inside") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  REQUIRE(send(import, 0, 1));
  std::uint32_t before = 0;
  REQUIRE(
      host_executor::enter(record_of(import), before));  // as if a handler had interrupted it here
  bool sent = true;
  std::thread([&] { sent = send(import, 8, 2); }).join();
  CHECK_FALSE(sent);              // to be posted
  CHECK(host.is_inside(import));  // although the record is not this thread's own any more
  host_executor::leave(record_of(import), before);
  CHECK_FALSE(host.is_inside(import));
  std::thread([&] { sent = send(import, 8, 3); }).join();
  CHECK(sent);
  CHECK(send(import, 0, 4));
  CHECK(counts(import).transfers == 3);
  close(import);
}

// S9.2: of two processes of which each sends and then fetches what the other has sent, one at least
// finds it. Two imports stand for the two processes; each pair of words is used once a round.
TEST_CASE_FIXTURE(HostRig, "a fetch is carried out after the sends before it") {
  const Watchdog watchdog;
  constexpr std::uint64_t kPairs = kLength / 128;
  const Buffer buffer = make_buffer();
  const Import imports[] = {open(buffer, 5, 7), open(buffer, 6, 8)};
  const std::uint64_t most = rounds(2000);
  std::vector<std::uint64_t> found[2] = {std::vector<std::uint64_t>(kPairs),
                                         std::vector<std::uint64_t>(kPairs)};
  std::atomic<std::uint64_t> arrived[2]{};
  const auto meet = [&](std::size_t me, std::uint64_t time) {
    arrived[me] = time;
    while (arrived[1 - me] < time) ::sched_yield();
  };
  std::atomic<std::uint64_t> missed{0};
  const auto run = [&](std::size_t me) {
    for (std::uint64_t round = 1; round <= most; ++round) {
      meet(me, 3 * round);
      for (std::uint64_t i = 0; i < kPairs; ++i) {
        const std::uint64_t mine = 128 * i + 64 * me;
        if (!store(imports[me], mine, round)) CHECK(send(imports[me], mine, round));
        auto* const to = reinterpret_cast<std::byte*>(&found[me][i]);
        CHECK(host.fetch(at(imports[me], 128 * i + 64 * (1 - me)), to, 8));
      }
      meet(me, 3 * round + 1);
      for (std::uint64_t i = 0; me == 0 && i < kPairs; ++i) {
        if (found[0][i] < round && found[1][i] < round) ++missed;
      }
      meet(me, 3 * round + 2);
    }
  };
  std::thread first(run, 0);
  std::thread second(run, 1);
  first.join();
  second.join();
  CHECK(missed == 0);
}
