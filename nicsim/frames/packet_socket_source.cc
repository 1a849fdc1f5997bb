// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/packet_socket_source.h"

#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include "nicsim/wire/frame_ring.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

// A thousand frames a block also if they are long: each block that comes may end a sleep.
constexpr std::uint32_t kBlocks = 8;
constexpr std::uint32_t kBlockBytes = 2 * 1024 * 1024;
constexpr std::uint32_t kFrameBytes = 2048;   // a number that the kernel wants; frames are packed
constexpr std::uint32_t kRetireTimeout = 20;  // ms until a block that is not full is handed over
constexpr std::chrono::milliseconds kLookInterval{20};
// After the interface has gone: frames that were under way may still come, and the block that the
// kernel is filling is handed over with its clock's next tick or two.
constexpr std::chrono::milliseconds kGrace{10};
constexpr std::chrono::milliseconds kLongestGrace{500};

std::optional<int> integer_option(int socket, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  if (platform::system_calls().getsockopt(socket, SOL_SOCKET, option, &value, &length) != 0) {
    return std::nullopt;
  }
  return value;
}

bool is_raw_packet_socket(int socket) {
  return integer_option(socket, SO_DOMAIN) == AF_PACKET &&
         integer_option(socket, SO_TYPE) == SOCK_RAW;
}

// Of the interface that the socket is bound to; Ethernet if it hears all of them.
std::optional<std::uint16_t> link_type_of(int socket) {
  sockaddr_ll address{};
  socklen_t length = sizeof address;
  if (platform::system_calls().getsockname(socket, reinterpret_cast<sockaddr*>(&address),
                                           &length) != 0 ||
      address.sll_ifindex < 0) {
    return std::nullopt;
  }
  return link_type_of_hardware(address.sll_ifindex == 0 ? ARPHRD_ETHER : address.sll_hatype);
}

wire::Status status_of(int error) {
  return error == ENOMEM || error == ENOBUFS ? wire::Status::kOutOfMemory
                                             : wire::Status::kBadFrameSource;
}

// 0 or errno.
int make_ring(int socket) {
  const int version = TPACKET_V3;
  const tpacket_req3 wanted{.tp_block_size = kBlockBytes,
                            .tp_block_nr = kBlocks,
                            .tp_frame_size = kFrameBytes,
                            .tp_frame_nr = kBlocks * (kBlockBytes / kFrameBytes),
                            .tp_retire_blk_tov = kRetireTimeout,
                            .tp_sizeof_priv = 0,
                            .tp_feature_req_word = 0};
  const auto& calls = platform::system_calls();
  if (calls.setsockopt(socket, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
      calls.setsockopt(socket, SOL_PACKET, PACKET_RX_RING, &wanted, sizeof wanted) != 0) {
    return errno;
  }
  return 0;
}

std::uint32_t* status_word(std::span<std::byte> block) {
  return reinterpret_cast<std::uint32_t*>(block.data() + offsetof(tpacket_block_desc, hdr) +
                                          offsetof(tpacket_hdr_v1, block_status));
}

}  // namespace

std::variant<std::unique_ptr<FrameSource>, wire::Status> PacketSocketSource::open(
    platform::FileDescriptor socket) {
  if (!socket.valid() || !is_raw_packet_socket(socket.get())) return wire::Status::kBadFrameSource;
  const auto link_type = link_type_of(socket.get());
  if (!link_type) return wire::Status::kBadFrameSource;
  const auto error = integer_option(socket.get(), SO_ERROR);
  if (error != 0) {
    return error ? wire::Status::kFrameSourceGone : wire::Status::kBadFrameSource;
  }
  if (const int failure = make_ring(socket.get()); failure != 0) return status_of(failure);
  constexpr std::size_t kBytes = std::size_t{kBlocks} * kBlockBytes;
  void* const ring = platform::system_calls().mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                                   MAP_SHARED, socket.get(), 0);
  if (ring == MAP_FAILED) return wire::Status::kOutOfMemory;
  return std::unique_ptr<FrameSource>(new PacketSocketSource(
      std::move(socket), {static_cast<std::byte*>(ring), kBytes}, *link_type));
}

PacketSocketSource::~PacketSocketSource() {
  platform::system_calls().munmap(ring_.data(), ring_.size());
}

std::span<std::byte> PacketSocketSource::current_block() const {
  return ring_.subspan(block_ * kBlockBytes, kBlockBytes);
}

bool PacketSocketSource::begin_block() {
  const std::atomic_ref<std::uint32_t> status(*status_word(current_block()));
  if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return false;
  held_ = true;
  walk_ = PacketBlock(current_block());
  return true;
}

void PacketSocketSource::give_block_back() {
  lost_ += std::exchange(walk_, {}).unknown();
  const std::atomic_ref<std::uint32_t> status(*status_word(current_block()));
  status.store(TP_STATUS_KERNEL, std::memory_order_release);
  block_ = (block_ + 1) % kBlocks;
  held_ = false;
  ++unasked_;
}

std::size_t PacketSocketSource::take(std::span<Frame> frames) {
  consumed_ = 0;
  if (frames.empty() || ended_) return 0;
  if (held_ && walk_.done()) give_block_back();
  if (!held_ && !begin_block()) {
    look_for_end();
    return 0;
  }
  const std::uint64_t unknown = walk_.unknown();
  const std::size_t given = walk_.take(frames);
  consumed_ = (walk_.unknown() - unknown) * sizeof(tpacket3_hdr);
  for (const Frame& frame : frames.first(given)) consumed_ += frame.bytes.size();
  return given;
}

// The kernel tells the socket once that its interface has gone. Frames that arrived before may be
// in a block that it has not handed over yet.
void PacketSocketSource::look_for_end() {
  const Clock::time_point now = Clock::now();
  if (gone_) {
    const bool filling = !PacketBlock(current_block()).done();
    ended_ = now - gone_since_ >= (filling ? kLongestGrace : kGrace);
    return;
  }
  if (now - last_look_ < kLookInterval) return;
  last_look_ = now;
  if (integer_option(socket_.get(), SO_ERROR) == 0) return;
  gone_ = true;
  status_ = wire::Status::kFrameSourceGone;
  gone_since_ = now;
}

FrameSource::Clock::time_point PacketSocketSource::next_time() const {
  return gone_ ? Clock::now() + kLookInterval : Clock::time_point::max();
}

void PacketSocketSource::read_statistics() {
  tpacket_stats_v3 statistics{};
  socklen_t length = sizeof statistics;
  if (platform::system_calls().getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics,
                                          &length) == 0) {
    lost_ += statistics.tp_drops;  // since it was read the last time
  }
}

std::uint64_t PacketSocketSource::lost() {
  if (ended_ ? !std::exchange(final_statistics_, true) : unasked_ >= kBlocks) {
    unasked_ = 0;
    read_statistics();
  }
  return lost_ + walk_.unknown();
}

}  // namespace vmmc::nicsim
