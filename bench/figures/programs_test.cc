// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The libraries and programs themselves: that messages arrive whole and in order, that keys are sorted.

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bench/figures/crew.h"
#include "bench/figures/measures.h"
#include "bench/figures/nx.h"
#include "bench/figures/ocean.h"
#include "bench/figures/radix.h"
#include "bench/figures/sockets.h"
#include "nicsim/model/model_file.h"
#include "nicsim/sim/machine.h"

namespace vmmc::figures {
namespace {

using nicsim::sim::Buffer;
using nicsim::sim::Process;
using nicsim::sim::SimulatedMachine;
using nicsim::sim::Task;

constexpr NxCosts kNoCosts{.send_ns = 0, .receive_ns = 0};

struct Fixture {
  Fixture() { ::alarm(60); }
  ~Fixture() { ::alarm(0); }
  TimingModel shrimp = nicsim::model::load_model("shrimp-2").value().values;
  TimingModel vmmc2 = nicsim::model::load_model("myrinet-vmmc2").value().values;
};

TEST_CASE_FIXTURE(Fixture,
                  "NX messages of all sizes arrive whole, in order, more than there are credits") {
  const std::vector<std::uint32_t> sizes = {4, 8, 4, 2048, 2052, 4, 40000, 1024, 4, 4,   4,
                                            4, 4, 4, 4,    4,    4, 4,     4,    4, 8192};
  std::uint32_t right = 0;
  SimulatedMachine machine(shrimp, {.rows = 1, .columns = 2});
  const auto word = [](std::size_t message, std::size_t i) {
    return static_cast<std::uint32_t>(message * 100003 + i + 1);
  };
  machine.start(0, "sender", [&](Process& self) -> Task<> {
    NxEndpoint nx(self, 2, 40960, kNoCosts);
    co_await nx.connect(std::vector(1, 1u));
    for (std::size_t m = 0; m < sizes.size(); ++m) {
      for (std::size_t i = 0; i < sizes[m] / 4; ++i)
        nx.memory().words<std::uint32_t>()[i] = word(m, i);
      co_await nx.csend(1, 0, sizes[m]);
    }
  });
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    NxEndpoint nx(self, 2, 40960, kNoCosts);
    co_await nx.connect(std::vector(1, 0u));
    co_await self.compute(1e7);  // the sender runs out of credits meanwhile
    for (std::size_t m = 0; m < sizes.size(); ++m) {
      co_await nx.crecv(0, 64, sizes[m]);
      bool good = true;
      for (std::size_t i = 0; i < sizes[m] / 4; ++i)
        good &= nx.memory().word<std::uint32_t>(64 + 4 * i) == word(m, i);
      if (good) ++right;
    }
  });
  machine.run();
  CHECK(right == sizes.size());
}

// Writes of other sizes than reads, many times around the ring.
std::uint32_t stream(const TimingModel& model, bool redirection) {
  constexpr std::uint32_t kTotal = 1000000;
  const SocketCosts costs{.write_ns = 100, .read_ns = 100, .redirection = redirection};
  std::uint32_t right = 0;
  SimulatedMachine machine(model, {.rows = 1, .columns = 2});
  machine.start(0, "writer", [&](Process& self) -> Task<> {
    Socket socket(self, costs);
    co_await socket.connect(1);
    Buffer all = self.allocate(kTotal);
    for (std::uint32_t i = 0; i < kTotal / 4; ++i) all.words<std::uint32_t>()[i] = i * 7 + 1;
    std::uint32_t size = 4;
    for (std::uint32_t at = 0; at < kTotal; at += size, size = size * 5 % 300000 / 4 * 4 + 4) {
      size = std::min(size, kTotal - at);
      co_await socket.write(all + at, size);
    }
  });
  machine.start(1, "reader", [&](Process& self) -> Task<> {
    Socket socket(self, costs);
    co_await socket.connect(0);
    Buffer some = self.allocate(10000);
    for (std::uint32_t at = 0; at < kTotal; at += 10000) {
      co_await socket.read(some.data(), 10000);
      for (std::uint32_t i = 0; i < 2500; ++i)
        right += some.words<std::uint32_t>()[i] == (at / 4 + i) * 7 + 1 ? 4 : 0;
    }
  });
  machine.run();
  return right;
}

TEST_CASE_FIXTURE(Fixture, "a socket's stream arrives as it was written") {
  CHECK(stream(shrimp, false) == 1000000);
  CHECK(stream(vmmc2, true) == 1000000);
}

TEST_CASE_FIXTURE(Fixture, "nobody leaves a barrier before all have come") {
  constexpr std::uint32_t kProcesses = 8;
  SimulatedMachine machine(shrimp, shape_of(kProcesses));
  std::vector<int> come(20);
  std::uint32_t early = 0;
  for (std::uint32_t p = 0; p < kProcesses; ++p) {
    machine.start(p, "member", [&](Process& self) -> Task<> {
      CrewMember crew(self, kProcesses);
      co_await crew.connect();
      for (std::uint32_t round = 0; round < come.size(); ++round) {
        co_await self.compute((self.number() * 7919 + round * 104729) % 50000);
        ++come[round];
        co_await crew.barrier();
        if (come[round] != static_cast<int>(kProcesses)) ++early;
      }
    });
  }
  machine.run();
  CHECK(early == 0);
}

TEST_CASE_FIXTURE(
    Fixture,
    "keys are sorted by both updates and on any number of nodes, and time is deterministic") {
  for (const Update update : {Update::kAutomatic, Update::kDeliberate}) {
    for (const std::uint32_t nodes : {1u, 2u, 8u}) {
      const RadixOptions options{.nodes = nodes, .keys = 8192, .update = update, .key_ns = 500};
      CHECK(radix_us(shrimp, options) == radix_us(shrimp, options));  // throws if not sorted
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "the ocean-like program is faster on more nodes") {
  const LibraryCosts costs = library_costs();
  const double alone = ocean_us(shrimp, costs, {.nodes = 1, .points = 128, .iterations = 4});
  const double four = ocean_us(shrimp, costs, {.nodes = 4, .points = 128, .iterations = 4});
  CHECK(four < alone);
  CHECK(four > alone / 4);
}

TEST_CASE_FIXTURE(Fixture, "the smallest message for which deliberate update is faster") {
  const auto size = static_cast<std::uint32_t>(crossover_bytes(shrimp).value());
  CHECK(message_latency_us(shrimp, Update::kDeliberate, size) <
        message_latency_us(shrimp, Update::kAutomatic, size));
  CHECK(message_latency_us(shrimp, Update::kDeliberate, size - 4) >=
        message_latency_us(shrimp, Update::kAutomatic, size - 4));
}

TEST_CASE_FIXTURE(Fixture, "with stores as fast as that deliberate update is never faster") {
  shrimp.processor.store_ns = 100;
  CHECK_FALSE(crossover_bytes(shrimp).has_value());
}

TEST_CASE_FIXTURE(Fixture, "one way a stream of messages is faster than message by message") {
  const LibraryCosts costs = library_costs();
  const double one_way = socket_stream_mb_per_s(shrimp, costs, 65536, 10);
  CHECK(one_way > 65536 / socket_latency_us(shrimp, costs, 65536));
  CHECK(one_way < stream_mb_per_s(shrimp, Update::kDeliberate, 65536, 10));
  CHECK(redirected_socket_stream_mb_per_s(vmmc2, costs, 65536, 10) >
        65536 / redirected_socket_latency_us(vmmc2, costs, 65536));
}

}  // namespace
}  // namespace vmmc::figures
