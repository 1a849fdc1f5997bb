// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/ocean.h"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/figures/crew.h"
#include "bench/figures/nx.h"
#include "nicsim/sim/machine.h"

namespace vmmc::figures {

using nicsim::sim::Process;
using nicsim::sim::SimulatedMachine;
using nicsim::sim::Task;

namespace {

// Offsets in the endpoint's memory.
constexpr std::uint32_t kOut = 0;
constexpr std::uint32_t kIn = 16384;
constexpr std::uint32_t kMemory = 2 * kIn;

class Strip {
 public:
  Strip(Process& self, const OceanOptions& options, const LibraryCosts& costs)
      : self_(self),
        options_(options),
        work_ns_(costs.ocean_point * options.points * options.points / options.nodes),
        row_bytes_(8 * options.points),
        nx_(self, options.nodes, kMemory, {costs.nx_send, costs.nx_receive}) {}

  Task<> connect() {
    std::set<std::uint32_t> peers;
    if (self_.number() > 0) peers.insert(self_.number() - 1);
    if (self_.number() + 1 < options_.nodes) peers.insert(self_.number() + 1);
    for (std::uint32_t bit = 1; bit < options_.nodes; bit *= 2) peers.insert(self_.number() ^ bit);
    co_await nx_.connect({peers.begin(), peers.end()});
  }

  Task<> iterate() {
    for (iteration_ = 1; iteration_ <= options_.iterations; ++iteration_) {
      const auto n = self_.number();
      // Even ones send first, so that not everybody waits for his neighbour.
      for (const bool sends : {n % 2 == 0, n % 2 != 0}) {
        if (n > 0) co_await exchange(n - 1, sends, row_bytes_);
        if (n + 1 < options_.nodes) co_await exchange(n + 1, sends, row_bytes_);
      }
      co_await self_.compute(work_ns_);
      for (std::uint32_t bit = 1; bit < options_.nodes; bit *= 2) {
        const std::uint32_t partner = n ^ bit;
        co_await exchange(partner, n < partner, 8);
        co_await exchange(partner, n > partner, 8);
      }
    }
  }

 private:
  std::uint32_t mark(std::uint32_t process) const { return iteration_ << 8 | process; }

  Task<> exchange(std::uint32_t peer, bool sends, std::uint32_t bytes) {
    const auto words = nx_.memory().words<std::uint32_t>();
    if (sends) {
      std::ranges::fill(words.subspan(kOut / 4, bytes / 4), mark(self_.number()));
      co_await nx_.csend(peer, kOut, bytes);
      co_return;
    }
    co_await nx_.crecv(peer, kIn, bytes);
    const auto row = words.subspan(kIn / 4, bytes / 4);
    if (!std::ranges::all_of(row, [&](std::uint32_t w) { return w == mark(peer); }))
      throw std::runtime_error("ocean: a row is not its sender's");
  }

  Process& self_;
  const OceanOptions& options_;
  double work_ns_;
  std::uint32_t row_bytes_;
  NxEndpoint nx_;
  std::uint32_t iteration_ = 0;
};

}  // namespace

double ocean_us(const TimingModel& model, const LibraryCosts& costs, const OceanOptions& options) {
  double begun = 0;
  double ended = 0;
  SimulatedMachine machine(model, shape_of(options.nodes));
  for (std::uint32_t node = 0; node < options.nodes; ++node) {
    machine.start(node, "strip " + std::to_string(node), [&](Process& self) -> Task<> {
      Strip strip(self, options, costs);
      co_await strip.connect();
      begun = std::max(begun, self.clock());
      co_await strip.iterate();
      ended = std::max(ended, self.clock());
    });
  }
  machine.run();
  return (ended - begun) / 1000;
}

}  // namespace vmmc::figures
