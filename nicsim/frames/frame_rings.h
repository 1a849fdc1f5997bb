// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// All receive rings of the machine: who opens, joins and leaves them, and the share of nicsim's
// time that their frames get.
//
// Threads: used by nicsim's one thread.
//
// Invariants
//   A ring has a consumer, or it is gone. What a process had is given back when leave() returns.
//   serve() is a bounded share, whatever the sources have: so many frames, and so many bytes that
//   are moved or gone over, but for what one source goes over in one call; and one step of
//   preparing memory. No transfer waits for longer. Real-time packets do not wait for the share:
//   they are asked for before each batch of at most 64 frames and four pages of bytes, or of one
//   frame that is longer.
//   Frames become visible once a share. Who sleeps over them is woken then, too, unless the source has
//   more at hand, which the next share brings: then as FrameRing::wake_if_due() says, looked at
//   once a share. When serve() says that there was nothing to do, and after prepare_sleep(), nobody
//   sleeps over a frame that is visible.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "nicsim/frames/backplane_port.h"
#include "nicsim/frames/frame_ring.h"
#include "nicsim/frames/frame_source.h"
#include "nicsim/frames/source_watch.h"
#include "nicsim/machine.h"
#include "nicsim/real_time/packets_first.h"
#include "nicsim/wire/frame_ring.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

// The reply to an open or a join, and what goes with it unless it is a refusal.
struct RingAnswer {
  wire::RingReply reply{};
  int blocks = -1;  // the ring's: open until the next change of the rings
  RingPort::Descriptors port;
};

// What there is to see of a ring.
struct SeenRing {
  struct Consumer {
    const Process* process;
    std::uint32_t port;
    std::uint64_t offered;   // blocks, ever
    std::uint64_t returned;  // that it had been offered
    FrameCounts counts;
    std::uint64_t source_dropped;
    std::uint64_t wakeups;
  };
  const Process* opener;  // nullptr: has left
  std::uint32_t id;
  wire::FrameSourceKind source;
  std::uint32_t node;  // of the backplane, or kAnyNode
  wire::RingSharing sharing;
  wire::RingSpread spread;
  std::uint32_t blocks;
  std::uint32_t block_bytes;
  std::size_t free_blocks;
  bool begun;
  bool ended;
  wire::Status status;              // of the end
  std::vector<Consumer> consumers;  // in the order of their ports
};

class FrameRings {
 public:
  using Clock = FrameRing::Clock;
  using MakeSource = std::function<std::variant<std::unique_ptr<FrameSource>, wire::Status>(
      const wire::OpenRingRequest&, platform::FileDescriptor)>;

  // Of the kernel's ring of a packet socket, besides the blocks.
  static constexpr std::uint64_t kInterfaceBytes = std::uint64_t{16} << 20;

  struct Limits {
    std::size_t rings = 128;
    std::size_t rings_of_process = 32;
    std::size_t ports = 512;  // each is a descriptor and a mapping
    std::size_t ports_of_process = 256;
    std::size_t ports_of_ring = wire::kMaxRingConsumers;
    std::uint64_t bytes = std::uint64_t{4} << 30;  // of blocks, and of the kernel's rings
    std::uint64_t bytes_of_process = wire::kMaxRingBytes + kInterfaceBytes;
  };

  // `context` and `machine` outlive it; `context` is run by the loop that calls serve().
  FrameRings(boost::asio::io_context& context, Machine& machine, MakeSource make_source)
      : FrameRings(context, machine, std::move(make_source), Limits{}) {}
  FrameRings(boost::asio::io_context& context, Machine& machine, MakeSource make_source,
             const Limits& limits);
  ~FrameRings();

  // `descriptor`: what came with the request; not valid: nothing did.
  RingAnswer open(const Process& process, const wire::OpenRingRequest& request,
                  platform::FileDescriptor descriptor);
  RingAnswer join(const Process& process, const wire::JoinRingRequest& request);
  wire::Status close(const Process& process, std::uint32_t port);
  // The process is about to be detached.
  void leave(const Process& process);

  // What is carried out before each batch of frames. Outlives it.
  void let_first(real_time::PacketsFirst& first) { first_ = &first; }

  bool empty() const { return rings_.empty(); }
  // In the order in which they were opened.
  std::vector<SeenRing> look() const;

  // Brings frames into the rings, up to a fair share. Whether there was anything to do.
  bool serve();
  // Whether there may be something to do in microseconds: somebody is about to make room, or nothing would
  // end a sleep. A source that ends sleeps has whole blocks of frames, milliseconds apart.
  bool worth_looking() const;
  // After a serve() that found nothing, before the loop sleeps: when to serve again, also if nothing
  // ends the sleep in the context; min(): at once.
  Clock::time_point prepare_sleep();

 private:
  static constexpr std::size_t kBatch = 64;

  struct OpenRing;
  struct Share;
  struct Port {
    const Process* process;
    OpenRing* ring;
    std::uint32_t consumer;
  };

  wire::Status check(const Process& process, const wire::OpenRingRequest& request,
                     bool has_descriptor) const;
  std::variant<std::unique_ptr<OpenRing>, wire::Status> make_ring(
      const Process& process, const wire::OpenRingRequest& request,
      platform::FileDescriptor descriptor);
  RingAnswer add_port(const Process& process, OpenRing& ring, const wire::MessageHeader& header);
  OpenRing* find(const Process* opener, std::uint32_t id) const;
  OpenRing* find(const wire::JoinRingRequest& request) const;
  std::size_t ports_of(const Process& process, const OpenRing* ring) const;
  bool is_full(const Process& process) const;
  wire::Status check_limits(const Process& process, std::uint64_t charge) const;
  void begin_if_due(OpenRing& ring);
  bool prepare(OpenRing& ring);
  void remove(std::map<std::uint32_t, Port>::iterator port);
  bool serve_one(OpenRing& ring, Share& share);
  void show(OpenRing& ring, Clock::time_point now);
  bool fill_batch(OpenRing& ring, Share& share);
  void ask_for_lost(OpenRing& ring, Clock::time_point now);

  boost::asio::io_context& context_;
  Machine& machine_;
  const MakeSource make_source_;
  const Limits limits_;
  BackplanePort backplane_;
  real_time::PacketsFirst* first_ = nullptr;  // nullptr: nothing goes first
  std::vector<std::unique_ptr<OpenRing>> rings_;
  std::map<std::uint32_t, Port> ports_;  // by number
  std::uint32_t next_port_ = 0;
  std::uint64_t bytes_ = 0;  // charged
  std::size_t turn_ = 0;     // which ring is served first
};

}  // namespace vmmc::nicsim
