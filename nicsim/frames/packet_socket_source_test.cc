// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// On a pair of veth interfaces in a network namespace of the test's own. Where none can be made the
// cases that need it say so and do nothing.

#include "nicsim/frames/packet_socket_source.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "nicsim/wire/frame_ring.h"
#include "platform/system_calls.h"
#include "tests/support/faults/failing_system_calls.h"
#include "tests/support/faults/open_descriptors.h"

namespace vmmc::nicsim {
namespace {

using platform::FileDescriptor;
using wire::Status;
using Clock = FrameSource::Clock;

constexpr unsigned kPatience = 50;              // s
constexpr std::uint16_t kOurProtocol = 0x88b5;  // for experiments; nothing else sends it

bool run(const char* command) { return std::system(command) == 0; }

// The pair, up; gone with the process. False: it cannot be made here.
bool enter_namespace() {
  static const bool entered = [] {
    return (::unshare(CLONE_NEWNET) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
           run("ip link add name left type veth peer name right") && run("ip link delete left");
  }();
  return entered;
}

class Pair {
 public:
  Pair() {
    ::alarm(kPatience);
    usable_ = enter_namespace();
    if (!usable_) {
      MESSAGE("no network namespace can be made here: not tested");
      return;
    }
    REQUIRE(run("ip link add name left type veth peer name right"));
    REQUIRE(run("ip link set left addrgenmode none && ip link set right addrgenmode none"));
    REQUIRE(run("ip link set left up && ip link set right up"));
  }
  ~Pair() {
    if (usable_) run("ip link delete left 2>/dev/null");
    ::alarm(0);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  bool usable() const { return usable_; }

 private:
  bool usable_;
};

FileDescriptor bound_socket(const char* interface, std::uint16_t protocol = kOurProtocol,
                            int type = SOCK_RAW) {
  FileDescriptor socket(::socket(AF_PACKET, type | SOCK_CLOEXEC, 0));
  REQUIRE(socket.valid());
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = *interface == '\0' ? 0 : static_cast<int>(::if_nametoindex(interface));
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

std::unique_ptr<FrameSource> open_source(FileDescriptor socket) {
  auto made = PacketSocketSource::open(std::move(socket));
  REQUIRE(std::holds_alternative<std::unique_ptr<FrameSource>>(made));
  return std::get<std::unique_ptr<FrameSource>>(std::move(made));
}

Status open_status(FileDescriptor socket) {
  auto made = PacketSocketSource::open(std::move(socket));
  const auto* status = std::get_if<Status>(&made);
  return status != nullptr ? *status : Status::kOk;
}

// An Ethernet frame of ours.
std::string frame_of(const std::string& payload) {
  std::string frame(14, '\xff');
  frame[12] = static_cast<char>(kOurProtocol >> 8);
  frame[13] = static_cast<char>(kOurProtocol & 0xff);
  return frame + payload;
}

class Sender {
 public:
  explicit Sender(const char* interface) : socket_(bound_socket(interface, 0)) {}
  void send(const std::string& frame) {
    REQUIRE(::send(socket_.get(), frame.data(), frame.size(), 0) ==
            static_cast<ssize_t>(frame.size()));
  }

 private:
  FileDescriptor socket_;
};

struct Seen {
  std::uint64_t time;
  std::uint32_t length;
  std::uint16_t flags;
  std::string bytes;
};

// As a user of a source does it: takes, and waits as the source says. Until `wanted` frames are
// there or it has ended.
std::vector<Seen> take(FrameSource& source, std::size_t wanted) {
  std::vector<Seen> all;
  std::vector<Frame> frames(16);
  while (all.size() < wanted) {
    const std::size_t got = source.take(frames);
    for (std::size_t i = 0; i < got; ++i) {
      const auto* text = reinterpret_cast<const char*>(frames[i].bytes.data());
      all.push_back({frames[i].time,
                     frames[i].length,
                     frames[i].flags,
                     {text, text + frames[i].bytes.size()}});
    }
    if (got > 0) continue;
    if (source.ended()) break;
    if (source.descriptor() < 0) {
      std::this_thread::sleep_until(source.next_time());
      continue;
    }
    pollfd wait{.fd = source.descriptor(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&wait, 1, -1) >= 0);
  }
  return all;
}

TEST_CASE("frames arrive whole, in order, with their times and direction") {
  const Pair pair;
  if (!pair.usable()) return;
  const auto arriving = open_source(bound_socket("right"));
  const auto leaving = open_source(bound_socket("left", ETH_P_ALL));
  CHECK(!arriving->waits_for_room());
  CHECK(arriving->link_type() == 1);
  Sender sender("left");
  constexpr std::size_t kFrames = 500;
  for (std::size_t i = 0; i < kFrames; ++i) {
    sender.send(frame_of(std::to_string(i) + std::string(i * 2, 'x')));
  }
  const auto frames = take(*arriving, kFrames);
  REQUIRE(frames.size() == kFrames);
  for (std::size_t i = 0; i < kFrames; ++i) {
    CHECK(frames[i].bytes == frame_of(std::to_string(i) + std::string(i * 2, 'x')));
    CHECK(frames[i].length == frames[i].bytes.size());
    CHECK(frames[i].flags == 0);
    CHECK(frames[i].time > 1'500'000'000'000'000'000);
    if (i > 0) CHECK(frames[i].time >= frames[i - 1].time);
  }
  for (const Seen& frame : take(*leaving, kFrames)) CHECK(frame.flags == wire::kFrameOutbound);
  CHECK(arriving->lost() == 0);
}

TEST_CASE("the socket's own filter stays in force") {
  const Pair pair;
  if (!pair.usable()) return;
  FileDescriptor socket = bound_socket("right");
  // Frames whose first byte behind the header is 'y', cut to 20 bytes.
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, 20), BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program{.len = 4, .filter = code};
  REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
  const auto source = open_source(std::move(socket));
  Sender sender("left");
  sender.send(frame_of("no"));
  sender.send(frame_of("yes, and a long one"));
  sender.send(frame_of("not this"));
  sender.send(frame_of("y"));
  const auto frames = take(*source, 2);
  CHECK(frames.at(0).bytes == frame_of("yes, a"));
  CHECK(frames.at(0).length == 14 + 19);
  CHECK(frames.at(1).bytes == frame_of("y"));
}

TEST_CASE("the interface is deleted: its last frames, then the end") {
  const Pair pair;
  if (!pair.usable()) return;
  const auto source = open_source(bound_socket("right"));
  Sender sender("left");
  for (int i = 0; i < 100; ++i) sender.send(frame_of("before the end"));
  REQUIRE(run("ip link delete left"));
  CHECK(take(*source, 1000).size() == 100);
  CHECK(source->ended());
  CHECK(source->status() == Status::kFrameSourceGone);
  CHECK(source->lost() == 0);
}

TEST_CASE("the interface goes down") {
  const Pair pair;
  if (!pair.usable()) return;
  const auto source = open_source(bound_socket("right"));
  REQUIRE(run("ip link set right down"));
  CHECK(take(*source, 1).empty());
  CHECK(source->status() == Status::kFrameSourceGone);
  CHECK(open_status(bound_socket("right")) == Status::kFrameSourceGone);
}

TEST_CASE("what the kernel has no room for is counted") {
  const Pair pair;
  if (!pair.usable()) return;
  const auto source = open_source(bound_socket("right"));
  Sender sender("left");
  constexpr std::size_t kFrames = 20'000;  // of 1.5 KB: more than 16 MiB
  const std::string frame = frame_of(std::string(1480, 'f'));
  for (std::size_t i = 0; i < kFrames; ++i) sender.send(frame);
  REQUIRE(run("ip link delete left"));
  const std::size_t taken = take(*source, kFrames).size();
  CHECK(taken > 5000);
  CHECK(taken < kFrames);
  CHECK(taken + source->lost() == kFrames);
  CHECK(taken + source->lost() == kFrames);  // asked again: nothing counts twice
}

TEST_CASE("... also what was lost last, when nothing comes any more") {
  const Pair pair;
  if (!pair.usable()) return;
  const auto source = open_source(bound_socket("right"));
  Sender sender("left");
  constexpr std::size_t kFrames = 20'000;  // of 1.5 KB: more than 16 MiB
  const std::string frame = frame_of(std::string(1480, 'f'));
  for (std::size_t i = 0; i < kFrames; ++i) sender.send(frame);
  // The kernel has no block, and we have just asked it, when it loses the last ones.
  std::vector<Frame> frames(64);
  std::size_t taken = source->take(frames);
  REQUIRE(taken > 0);
  source->lost();
  constexpr std::size_t kLast = 4;
  for (std::size_t i = 0; i < kLast; ++i) sender.send(frame);
  while (const std::size_t more = source->take(frames)) taken += more;
  CHECK(taken + source->lost() == kFrames + kLast);
}

TEST_CASE("an ear on all interfaces") {
  const Pair pair;
  if (!pair.usable()) return;
  const auto source = open_source(bound_socket(""));
  CHECK(source->link_type() == 1);
  Sender sender("left");
  sender.send(frame_of("once"));
  CHECK(take(*source, 1).at(0).bytes == frame_of("once"));
}

TEST_CASE("what is no socket of the kind") {
  CHECK(open_status(FileDescriptor()) == Status::kBadFrameSource);
  CHECK(open_status(FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC))) ==
        Status::kBadFrameSource);
  CHECK(open_status(FileDescriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))) ==
        Status::kBadFrameSource);
  const Pair pair;
  if (!pair.usable()) return;
  CHECK(open_status(bound_socket("right", kOurProtocol, SOCK_DGRAM)) == Status::kBadFrameSource);
  // One that has a ring already.
  const FileDescriptor socket = bound_socket("right");
  const auto source = open_source(FileDescriptor(::dup(socket.get())));
  CHECK(open_status(FileDescriptor(::dup(socket.get()))) == Status::kBadFrameSource);
}

TEST_CASE("each system call fails once") {
  const Pair pair;
  if (!pair.usable()) return;
  const std::size_t descriptors = tests::count_open_descriptors();
  for (unsigned n = 1;; ++n) {
    tests::FailingSystemCalls faults(n, ENOMEM);
    auto made = PacketSocketSource::open(bound_socket("right"));
    if (const auto* status = std::get_if<Status>(&made)) {
      CHECK((*status == Status::kBadFrameSource || *status == Status::kOutOfMemory));
    } else {
      std::get<std::unique_ptr<FrameSource>>(made)->lost();
    }
    made = Status::kOk;
    CHECK(tests::count_open_descriptors() == descriptors);
    if (faults.failed_call() == nullptr || n > 50) {
      CHECK(n <= 50);
      break;
    }
  }
}

}  // namespace
}  // namespace vmmc::nicsim
