// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The engine loop and receive rings: both get their share, and nobody who sleeps is forgotten.

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <span>
#include <thread>

#include "nicsim/frames/testing/rings_fixture.h"
#include "nicsim/frames/testing/scripted_source.h"
#include "nicsim/testing/loop_fixture.h"

using namespace vmmc;
using nicsim::FrameRings;
using nicsim::testing::FakeClient;
using nicsim::testing::open_request;
using nicsim::testing::RingClient;
using nicsim::testing::Script;
using nicsim::testing::ScriptedSource;
using nicsim::testing::some_descriptor;

namespace {

// Outlives the loop that serves them.
struct Served {
  Script script;
  std::unique_ptr<FrameRings> rings;
};

struct RingsLoopFixture : Served, nicsim::testing::LoopFixture {
  std::unique_ptr<FakeClient> owner = client(0);

  RingsLoopFixture() {
    inside([this] {
      rings = std::make_unique<FrameRings>(
          context, machine, [this](const wire::OpenRingRequest&, platform::FileDescriptor) {
            return std::make_unique<ScriptedSource>(script);
          });
      loop.serve(*rings);
    });
  }
  ~RingsLoopFixture() {
    inside([this] { rings->leave(*owner->process); });
  }
  RingClient open(wire::FrameSourceKind source = wire::FrameSourceKind::kCaptureFile) {
    return inside([&] {
      const bool comes = source != wire::FrameSourceKind::kBackplane;
      return RingClient(rings->open(*owner->process, open_request(1, source),
                                    comes ? some_descriptor() : platform::FileDescriptor()));
    });
  }
  // So many frames, as the library would read them.
  void read(RingClient& reader, std::uint64_t count) {
    while (count > 0) {
      if (reader.consumer->next() != nullptr) {
        --count;
      } else if (reader.consumer->must_ring()) {
        ring(*owner);
      } else if (reader.consumer->arm()) {
        pollfd poll{reader.pipe(), POLLIN, 0};
        while (::poll(&poll, 1, -1) < 1) {
        }
        char byte;
        (void)!::read(reader.pipe(), &byte, 1);
      }
    }
  }
  bool is_asleep() const {
    const int before = script.takes;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return script.takes == before;
  }
};

}  // namespace

TEST_CASE_FIXTURE(RingsLoopFixture, "a file of any length flows through four blocks") {
  script.available = 100'000;
  RingClient reader = open();
  read(reader, 100'000);
  CHECK(reader.consumer->port().counters.delivered == 100'000);
  CHECK(reader.consumer->port().counters.dropped == 0);
}

TEST_CASE_FIXTURE(RingsLoopFixture, "transfers go on while frames never end") {
  script.available = UINT64_MAX;
  script.waits = false;
  auto receiver = client(0);
  auto sender = client(1);
  const auto import = connect(*receiver, *sender, 1, 0, 64);
  const RingClient reader = open();
  const std::uint64_t word = 1;
  for (std::uint64_t i = 0; i < 100; ++i) {
    sender->post(import, 0, std::as_bytes(std::span(&word, 1)));
    ring_if_asked(*sender);
    await([&] { return completed(*sender) == i + 1; });
  }
  CHECK(reader.consumer->port().counters.dropped > 0);
}

TEST_CASE_FIXTURE(RingsLoopFixture, "a dry source lets nicsim sleep, and wakes it") {
  const platform::FileDescriptor event(::eventfd(0, EFD_NONBLOCK));
  script.descriptor = event.get();
  RingClient reader = open();
  for (int turn = 0; turn < 3; ++turn) {
    await([&] { return is_asleep(); });
    inside([&] { script.available += 5; });
    await([&] { return is_asleep(); });
    inside([&] { script.available += 5; });
    REQUIRE(::eventfd_write(event.get(), 1) == 0);
    read(reader, 10);
    eventfd_t ignored;
    REQUIRE(::eventfd_read(event.get(), &ignored) == 0);
  }
}

TEST_CASE_FIXTURE(RingsLoopFixture,
                  "who reads nothing lets nicsim sleep, and rings when he has read") {
  script.available = 10'000;
  RingClient reader = open();
  await([&] { return is_asleep(); });
  CHECK(script.takes < 1000);
  read(reader, 10'000);
}

TEST_CASE_FIXTURE(RingsLoopFixture, "nicsim comes back at the source's time") {
  script.next_time = [] {
    return nicsim::FrameSource::Clock::now() + std::chrono::milliseconds(5);
  };
  RingClient reader = open();
  const int before = script.takes;
  await([&] { return script.takes > before + 5; });
  inside([&] { script.available = 1; });
  read(reader, 1);
}

TEST_CASE_FIXTURE(RingsLoopFixture, "packets of the backplane reach a sleeping reader") {
  auto receiver = client(0);
  auto sender = client(1);
  const auto import = connect(*receiver, *sender, 1, 0, 64);
  RingClient reader = open(wire::FrameSourceKind::kBackplane);
  const std::uint64_t word = 1;
  for (int i = 0; i < 20; ++i) {
    sender->post(import, 0, std::as_bytes(std::span(&word, 1)));
    ring_if_asked(*sender);
    read(reader, 1);
  }
  CHECK(reader.consumer->port().counters.delivered == 20);
}
