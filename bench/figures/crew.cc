// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/crew.h"

#include <bit>

namespace vmmc::figures {

using nicsim::sim::Combining;
using nicsim::sim::Comparison;
using nicsim::sim::Process;
using nicsim::sim::Proxy;
using nicsim::sim::Task;

namespace {

constexpr std::uint32_t kCountsId = 401;
constexpr std::uint32_t kPage = 4096;

}  // namespace

nicsim::parts::MachineShape shape_of(std::uint32_t nodes) {
  const auto bits = static_cast<std::uint32_t>(std::countr_zero(nodes));
  return {.rows = 1u << (bits / 2), .columns = 1u << (bits - bits / 2)};
}

CrewMember::CrewMember(Process& self, std::uint32_t processes)
    : self_(self), processes_(processes), counts_(self.allocate(16 * kPage)) {}

Task<> CrewMember::connect() {
  co_await self_.export_buffer(kCountsId, counts_);
  std::uint32_t round = 0;
  for (std::uint32_t distance = 1; distance < processes_; distance *= 2, ++round) {
    const std::uint32_t partner = (self_.number() + distance) % processes_;
    const Proxy proxy = co_await self_.import(partner, kCountsId);
    partners_.push_back(self_.bind(self_.allocate(kPage), proxy + round * kPage, kPage,
                                   {.combining = Combining::kSingleWrite}));
  }
}

Task<> CrewMember::barrier() {
  ++barriers_;
  for (std::uint32_t round = 0; round < partners_.size(); ++round) {
    co_await self_.store(partners_[round], barriers_);
    co_await self_.wait(&counts_.word<std::uint32_t>(round * kPage), Comparison::kAtLeast,
                        barriers_);
  }
}

}  // namespace vmmc::figures
