// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who is woken when: a sleeper pays for each wake-up that is not his, and so does nicsim.

#include <doctest/doctest.h>

#include <vector>

#include "nicsim/testing/fake_client.h"
#include "nicsim/transfer_engine.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::MachineFixture;

namespace {

struct WakeFixture : MachineFixture {
  nicsim::TransferEngine engine{machine.backplane()};
  FakeClient receiver{machine, 0, 1024};
  FakeClient sender{machine, 1, 1024};
  wire::ImportReply import;

  WakeFixture() {
    REQUIRE(receiver.export_bytes(1, 0, 1024 * 4096) == wire::Status::kOk);
    import = machine.import(*sender.process, sender.import_request(receiver, 1))->reply;
  }
  void post(std::uint64_t offset, std::uint64_t length) {
    sender.post(import, offset, wire::LocalPlace::kSegment,
                {.length = length,
                 .address = 0,
                 .segment = sender.segment,
                 .reserved = 0,
                 .message_length = 0,
                 .reserved2 = 0,
                 .immediate = 0});
  }
  void serve() {
    while (engine.serve(*sender.process) != nicsim::TransferEngine::Served::kNothing) {
    }
  }
  void watch(std::uint32_t segment, std::uint64_t offset) {
    receiver.channel().wake_request.watch_segment = segment;
    receiver.channel().wake_request.watch_offset = offset;
    receiver.channel().wake_request.armed = wire::kWakeOnWatch;
  }
  static std::uint32_t wakeups(FakeClient& client) { return client.channel().arrivals.count; }
};

}  // namespace

TEST_CASE_FIXTURE(WakeFixture, "a watched word wakes for its own bytes only") {
  watch(receiver.segment, 4096);
  post(0, 4096);     // ends in front of it
  post(4104, 4000);  // begins behind it
  serve();
  CHECK(wakeups(receiver) == 0);
  CHECK(receiver.channel().wake_request.armed == wire::kWakeOnWatch);
  post(4100, 4);  // the upper half of a word of 8 bytes
  serve();
  CHECK(wakeups(receiver) == 1);
  CHECK(receiver.channel().wake_request.armed == 0);
  watch(receiver.segment, 4096);
  post(0, 4097);
  serve();
  CHECK(wakeups(receiver) == 2);
}

TEST_CASE_FIXTURE(WakeFixture, "a long transfer wakes a watcher as soon as the word is there") {
  watch(receiver.segment, 64);
  post(0, 4 << 20);
  CHECK(engine.serve(*sender.process) == nicsim::TransferEngine::Served::kWorked);
  CHECK_FALSE(sender.completed(0));
  CHECK(wakeups(receiver) == 1);
}

TEST_CASE_FIXTURE(WakeFixture, "any arrival wakes who asked for any, once for each transfer") {
  receiver.channel().wake_request.armed = wire::kWakeOnArrival;
  post(0, 4 << 20);
  CHECK(engine.serve(*sender.process) == nicsim::TransferEngine::Served::kWorked);
  CHECK(wakeups(receiver) == 0);
  serve();
  CHECK(wakeups(receiver) == 1);
}

TEST_CASE_FIXTURE(WakeFixture, "what came of a transfer that then failed is an arrival, too") {
  post(0, 4 << 20);
  CHECK(engine.serve(*sender.process) == nicsim::TransferEngine::Served::kWorked);
  receiver.channel().wake_request.armed = wire::kWakeOnArrival;
  CHECK(machine.release_segment(*sender.process, sender.segment) == wire::Status::kOk);
  serve();
  CHECK(sender.result(0) == wire::Status::kBadSource);
  CHECK(wakeups(receiver) == 1);
}

TEST_CASE_FIXTURE(WakeFixture, "a completion wakes the sender, an arrival the receiver") {
  sender.channel().wake_request.armed = wire::kWakeOnArrival;
  receiver.channel().wake_request.armed = wire::kWakeOnCompletion;
  post(0, 8);
  serve();
  CHECK(wakeups(sender) == 0);
  CHECK(wakeups(receiver) == 0);
  sender.channel().wake_request.armed = wire::kWakeOnCompletion;
  post(0, 8);
  serve();
  CHECK(wakeups(sender) == 1);
  post(1024 * 4096, 8);  // refused, which is a completion too
  sender.channel().wake_request.armed = wire::kWakeOnCompletion;
  serve();
  CHECK(wakeups(sender) == 2);
}

TEST_CASE_FIXTURE(WakeFixture, "a watch that makes no sense wakes nobody and harms nobody") {
  for (const std::uint64_t offset : {std::uint64_t{1024} * 4096, UINT64_MAX, UINT64_MAX - 7}) {
    watch(receiver.segment, offset);
    post(0, 8);
    serve();
  }
  watch(receiver.segment + 77, 0);
  post(0, 8);
  serve();
  CHECK(wakeups(receiver) == 0);
  CHECK(sender.channel().counters.transfers_sent == 4);
}
