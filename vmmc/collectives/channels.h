// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Three ways to bring chunks from rank to rank, over a Mesh. All send the bytes first and then
// their stamp (stamp.h), to the same buffer, so whoever sees the stamp sees the bytes.
//
// Threads and processes: as Mesh.
//
// Invariants, or why no slot is overwritten before it has been read
//   Streams    A sender has at most kDepth chunks more under way than the receiver has said, by a
//              credit, that it has taken. Credits are sent for every kDepth / 2 chunks: a sender
//              that waits for one has filled all slots, of which the receiver has given credit for
//              less than kDepth / 2 fewer, so by taking what is there it comes to send one.
//   Exchanges  No acknowledgement at all. Slots alternate between two from use to use. Partners
//              both send and receive in a round (or, outside of the rounds, one sends before and
//              receives afterwards). A rank that sends for use m + 2 has received its partner's
//              bytes of use m + 1. The partner has sent those after the end of its use m, in which
//              it has read the slot that is overwritten now.
//   Lanes      A lane is granted to one sender after the other, to each only after all chunks of
//              the one before have been taken. Grants count the chunks that the sender may send,
//              so the sender never runs ahead; it knows the lane and the slot by the step.
#pragma once

#include <cstdint>
#include <vector>

#include "vmmc/collectives/layout.h"
#include "vmmc/collectives/mesh.h"
#include "vmmc/collectives/stamp.h"

namespace vmmc::collectives {

// Sends bytes into a slot of the peer, and the stamp.
int send_stamped(Mesh& mesh, std::uint32_t peer, const Slots& slots, std::size_t slot,
                 const void* source, std::size_t bytes, std::uint64_t stamp);

// Waits for chunk `number` in our slot; *bytes is the slot. INVALID_ARGUMENT if the peer's mark is
// another than ours.
int await_stamped(Mesh& mesh, std::uint32_t peer, const Slots& slots, std::size_t slot,
                  std::uint64_t stamp, const std::byte** bytes);

enum class Way : std::uint32_t { kUp = 0, kDown = 1 };  // to higher ranks, to lower ranks

// The stream between neighbours 2^k apart.
class Streams {
 public:
  Streams(Mesh& mesh, const Layout& layout)
      : mesh_(mesh),
        layout_(layout),
        sent_(2 * distances(mesh.size())),
        taken_(sent_.size()),
        credited_(sent_.size()) {}

  // To the rank 2^k further on this way. Waits for room.
  int send(Way way, std::uint32_t k, const void* source, std::size_t bytes, std::uint32_t mark);

  // From the rank 2^k back. *bytes stay until release().
  int receive(Way way, std::uint32_t k, std::uint32_t mark, const std::byte** bytes);
  int release(Way way, std::uint32_t k);

 private:
  static std::uint32_t index(Way way, std::uint32_t k) {
    return 2 * k + static_cast<std::uint32_t>(way);
  }
  std::uint32_t peer(Way way, std::uint32_t k) const {
    const std::uint64_t distance = std::uint64_t{1} << k;
    return way == Way::kUp ? rank_above(mesh_.rank(), distance, mesh_.size())
                           : rank_below(mesh_.rank(), distance, mesh_.size());
  }
  std::uint32_t source_of(Way way, std::uint32_t k) const {
    return peer(way == Way::kUp ? Way::kDown : Way::kUp, k);
  }
  static std::size_t slot(std::uint32_t stream, std::uint64_t number) {
    return std::size_t{stream} * kDepth + (number - 1) % kDepth;
  }

  Mesh& mesh_;
  const Layout& layout_;
  std::vector<std::uint64_t> sent_, taken_, credited_;  // chunks, by stream
};

// Small payloads between partners.
class Exchanges {
 public:
  Exchanges(Mesh& mesh, const Layout& layout) : mesh_(mesh), layout_(layout) {}

  // Every rank begins use after use of all rounds.
  void begin() { ++use_; }

  int send(std::uint32_t partner, std::uint32_t round, const void* source, std::size_t bytes,
           std::uint32_t mark) {
    return send_stamped(mesh_, partner, layout_.exchanges, slot(round), source, bytes,
                        make_stamp(use_, mark));
  }
  int receive(std::uint32_t partner, std::uint32_t round, std::uint32_t mark,
              const std::byte** bytes) {
    return await_stamped(mesh_, partner, layout_.exchanges, slot(round), make_stamp(use_, mark),
                         bytes);
  }

 private:
  std::size_t slot(std::uint32_t round) const { return 2 * std::size_t{round} + use_ % 2; }

  Mesh& mesh_;
  const Layout& layout_;
  std::uint64_t use_ = 0;
};

// Blocks between all pairs of ranks.
class Lanes {
 public:
  Lanes(Mesh& mesh, const Layout& layout)
      : mesh_(mesh), layout_(layout), granted_(mesh.size()), sent_(mesh.size()) {}

  // In step s of n - 1 each rank sends its block to the rank s above and receives that of the rank
  // s below, chunk by chunk in turn. No circle of ranks can wait for each other: chunk c of step s
  // is sent when the receiver has taken chunks before c of step s, or all of step s - kLanes, and
  // each rank does things in the order of steps and chunks.
  int exchange(const std::byte* outgoing, std::byte* incoming, std::size_t block,
               std::uint32_t mark);

 private:
  struct Step;
  int grant(std::uint32_t sender, std::uint64_t chunks);
  int run(const Step& step, const std::byte* outgoing, std::byte* incoming);
  int send_chunk(const Step& step, std::uint64_t chunk, const std::byte* source, std::size_t bytes);
  int receive_chunk(const Step& step, std::uint64_t chunk, std::byte* target, std::size_t bytes);

  Mesh& mesh_;
  const Layout& layout_;
  std::vector<std::uint64_t> granted_, sent_;  // chunks, by rank, since the start
  std::uint64_t numbered_ = 0;                 // chunks received by every rank since the start
};

}  // namespace vmmc::collectives
