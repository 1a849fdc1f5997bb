// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/notification_port.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "nicsim/testing/fake_client.h"

using namespace vmmc;
using nicsim::NotificationPort;
using nicsim::testing::FakeClient;
using nicsim::testing::MachineFixture;
using wire::kNotificationSlots;

namespace {

wire::Notification numbered(std::uint64_t cookie) {
  wire::Notification notification{};
  notification.cookie = cookie;
  return notification;
}

struct PortFixture : MachineFixture {
  FakeClient client{machine, 0};
  NotificationPort& port = client.process->notifications;
  wire::NotificationDemand& demand = client.channel().notification_demand;
  std::uint64_t posted = 0;
  std::uint64_t taken = 0;

  bool post() { return port.post(numbered(posted)) && ++posted; }
  void fill() {
    for (std::uint32_t i = 0; i < kNotificationSlots; ++i) REQUIRE(post());
    REQUIRE(demand.nic_waits.load() == 0);
  }
  void keep() { REQUIRE(port.keep(numbered(posted++))); }
  // So many are there, in order.
  void take(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto notification = client.take_notification();
      REQUIRE(notification.has_value());
      REQUIRE(notification->cookie == taken++);
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(PortFixture, "notifications come in order, and go round the slots") {
  for (int i = 0; i < 5; ++i) {
    fill();
    CHECK_FALSE(port.post(numbered(0)));
    CHECK(client.must_ring_for_room());
    take(kNotificationSlots);
    CHECK_FALSE(client.take_notification().has_value());
  }
  CHECK(client.channel().counters.notifications_received.load() == 5 * kNotificationSlots);
}

TEST_CASE_FIXTURE(PortFixture,
                  "one that finds no room asks for it, and takes what there is at once") {
  fill();
  CHECK_FALSE(post());
  CHECK(demand.nic_waits.load() == 1);
  take(1);
  CHECK(post());  // the client has not rung yet
  CHECK_FALSE(post());
  CHECK(demand.nic_waits.load() == 1);
  take(1);
  CHECK(client.must_ring_for_room());
  CHECK_FALSE(client.must_ring_for_room());
  CHECK(post());
  take(kNotificationSlots);
}

TEST_CASE_FIXTURE(PortFixture, "kept ones come first, when there is room") {
  fill();
  keep();
  keep();
  CHECK_FALSE(port.post(numbered(99)));
  take(1);
  CHECK_FALSE(port.post(numbered(99)));  // the room goes to the first that was kept
  CHECK(demand.nic_waits.load() == 1);
  take(kNotificationSlots);
  CHECK(client.notifications_waiting() == 0);
  port.refill();
  CHECK(client.notifications_waiting() == 1);
  CHECK(post());
  take(2);
}

// The flag is what a client looks at that has made room.
TEST_CASE_FIXTURE(PortFixture, "who finds no room behind the kept ones has asked for it, too") {
  for (std::uint64_t room = 0; room <= 3; ++room) {
    CAPTURE(room);
    fill();
    CHECK_FALSE(port.post(numbered(99)));
    keep();
    keep();
    take(room);
    const bool fits = post();
    CHECK(fits == (room == 3));
    CHECK((fits || demand.nic_waits.load() == 1));
    take(kNotificationSlots - room);
    port.refill();
    while (client.notifications_waiting() > 0) {
      take(client.notifications_waiting());
      port.refill();
    }
    CHECK(taken == posted);
    demand.nic_waits = 0;
  }
}

TEST_CASE_FIXTURE(PortFixture, "what is kept is bounded") {
  fill();
  CHECK_FALSE(port.post(numbered(99)));
  for (std::size_t i = 0; i < NotificationPort::kMaxKept; ++i) keep();
  CHECK_FALSE(port.keep(numbered(99)));
  while (taken < posted) {
    take(client.notifications_waiting());
    port.refill();
  }
  CHECK_FALSE(client.take_notification().has_value());
}

TEST_CASE_FIXTURE(PortFixture,
                  "a client that lies about what it has consumed has no room, or loses its own") {
  fill();
  for (const std::uint64_t lie : {std::uint64_t{kNotificationSlots + 1}, UINT64_MAX,
                                  std::uint64_t{1} << 63, UINT64_MAX - kNotificationSlots}) {
    demand.consumed = lie;
    CHECK_FALSE(port.post(numbered(0)));
    CHECK(client.notifications_waiting() == kNotificationSlots);
  }
  demand.consumed = kNotificationSlots;  // says that it has read them all, and has not
  CHECK(post());
  CHECK(client.channel().notifications[0].cookie == kNotificationSlots);
}

TEST_CASE_FIXTURE(PortFixture, "the pipe is written once for each time that the client waits") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  const platform::FileDescriptor reading_end(ends[0]);
  port.set_pipe(platform::FileDescriptor(ends[1]));
  const auto written = [&] {
    char bytes[16];
    return ::read(reading_end.get(), bytes, sizeof bytes);
  };
  CHECK(post());
  CHECK(written() == -1);
  demand.client_waits = 1;
  CHECK(post());
  CHECK(demand.client_waits.load() == 0);
  CHECK(post());
  CHECK(written() == 1);
  demand.client_waits = 77;  // nonsense is as good as 1
  CHECK(post());
  CHECK(written() == 1);
}

TEST_CASE_FIXTURE(PortFixture, "a full pipe, and one that the client has closed, stop nobody") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  platform::FileDescriptor reading_end(ends[0]);
  while (::write(ends[1], "", 1) == 1) {
  }
  port.set_pipe(platform::FileDescriptor(ends[1]));
  demand.client_waits = 1;
  CHECK(post());
  ::signal(SIGPIPE, SIG_IGN);  // as nicsim does
  reading_end = platform::FileDescriptor();
  demand.client_waits = 1;
  CHECK(post());
  take(2);
}
