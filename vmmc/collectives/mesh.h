// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One buffer on every rank, all alike, and the ways between them: what a group is made of.
//
// Each rank exports its buffer under the same id and imports another's when it first sends there.
// A rank waits for words of its own buffer that a peer sends.
//
// Threads and processes
//   One thread of each rank. The ranks meet in nothing but their buffers.
//
// Invariants
//   A waiting rank looks, between slices of its wait, whether anybody has raised the alarm and
//   whether the peer is still there: it sends a word to the peer's scratch and waits until that has
//   been delivered. The peer's death, and a buffer that it has taken back, is refused there.
//   A peer that leaves in order has all its sends carried out before it takes its buffer back; so
//   after a refusal the word that was waited for is looked at once more, and only then is the peer
//   missed.
//
// What a crash at any instruction leaves behind
//   Nothing: nicsim takes exports and imports of a dead process back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "vmmc/vmmc.h"

namespace vmmc::collectives {

// A copy of vmmc_last_error(), which the next call may overwrite.
class Sentence {
 public:
  Sentence() { std::strncpy(text_.data(), vmmc_last_error(), text_.size() - 1); }
  const char* text() const { return text_.data(); }

 private:
  std::array<char, 400> text_{};
};

struct MeshOptions {
  std::uint32_t buffer_id;
  std::size_t bytes;
  std::uint64_t timeout;  // ns, of each wait; VMMC_FOREVER
  vmmc_wait_strategy strategy;
};

// Methods that return int return an enum vmmc_status with its sentence.
class Mesh {
 public:
  explicit Mesh(const MeshOptions& options)
      : options_(options), rank_(vmmc_rank()), proxies_(vmmc_size()), blamed_(rank_) {}
  ~Mesh() { close(); }
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  // Allocates and exports our buffer. All others will do so, but need not have done it yet.
  int open();

  // All ranks have opened: from now on, a buffer that cannot be imported is one that is gone.
  void all_are_open() { all_open_ = true; }

  std::uint32_t rank() const { return rank_; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(proxies_.size()); }
  const std::byte* at(std::size_t offset) const { return memory_ + offset; }
  std::uint64_t word_at(std::size_t offset) const;

  // To the same offset in the peer's buffer. Transfers to one peer arrive in order.
  int send(std::uint32_t peer, const void* source, std::size_t offset, std::size_t bytes);
  int send_word(std::uint32_t peer, std::uint64_t value, std::size_t offset) {
    return send(peer, &value, offset, sizeof value);
  }

  // Waits until the word of our buffer, which `peer` sends, is `value` or has passed it.
  int await(std::size_t offset, std::uint64_t value, std::uint32_t peer);

  // The status with which another rank has failed and told us; else VMMC_OK.
  int check_alarm();

  // The peer has sent something else than was expected.
  int disagree(std::uint32_t peer);

  // Dissemination: in round k each rank tells the one 2^k above and hears from the one 2^k below;
  // after ceil(log2 n) rounds it has heard, by way of others, from all. `number` counts the
  // barriers. The words, one per round from `offset`, only grow: a neighbour that is in the next
  // barrier already overwrites `number` with more, and a wait for at least `number` still ends. So
  // neither a second set of words nor an acknowledgement is needed.
  int barrier(std::size_t offset, std::uint64_t number);

  // After a failure: tells all neighbours (before all are open, only those whose proxy we have), and
  // all others whose proxy we have, who is to blame, as far as they can still be reached.
  void raise_alarm(int status);

  // The proxies; then also the buffer. What was sent before is carried out first.
  void unimport_all();
  void close();

 private:
  int proxy_of(std::uint32_t peer, std::byte** proxy);
  int import_from(std::uint32_t peer, std::uint64_t timeout, std::byte** proxy);
  int probe(std::uint32_t peer);
  int miss(std::uint32_t peer);

  const MeshOptions options_;
  const std::uint32_t rank_;
  std::vector<std::byte*> proxies_;  // by rank; nullptr: not imported
  std::byte* memory_ = nullptr;
  bool exported_ = false;
  bool all_open_ = false;
  std::uint32_t blamed_;  // the rank that the last failure was about
};

}  // namespace vmmc::collectives
