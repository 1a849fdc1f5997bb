// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The frames of a Linux interface, by a packet socket that a client has made and bound, filter
// included: whether it may capture there was decided when it made it. The kernel's ring of the
// socket (TPACKET_V3) is mapped; frames are read where the kernel has put them, and a block goes
// back to it when all of its frames have been taken and the next call comes.
//
// Threads and processes: nicsim's one thread. The client holds the same socket, and can map and
// write the ring, too: see packet_block.h. What it spoils so are the frames of its own ring, also
// for those who have joined that: they must trust who has opened it as far as the frames go.
//
// Invariants: at most one block is held. A call looks at one block at most, so it ends however fast
// frames come. What the kernel has lost is known when kBlocks more blocks have gone back: it loses
// frames only while all of them are ours, so all of them go back after the last one that it loses.
//
// What a crash leaves behind: the ring lives as long as somebody holds the socket.
#pragma once

#include <memory>
#include <span>
#include <variant>

#include "nicsim/frames/frame_source.h"
#include "nicsim/frames/packet_block.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

class PacketSocketSource : public FrameSource {
 public:
  // kBadFrameSource: not a raw packet socket, bound to an interface whose link type is not known,
  // or it has a ring already; kFrameSourceGone: its interface has gone or is down; kOutOfMemory.
  static std::variant<std::unique_ptr<FrameSource>, wire::Status> open(
      platform::FileDescriptor socket);
  ~PacketSocketSource() override;
  PacketSocketSource(const PacketSocketSource&) = delete;
  PacketSocketSource& operator=(const PacketSocketSource&) = delete;

  std::size_t take(std::span<Frame> frames) override;
  std::uint64_t consumed() const override { return consumed_; }
  bool ended() const override { return ended_; }
  wire::Status status() const override { return status_; }  // kOk, kFrameSourceGone
  bool waits_for_room() const override { return false; }
  // Asks the kernel when so many blocks have gone back that it may have lost some, and at the end.
  std::uint64_t lost() override;
  std::uint16_t link_type() const override { return link_type_; }
  // -1 once the interface has gone, while the last frames are still on their way.
  int descriptor() const override { return gone_ ? -1 : socket_.get(); }
  Clock::time_point next_time() const override;

 private:
  PacketSocketSource(platform::FileDescriptor socket, std::span<std::byte> ring,
                     std::uint16_t link_type)
      : socket_(std::move(socket)), ring_(ring), link_type_(link_type) {}

  std::span<std::byte> current_block() const;
  bool begin_block();
  void give_block_back();
  void look_for_end();
  void read_statistics();

  platform::FileDescriptor socket_;
  std::span<std::byte> ring_;
  std::uint16_t link_type_;
  std::size_t block_ = 0;  // that comes next, or is held
  bool held_ = false;
  std::uint64_t consumed_ = 0;
  PacketBlock walk_;
  bool gone_ = false;
  bool ended_ = false;
  wire::Status status_ = wire::Status::kOk;
  Clock::time_point last_look_{};  // for an error of the socket
  Clock::time_point gone_since_{};
  std::uint64_t lost_ = 0;
  std::size_t unasked_ = 0;        // blocks that have gone back since the kernel was asked
  bool final_statistics_ = false;  // read, after the end
};

}  // namespace vmmc::nicsim
