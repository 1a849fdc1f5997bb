// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include <array>
#include <utility>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/rtz.hpp"
#include "vmmc/vmmc.hpp"

using namespace vmmc::testing;

namespace {

constexpr vmmc::rtz_budget kBudget{10, 1'000'000, 9000, 1'000'000'000};

struct Sample {
  int number;
  double value;
};

void receive_samples(Part&) {
  EXPECT(vmmc_init(nullptr) == VMMC_OK);
  auto channel = vmmc::rtz_receiver::open(5, kBudget);
  EXPECT(channel);
  EXPECT(channel->budget()->longest == kBudget.longest);
  for (int i = 0; i < 100; ++i) {
    auto datagram = channel->receive();
    EXPECT(datagram);
    const auto sample = datagram->as<Sample>();
    EXPECT(sample);
    EXPECT((sample->number == i && sample->value == i / 2.0));
    EXPECT(!datagram->as<int>());
    const auto kept = std::move(*datagram);  // returned once, when this ends
  }
  const auto last = channel->receive();
  EXPECT(last);
  EXPECT(last->bytes().size() == 9000);
  EXPECT(last->tag() == 6);
  EXPECT(channel->receive().error() == VMMC_END);
}

void send_samples(Part&) {
  EXPECT(vmmc_init(nullptr) == VMMC_OK);
  vmmc_identity receiver{};
  EXPECT(vmmc_identity_of_rank(0, &receiver) == VMMC_OK);
  auto channel = vmmc::rtz_sender::connect(receiver, 5);
  EXPECT(channel);
  for (int i = 0; i < 100;) {
    const auto sent = channel->send(Sample{i, i / 2.0});
    EXPECT((sent || sent.error() == VMMC_ERR_OVER_BUDGET || sent.error() == VMMC_ERR_NO_PAGE));
    if (sent) ++i;
  }
  static constexpr std::array<std::byte, 9000> kBytes{};
  while (!channel->send_copy(kBytes, 6)) {
  }
}

}  // namespace

TEST_CASE("values and bytes go through a channel, and every page comes back") {
  NicsimProcess nicsim;
  run_processes(nicsim, {receive_samples, send_samples});
}
