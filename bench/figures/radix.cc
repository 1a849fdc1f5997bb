// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/radix.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/figures/crew.h"
#include "nicsim/sim/machine.h"
#include "nicsim/sim/traffic_random.h"

namespace vmmc::figures {

using nicsim::sim::Binding;
using nicsim::sim::Buffer;
using nicsim::sim::Process;
using nicsim::sim::Proxy;
using nicsim::sim::SimulatedMachine;
using nicsim::sim::Task;

namespace {

constexpr std::uint32_t kDigits = 1u << kDigitBits;
constexpr std::uint32_t kKeyBits = kDigitBits * kPasses;
constexpr std::uint32_t kArrayId = 501;  // and the next one: a pass reads one and writes the other
constexpr std::uint32_t kCountsId = 503;

// Of all nodes; the same everywhere.
std::vector<std::uint32_t> random_keys(std::uint32_t count) {
  nicsim::sim::TrafficRandom random(0);
  std::vector<std::uint32_t> keys(count);
  for (std::uint32_t& key : keys)
    key = static_cast<std::uint32_t>(random.next() >> (64 - kKeyBits));
  return keys;
}

class Sorter {
 public:
  Sorter(Process& self, const RadixOptions& options)
      : self_(self),
        options_(options),
        mine_(options.keys / options.nodes),
        crew_(self, options.nodes),
        arrays_{self.allocate(4 * std::size_t{mine_}), self.allocate(4 * std::size_t{mine_})},
        counts_(self.allocate(4 * std::size_t{kDigits} * options.nodes)) {}

  // `all`: the keys of all processes.
  Task<> connect(std::span<const std::uint32_t> all) {
    std::ranges::copy(all.subspan(std::size_t{self_.number()} * mine_, mine_),
                      arrays_[0].words<std::uint32_t>().begin());
    co_await crew_.connect();
    for (std::uint32_t a = 0; a < 2; ++a) co_await self_.export_buffer(kArrayId + a, arrays_[a]);
    co_await self_.export_buffer(kCountsId, counts_);
    for (std::uint32_t node = 0; node < options_.nodes; ++node) {
      for (std::uint32_t a = 0; a < 2; ++a) {
        proxies_[a].push_back(co_await self_.import(node, kArrayId + a));
        if (options_.update == Update::kAutomatic) {
          bound_[a].push_back(self_.bind(self_.allocate(arrays_[a].size()), proxies_[a].back(),
                                         arrays_[a].size(), {.combining = options_.combining}));
        }
      }
      count_proxies_.push_back(co_await self_.import(node, kCountsId));
    }
    co_await crew_.barrier();
  }

  Task<> sort() {
    for (std::uint32_t pass = 0; pass < kPasses; ++pass) {
      co_await count_digits(pass);
      co_await crew_.barrier();
      find_places();
      co_await self_.compute(kDigits * options_.nodes * kSumNs);
      co_await put_keys(pass);
      co_await self_.fence();
      co_await crew_.barrier();
    }
  }

  std::span<const std::uint32_t> sorted() const {
    return arrays_[kPasses % 2].words<std::uint32_t>().first(mine_);
  }

 private:
  // Adding one word to another: a few cycles at 60 MHz.
  static constexpr double kSumNs = 50;

  static std::uint32_t digit(std::uint32_t key, std::uint32_t pass) {
    return key >> (pass * kDigitBits) & (kDigits - 1);
  }
  std::span<const std::uint32_t> keys(std::uint32_t pass) const {
    return arrays_[pass % 2].words<std::uint32_t>().first(mine_);
  }

  // Half of the work for a key is to count it, half to find its place.
  Task<> count_digits(std::uint32_t pass) {
    const std::size_t at = 4 * std::size_t{kDigits} * self_.number();
    auto mine = counts_.words<std::uint32_t>().subspan(at / 4, kDigits);
    std::ranges::fill(mine, 0);
    for (const std::uint32_t key : keys(pass)) ++mine[digit(key, pass)];
    co_await self_.compute(mine_ * options_.key_ns / 2);
    for (std::uint32_t i = 1; i < options_.nodes; ++i) {
      const std::uint32_t to = (self_.number() + i) % options_.nodes;
      co_await self_.send(counts_ + at, count_proxies_[to] + at, 4 * kDigits);
    }
    co_await self_.fence();
  }

  void find_places() {
    const auto all = counts_.words<std::uint32_t>();
    std::uint32_t place = 0;
    for (std::uint32_t d = 0; d < kDigits; ++d) {
      for (std::uint32_t node = 0; node < options_.nodes; ++node) {
        if (node == self_.number()) places_[d] = place;
        place += all[std::size_t{node} * kDigits + d];
      }
    }
  }

  Task<> put_keys(std::uint32_t pass) {
    const std::span<const std::uint32_t> from = keys(pass);
    for (std::uint32_t i = 0; i < mine_;) {
      const std::uint32_t place = places_[digit(from[i], pass)]++;
      std::uint32_t run = 1;
      if (options_.update == Update::kDeliberate) run = run_from(from, i, place, pass);
      co_await self_.compute(run * options_.key_ns / 2);
      co_await put(&from[i], run, place, pass);
      i += run;
    }
  }

  // How many keys from `first` on go to places that follow each other in one process's memory.
  std::uint32_t run_from(std::span<const std::uint32_t> from, std::uint32_t first,
                         std::uint32_t place, std::uint32_t pass) {
    std::uint32_t run = 1;
    while (first + run < mine_ && (place + run) % mine_ != 0) {
      std::uint32_t& next = places_[digit(from[first + run], pass)];
      if (next != place + run) break;
      ++next;
      ++run;
    }
    return run;
  }

  Task<> put(const std::uint32_t* from, std::uint32_t run, std::uint32_t place,
             std::uint32_t pass) {
    const std::uint32_t node = place / mine_;
    const std::uint64_t offset = 4 * std::uint64_t{place % mine_};
    const std::uint32_t to = (pass + 1) % 2;
    if (node == self_.number()) {
      std::memcpy(arrays_[to] + offset, from, 4 * std::size_t{run});
    } else if (options_.update == Update::kAutomatic) {
      co_await self_.store(bound_[to][node] + offset, *from);
    } else {
      co_await self_.send(from, proxies_[to][node] + offset, 4 * run);
    }
  }

  Process& self_;
  const RadixOptions& options_;
  std::uint32_t mine_;  // keys of a process
  CrewMember crew_;
  std::array<Buffer, 2> arrays_;
  Buffer counts_;  // of all processes
  std::array<std::vector<Proxy>, 2> proxies_;
  std::array<std::vector<Binding>, 2> bound_;
  std::vector<Proxy> count_proxies_;
  std::array<std::uint32_t, kDigits> places_{};
};

void check_sorted(const std::vector<std::uint32_t>& found, std::vector<std::uint32_t> expected) {
  std::ranges::sort(expected);
  if (found != expected) throw std::runtime_error("radix sort: the keys are not sorted");
}

}  // namespace

double radix_us(const TimingModel& model, const RadixOptions& options) {
  double begun = 0;
  double ended = 0;
  const std::vector<std::uint32_t> keys = random_keys(options.keys);
  std::vector<std::uint32_t> found(options.keys);
  SimulatedMachine machine(model, shape_of(options.nodes));
  for (std::uint32_t node = 0; node < options.nodes; ++node) {
    machine.start(node, "sorter " + std::to_string(node), [&](Process& self) -> Task<> {
      Sorter sorter(self, options);
      co_await sorter.connect(keys);
      begun = std::max(begun, self.clock());
      co_await sorter.sort();
      ended = std::max(ended, self.clock());
      const auto sorted = sorter.sorted();
      std::ranges::copy(sorted, found.begin() + std::ptrdiff_t{self.number()} * std::ssize(sorted));
    });
  }
  machine.run();
  check_sorted(found, keys);
  return (ended - begun) / 1000;
}

double radix_speedup(const TimingModel& model, const RadixOptions& options) {
  RadixOptions alone = options;
  alone.nodes = 1;
  return radix_us(model, alone) / radix_us(model, options);
}

}  // namespace vmmc::figures
