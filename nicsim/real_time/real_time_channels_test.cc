// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/real_time_channels.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <vector>

#include "nicsim/real_time/testing/channel_ends.h"

namespace vmmc::nicsim::real_time {
namespace {

using wire::ChannelState;
using wire::ExecutorDemand;
using wire::Status;

// Descriptors as a process has them after the message.
std::vector<platform::FileDescriptor> received(const ChannelAnswer& answer) {
  std::vector<platform::FileDescriptor> result;
  for (std::size_t n = 0; n < answer.descriptors.count; ++n) {
    result.emplace_back(::fcntl(answer.descriptors.numbers[n], F_DUPFD_CLOEXEC, 0));
    REQUIRE(result.back().valid());
  }
  return result;
}

bool is_readable(int descriptor) {
  pollfd poll{descriptor, POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}
void silence(int bell) {
  std::uint64_t rings = 0;
  while (is_readable(bell)) REQUIRE(::read(bell, &rings, sizeof rings) > 0);
}

struct Mapped {
  explicit Mapped(const platform::FileDescriptor& file)
      : there(::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, file.get(), 0)) {
    REQUIRE(there != MAP_FAILED);
  }
  ~Mapped() { ::munmap(there, kBytes); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  const wire::ChannelVerdict& operator*() const {
    return *static_cast<const wire::ChannelVerdict*>(there);
  }
  const wire::ChannelVerdict* operator->() const { return &**this; }
  static constexpr std::size_t kBytes = sizeof(wire::ChannelVerdict);
  void* there;
};

wire::OpenChannelRequest open_request(std::uint32_t id, ExecutorDemand executor = {}) {
  wire::OpenChannelRequest request{};
  request.header = {wire::kMagic, wire::kVersion, wire::MessageType::kOpenChannel, 7, Status::kOk};
  request.channel = id;
  request.messages = 10;
  request.period = 1'000'000;
  request.deadline = 500'000;
  request.longest = 10'000;
  request.depth = 4;
  request.executor = executor;
  request.user = wire::kAnyUser;
  request.from_node = wire::kAnyNode;
  request.from_process = wire::kAnyProcess;
  return request;
}

struct Fixture {
  Fixture() {
    receiver.id = 1;
    sender.id = 2;
    sender.node = 3;
    sender.uid = 1000;
    channels.limit({.packet_ns = 1000});
  }
  wire::ConnectChannelRequest connect_request(std::uint32_t id) const {
    wire::ConnectChannelRequest request{};
    request.node = receiver.node;
    request.process = receiver.id;
    request.channel = id;
    return request;
  }
  Status try_connect(std::uint32_t id) {
    return channels.connect(sender, connect_request(id)).reply.header.status;
  }
  Status try_open(const wire::OpenChannelRequest& request) {
    return channels.open(receiver, request).reply.header.status;
  }

  Instruments instruments;
  RealTimeChannels channels{instruments};
  Process receiver{1 << 20};
  Process sender{1 << 20};
};

TEST_CASE("opened, connected, closed by the sender and then by the receiver") {
  Fixture f;
  const auto opened = f.channels.open(f.receiver, open_request(5));
  REQUIRE(opened.reply.header.status == Status::kOk);
  CHECK(opened.reply.header.request == 7);
  const auto to_receiver = received(opened);
  REQUIRE(to_receiver.size() == 5);
  const Mapped verdict(to_receiver[3]);
  CHECK(verdict->magic == wire::kMagic);
  CHECK(verdict->buffer_bytes == 12'288);
  CHECK(verdict->messages == 10);
  CHECK(verdict->state.load() == static_cast<std::uint32_t>(ChannelState::kOffered));
  CHECK(f.channels.count() == 1);
  CHECK(f.channels.memory() > 4 * (2 * 12'288 + 4096));

  const auto connected = f.channels.connect(f.sender, f.connect_request(5));
  REQUIRE(connected.reply.header.status == Status::kOk);
  CHECK(received(connected).size() == 5);
  CHECK(connected.reply.handle != opened.reply.handle);
  CHECK(verdict->state.load() == static_cast<std::uint32_t>(ChannelState::kConnected));
  CHECK(verdict->executor.load() == static_cast<std::uint32_t>(ExecutorDemand::kHost));
  CHECK(f.try_connect(5) == Status::kChannelTaken);
  CHECK(!f.instruments.by_packet());

  const int bell = to_receiver[4].get();
  silence(bell);
  CHECK(f.channels.close(f.sender, opened.reply.handle) == Status::kUnknownChannel);
  CHECK(f.channels.close(f.sender, connected.reply.handle) == Status::kOk);
  CHECK(verdict->state.load() == static_cast<std::uint32_t>(ChannelState::kSenderEnded));
  CHECK(verdict->status.load() == 0);
  CHECK(is_readable(bell));
  CHECK(f.try_connect(5) == Status::kChannelTaken);
  CHECK(f.channels.close(f.receiver, opened.reply.handle) == Status::kOk);
  CHECK(f.channels.count() == 0);
  CHECK(f.channels.memory() == 0);
  CHECK(f.try_connect(5) == Status::kUnknownChannel);
}

TEST_CASE("what is refused, with the figures") {
  Fixture f;
  auto request = open_request(1);
  request.executor = static_cast<ExecutorDemand>(3);
  CHECK(f.try_open(request) == Status::kInvalidRights);
  request = open_request(1);
  request.depth = 0;
  CHECK(f.try_open(request) == Status::kBadBudget);
  request.depth = wire::kMaxChannelDepth + 1;
  CHECK(f.try_open(request) == Status::kBadBudget);
  request = open_request(1);
  request.deadline = 5000;
  const auto late = f.channels.open(f.receiver, request);
  CHECK(late.reply.header.status == Status::kDeadlineTooShort);
  CHECK(late.reply.needed == 31'000);
  CHECK(late.reply.available == 5000);
  CHECK(late.descriptors.count == 0);
  request = open_request(1);
  request.period = 30'000;
  CHECK(f.try_open(request) == Status::kNicOvercommitted);
  CHECK(f.try_open(open_request(1)) == Status::kOk);
  CHECK(f.try_open(open_request(1)) == Status::kDuplicateId);
  f.channels.limit({.memory = f.channels.memory() + 1000});
  CHECK(f.try_open(open_request(2)) == Status::kReservationFull);
  f.channels.limit({.channels = 1});
  CHECK(f.try_open(open_request(2)) == Status::kTooManyChannels);
  CHECK(f.channels.count() == 1);
}

TEST_CASE(
    "one process gets a quarter of the channels, rounded up, also if it keeps them as a sender") {
  Fixture f;
  f.channels.limit({.packet_ns = 100, .channels = 6});
  const auto open_own = [&](std::uint32_t id) {
    const auto opened = f.channels.open(f.receiver, open_request(id));
    REQUIRE(opened.reply.header.status == Status::kOk);
    return opened.reply.handle;
  };
  const std::uint32_t handle = open_own(1);
  REQUIRE(f.channels.connect(f.receiver, f.connect_request(1)).reply.header.status == Status::kOk);
  CHECK(f.channels.close(f.receiver, handle) == Status::kOk);
  CHECK(f.channels.count() == 1);
  (void)open_own(2);
  const auto refused = f.channels.open(f.receiver, open_request(3));
  CHECK(refused.reply.header.status == Status::kTooManyChannels);
  CHECK(refused.reply.needed == 3);
  CHECK(refused.reply.available == 2);
  // To be the sender of another's channel costs nothing.
  REQUIRE(f.channels.open(f.sender, open_request(1)).reply.header.status == Status::kOk);
  wire::ConnectChannelRequest request{};
  request.node = f.sender.node;
  request.process = f.sender.id;
  request.channel = 1;
  CHECK(f.channels.connect(f.receiver, request).reply.header.status == Status::kOk);
  f.channels.leave(f.receiver);
  (void)open_own(3);
}

TEST_CASE("descriptors are kept for clients to come") {
  Instruments instruments;
  RealTimeChannels channels(instruments, 3);
  Process receiver(1 << 20);
  CHECK(channels.open(receiver, open_request(1)).reply.header.status == Status::kOutOfMemory);
  CHECK(channels.count() == 0);
  CHECK(channels.memory() == 0);
}

TEST_CASE("who may connect") {
  Fixture f;
  auto request = open_request(1);
  request.user = 1001;
  REQUIRE(f.try_open(request) == Status::kOk);
  CHECK(f.try_connect(1) == Status::kPermissionDenied);
  request = open_request(2);
  request.from_node = 2;
  REQUIRE(f.try_open(request) == Status::kOk);
  CHECK(f.try_connect(2) == Status::kPermissionDenied);
  request = open_request(3);
  request.from_process = 9;
  REQUIRE(f.try_open(request) == Status::kOk);
  CHECK(f.try_connect(3) == Status::kPermissionDenied);
  request = open_request(4);
  request.user = 1000;
  request.from_node = 3;
  request.from_process = 2;
  REQUIRE(f.try_open(request) == Status::kOk);
  CHECK(f.try_connect(4) == Status::kOk);
  auto other = f.connect_request(4);
  other.node = 1;
  CHECK(f.channels.connect(f.sender, other).reply.header.status == Status::kUnknownChannel);
}

TEST_CASE("a channel that demands nic gives the sender no mapping of the arrival part") {
  Fixture f;
  REQUIRE(f.try_open(open_request(1, ExecutorDemand::kNic)) == Status::kOk);
  const auto connected = f.channels.connect(f.sender, f.connect_request(1));
  CHECK(connected.descriptors.count == 4);
  CHECK(f.sender.real_time_channels == 1);
  CHECK(f.instruments.by_packet());
  f.channels.leave(f.sender);
  CHECK(f.sender.real_time_channels == 0);
  CHECK(!f.instruments.by_packet());
}

TEST_CASE("while somebody watches nicsim is executor") {
  Fixture f;
  const auto opened = f.channels.open(f.receiver, open_request(1));
  const auto to_receiver = received(opened);
  const Mapped verdict(to_receiver[3]);
  const auto executor = [&] { return static_cast<ExecutorDemand>(verdict->executor.load()); };
  REQUIRE(f.try_connect(1) == Status::kOk);
  CHECK(executor() == ExecutorDemand::kHost);
  f.channels.watch(true);
  CHECK(executor() == ExecutorDemand::kNic);
  CHECK(f.instruments.by_packet());
  CHECK(f.sender.real_time_channels == 1);
  f.channels.watch(false);
  CHECK(executor() == ExecutorDemand::kHost);
  CHECK(!f.instruments.by_packet());
  CHECK(f.sender.real_time_channels == 1);  // what the sender still puts there is carried out
  f.channels.watch(true);
  CHECK(f.sender.real_time_channels == 1);
  f.channels.leave(f.receiver);
  CHECK(f.sender.real_time_channels == 0);
  CHECK(verdict->state.load() == static_cast<std::uint32_t>(ChannelState::kReceiverEnded));
  CHECK(verdict->status.load() == static_cast<std::int32_t>(Status::kPeerDead));
  CHECK(f.channels.count() == 1);
  f.channels.leave(f.sender);
  CHECK(f.channels.count() == 0);
}

TEST_CASE(
    "on the way back to host ordinary transfers go packet by packet until the queue is empty") {
  Fixture f;
  f.channels.watch(true);
  REQUIRE(f.try_open(open_request(1)) == Status::kOk);
  const auto connected = f.channels.connect(f.sender, f.connect_request(1));
  auto mapping =
      platform::SharedMapping::map(connected.descriptors.numbers[0], wire::kSourcePagesOffset);
  REQUIRE(mapping.ok());
  auto& slot = reinterpret_cast<wire::ChannelSource*>(mapping.value().data())->outgoing[0];
  slot.place = wire::DatagramPlace::kPage;
  slot.length = 10;
  slot.sequence.store(1);
  f.channels.watch(false);
  CHECK(f.instruments.by_packet());
  CHECK(f.channels.serve());
  CHECK(!f.instruments.by_packet());
}

TEST_CASE("what a sender has put into the queue before it died arrives before its end") {
  Fixture f;
  const auto opened = f.channels.open(f.receiver, open_request(1, ExecutorDemand::kNic));
  const auto to_receiver = received(opened);
  const Mapped verdict(to_receiver[3]);
  const auto connected = f.channels.connect(f.sender, f.connect_request(1));
  auto mapping =
      platform::SharedMapping::map(connected.descriptors.numbers[0], wire::kSourcePagesOffset);
  REQUIRE(mapping.ok());
  auto& slot = reinterpret_cast<wire::ChannelSource*>(mapping.value().data())->outgoing[0];
  slot.place = wire::DatagramPlace::kPage;
  slot.length = 10;
  slot.sequence.store(1);
  f.channels.leave(f.sender);
  CHECK(verdict->state.load() == static_cast<std::uint32_t>(ChannelState::kConnected));
  CHECK(f.channels.has_ready());
  CHECK(f.channels.serve());
  CHECK(verdict->carried_out.load() == 1);
  CHECK(verdict->state.load() == static_cast<std::uint32_t>(ChannelState::kSenderEnded));
  CHECK(verdict->status.load() == static_cast<std::int32_t>(Status::kPeerDead));
  CHECK(!f.channels.has_ready());
}

TEST_CASE("random comings and goings: nothing is kept of what has gone") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Instruments instruments;
  RealTimeChannels channels(instruments);
  channels.limit({.packet_ns = 100, .channels = 12});
  std::vector<std::unique_ptr<Process>> processes;
  for (std::uint32_t n = 0; n < 5; ++n) {
    processes.push_back(std::make_unique<Process>(1 << 20));
    processes.back()->id = n;
  }
  std::vector<std::pair<Process*, std::uint32_t>> handles;
  for (int step = 0; step < 3000; ++step) {
    Process& process = *processes[random() % processes.size()];
    const auto id = static_cast<std::uint32_t>(random() % 3);
    switch (random() % 8) {
      case 0:
      case 1: {
        const auto answer =
            channels.open(process, open_request(id, static_cast<ExecutorDemand>(random() % 3)));
        if (answer.reply.header.status == Status::kOk) {
          handles.emplace_back(&process, answer.reply.handle);
        }
        break;
      }
      case 2:
      case 3: {
        wire::ConnectChannelRequest request{};
        request.process = static_cast<std::uint32_t>(random() % processes.size());
        request.channel = id;
        const auto answer = channels.connect(process, request);
        if (answer.reply.header.status == Status::kOk) {
          handles.emplace_back(&process, answer.reply.handle);
        }
        break;
      }
      case 4:
      case 5: {
        if (handles.empty()) break;
        const auto which = random() % handles.size();
        CHECK(channels.close(*handles[which].first, handles[which].second) == Status::kOk);
        handles.erase(handles.begin() + static_cast<std::ptrdiff_t>(which));
        break;
      }
      case 6:
        if (random() % 4 != 0) break;
        channels.leave(process);
        std::erase_if(handles, [&](const auto& handle) { return handle.first == &process; });
        CHECK(process.real_time_channels == 0);
        break;
      default:
        channels.watch(random() % 2 == 0);
        channels.serve();
    }
    CHECK(channels.count() <= 12);
  }
  for (const auto& process : processes) channels.leave(*process);
  CHECK(channels.count() == 0);
  CHECK(channels.memory() == 0);
  CHECK(!instruments.by_packet());
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
