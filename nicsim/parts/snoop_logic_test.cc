// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/snoop_logic.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

using namespace vmmc::nicsim::parts;

namespace {

struct Fixture : SnoopLogic::Port {
  EventQueue queue;
  SnoopLogic snoop{queue, {.present = 1, .latency_ns = 31}, *this};
  Operation operation;
  std::vector<std::pair<Time, Snooped::Kind>> out;
  std::vector<std::uint64_t> offsets;

  void snooped(const Snooped& seen) override {
    out.emplace_back(queue.now(), seen.kind);
    offsets.push_back(seen.offset);
  }
};

using Kind = Snooped::Kind;

}  // namespace

TEST_CASE_FIXTURE(Fixture, "snoop logic: what goes in comes out in its turn, a latency later") {
  snoop.see({Kind::kStore, &operation, 8, 4});
  queue.run_until(from_ns(10));
  snoop.see({Kind::kOrder, &operation});
  snoop.see({Kind::kStore, &operation, 12, 4});
  snoop.see({Kind::kFlush, nullptr});
  queue.run();
  CHECK(out == std::vector<std::pair<Time, Kind>>{{from_ns(31), Kind::kStore},
                                                  {from_ns(41), Kind::kOrder},
                                                  {from_ns(41), Kind::kStore},
                                                  {from_ns(41), Kind::kFlush}});
  CHECK(offsets == std::vector<std::uint64_t>{8, 0, 12, 0});
}

TEST_CASE_FIXTURE(Fixture, "snoop logic: it counts stores only, and is empty when all are out") {
  CHECK(snoop.empty());
  snoop.see({Kind::kFlush, nullptr});
  snoop.see({Kind::kStore, &operation, 0, 8});
  snoop.see({Kind::kStore, &operation, 8, 4});
  CHECK_FALSE(snoop.empty());
  queue.run();
  CHECK(snoop.empty());
  CHECK(snoop.counters().stores == 2);
  CHECK(snoop.counters().bytes == 12);
}

TEST_CASE_FIXTURE(Fixture, "snoop logic: the bytes are those of the time of the store") {
  Snooped store{Kind::kStore, &operation, 0, 4, {std::byte{1}, std::byte{2}}};
  struct Keep : SnoopLogic::Port {
    void snooped(const Snooped& seen) override { last = seen; }
    Snooped last{};
  } keep;
  SnoopLogic other(queue, {.present = 1, .latency_ns = 5}, keep);
  other.see(store);
  store.bytes[0] = std::byte{9};
  queue.run();
  CHECK(keep.last.bytes[0] == std::byte{1});
  CHECK(keep.last.bytes[1] == std::byte{2});
  CHECK(keep.last.operation == &operation);
}
