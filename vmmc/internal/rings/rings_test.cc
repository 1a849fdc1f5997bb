// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Opening, joining and closing against a nicsim that is the test itself.

#include "vmmc/internal/rings/rings.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "platform/shared_memory.h"
#include "platform/unix_socket.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc;
using namespace vmmc::internal;
using platform::FileDescriptor;

namespace {

constexpr std::uint32_t kBlocks = 4;
constexpr std::uint32_t kBlockBytes = 4096;
constexpr std::uint64_t kMemoryBytes = std::uint64_t{kBlocks} * kBlockBytes;

// What the next reply to an open or a join is made of.
struct Offer {
  wire::Status status = wire::Status::kOk;
  std::uint32_t mirrored = 0;
  std::uint64_t block_memory_bytes = kMemoryBytes;
  std::size_t descriptors = 3;
  bool sealed = true;
  std::function<void(wire::RingPortHeader&)> spoil = [](wire::RingPortHeader&) {};
};

class Nicsim {
 public:
  explicit Nicsim(FileDescriptor socket) : socket_(std::move(socket)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~Nicsim() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

  Offer offer;
  std::vector<std::uint32_t> closed;  // ports
  wire::OpenRingRequest opened{};

 private:
  static FileDescriptor memory(std::size_t bytes, bool sealed) {
    if (sealed) return std::move(platform::create_shared_memory("ring", bytes).value());
    FileDescriptor file(::memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0);
    return file;
  }

  void serve() {
    std::vector<std::byte> buffer(4096);
    while (true) {
      const auto message = platform::receive_message(socket_.get(), buffer);
      if (!message.ok() || message.value().bytes == 0) return;
      wire::MessageHeader header;
      std::memcpy(&header, buffer.data(), sizeof header);
      header.status = wire::Status::kOk;
      if (header.type == wire::MessageType::kCloseRing) {
        wire::CloseRingRequest request;
        std::memcpy(&request, buffer.data(), sizeof request);
        closed.push_back(request.port);
        send(wire::PlainReply{header}, {});
        continue;
      }
      if (header.type == wire::MessageType::kOpenRing) {
        std::memcpy(&opened, buffer.data(), sizeof opened);
      }
      grant(header);
    }
  }

  void grant(wire::MessageHeader header) {
    header.status = offer.status;
    if (offer.status != wire::Status::kOk) return send(wire::PlainReply{header}, {});
    const FileDescriptor blocks = memory(kMemoryBytes, offer.sealed);
    const FileDescriptor port = memory(wire::kRingPortBytes, true);
    auto mapping = platform::SharedMapping::map(port.get(), wire::kRingPortBytes);
    auto& shared = *reinterpret_cast<wire::RingPort*>(mapping.value().data());
    shared.header = {.magic = wire::kMagic,
                     .version = wire::kVersion,
                     .blocks = kBlocks,
                     .block_bytes = kBlockBytes,
                     .snap_length = 1500,
                     .mirrored = offer.mirrored,
                     .source = 2,
                     .reserved = {}};
    offer.spoil(shared.header);
    shared.offer.state.store(static_cast<std::uint32_t>(wire::RingState::kEnded));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const FileDescriptor reading(ends[0]);
    writing_.emplace_back(ends[1]);
    const int all[] = {blocks.get(), port.get(), reading.get()};
    send(wire::RingReply{header, ++ports_, 1, offer.block_memory_bytes},
         std::span(all).first(offer.descriptors));
  }

  template <typename Message>
  void send(const Message& message, std::span<const int> descriptors) {
    (void)platform::send_message(socket_.get(), std::as_bytes(std::span(&message, 1)), descriptors);
  }

  FileDescriptor socket_;
  std::vector<FileDescriptor> writing_;
  std::uint32_t ports_ = 0;
  std::thread thread_;
};

struct Rig {
  Rig() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    connection = std::make_unique<ControlConnection>(FileDescriptor(ends[0]));
    nicsim = std::make_unique<Nicsim>(FileDescriptor(ends[1]));
    REQUIRE_FALSE(connection->start([this] { waiter.note_end(); }));
    rings = std::make_unique<Rings>(*connection, waiter, -1);
  }
  int open(vmmc_ring** ring) {
    wire::OpenRingRequest request{};
    request.ring = 9;
    return rings->open(request, -1, ring);
  }

  internal::testing::Watchdog watchdog;
  platform::SharedMapping memory = [] {
    auto file = platform::create_shared_memory("channel", wire::kChannelBytes);
    return std::move(platform::SharedMapping::map(file.value().get(), wire::kChannelBytes).value());
  }();
  Waiter waiter{*reinterpret_cast<wire::Channel*>(memory.data())};
  std::unique_ptr<ControlConnection> connection;
  std::unique_ptr<Nicsim> nicsim;
  std::unique_ptr<Rings> rings;
};

int next(vmmc_ring* ring) {
  const wire::FrameHeader* frame = nullptr;
  return ring->reader.next(&frame, 0);
}

// The permissions of the mapping that begins there, from /proc/self/maps.
std::string permissions_of(const void* address) {
  std::FILE* const maps = std::fopen("/proc/self/maps", "r");
  char line[512];
  std::string found;
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long first = 0;
    char permissions[8] = "";
    if (std::sscanf(line, "%lx-%*x %7s", &first, permissions) == 2 &&
        first == reinterpret_cast<unsigned long>(address)) {
      found = permissions;
    }
  }
  std::fclose(maps);
  return found;
}

}  // namespace

TEST_CASE("a ring is opened, used, and closed") {
  Rig rig;
  vmmc_ring* ring = nullptr;
  REQUIRE(rig.open(&ring) == VMMC_OK);
  CHECK(rig.nicsim->opened.ring == 9);
  CHECK(ring->parts.link_type == 1);
  CHECK(permissions_of(ring->parts.blocks.data()) == "rw-s");
  CHECK(next(ring) == VMMC_END);
  CHECK(rig.rings->close(*ring) == VMMC_OK);
  CHECK(rig.nicsim->closed == std::vector<std::uint32_t>{1});
  delete ring;
}

TEST_CASE("a mirrored ring cannot be stored to") {
  Rig rig;
  rig.nicsim->offer.mirrored = 1;
  vmmc_ring* ring = nullptr;
  REQUIRE(rig.rings->join({0, 1}, 9, &ring) == VMMC_OK);
  CHECK(permissions_of(ring->parts.blocks.data()) == "r--s");
  CHECK(rig.rings->close(*ring) == VMMC_OK);
  delete ring;
}

TEST_CASE("a refusal is passed on, with its reason") {
  Rig rig;
  vmmc_ring* ring = nullptr;
  rig.nicsim->offer.status = wire::Status::kNotACapture;
  CHECK(rig.open(&ring) == VMMC_ERR_NOT_A_CAPTURE);
  CHECK(std::string(last_error()).find("neither pcap nor pcapng") != std::string::npos);
  rig.nicsim->offer.status = wire::Status::kUnknownRing;
  CHECK(rig.rings->join({3, 4}, 9, &ring) == VMMC_ERR_UNKNOWN_RING);
  CHECK(std::string(last_error()).find("ring 9 of process (3, 4)") != std::string::npos);
  CHECK(rig.nicsim->closed.empty());
}

TEST_CASE("a ring that cannot be used is closed again") {
  Rig rig;
  Offer& offer = rig.nicsim->offer;
  int expected = VMMC_ERR_MALFORMED;
  SUBCASE("no magic") {
    offer.spoil = [](wire::RingPortHeader& header) { header.magic ^= 1; };
  }
  SUBCASE("too many blocks") {
    offer.spoil = [](wire::RingPortHeader& header) { header.blocks = wire::kMaxRingBlocks + 1; };
  }
  SUBCASE("no blocks") {
    offer.spoil = [](wire::RingPortHeader& header) { header.blocks = 0; };
  }
  SUBCASE("blocks that are no pages") {
    offer.spoil = [](wire::RingPortHeader& header) { header.block_bytes = 4095; };
  }
  SUBCASE("sizes that do not agree") {
    offer.spoil = [](wire::RingPortHeader& header) { header.blocks = 3; };
  }
  SUBCASE("less memory than it says") {
    offer.block_memory_bytes = 2 * kMemoryBytes;
    offer.spoil = [](wire::RingPortHeader& header) { header.blocks *= 2; };
    expected = VMMC_ERR_SYSTEM;
  }
  SUBCASE("memory that could shrink") {
    offer.sealed = false;
    expected = VMMC_ERR_SYSTEM;
  }
  SUBCASE("descriptors are missing") {
    offer.descriptors = 2;
    expected = VMMC_ERR_SYSTEM;
  }
  vmmc_ring* ring = nullptr;
  CHECK(rig.open(&ring) == expected);
  CHECK(ring == nullptr);
  CHECK(rig.nicsim->closed == std::vector<std::uint32_t>{1});
}

TEST_CASE("closing all: the handles stay, and say so") {
  Rig rig;
  vmmc_ring* rings[2] = {};
  for (vmmc_ring*& ring : rings) REQUIRE(rig.open(&ring) == VMMC_OK);
  rig.rings->close_all();
  CHECK(rig.nicsim->closed.size() == 2);
  for (vmmc_ring* ring : rings) {
    CHECK(next(ring) == VMMC_ERR_NOT_ATTACHED);
    CHECK(ring->reader.arm() == VMMC_ERR_NOT_ATTACHED);
    CHECK(ring->parts.owner == nullptr);
    delete ring;
  }
}

TEST_CASE("a forked child has none of them, and the parent keeps them") {
  Rig rig;
  vmmc_ring* ring = nullptr;
  REQUIRE(rig.open(&ring) == VMMC_OK);
  rig.rings->before_fork();
  const pid_t child = ::fork();
  if (child == 0) {
    rig.rings->abandon_in_child();
    ::_exit(next(ring) == VMMC_ERR_FORKED ? 0 : 1);
  }
  rig.rings->after_fork_in_parent();
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(next(ring) == VMMC_END);
  CHECK(rig.rings->close(*ring) == VMMC_OK);
  delete ring;
}

TEST_CASE("nicsim's end while rings are open") {
  Rig rig;
  vmmc_ring* ring = nullptr;
  REQUIRE(rig.open(&ring) == VMMC_OK);
  rig.nicsim.reset();
  CHECK(next(ring) == VMMC_END);  // what is in memory comes first
  CHECK(rig.rings->close(*ring) == VMMC_ERR_NICSIM_GONE);
  delete ring;
  CHECK(rig.open(&ring) == VMMC_ERR_NICSIM_GONE);
}
