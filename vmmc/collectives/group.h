// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A group of all ranks of the job and its operations. Arguments have been checked (collectives.cc).
//
// Threads and processes
//   One thread of each rank. enter() tells a second one apart.
//
// Invariants
//   A group that has failed has told its neighbours and taken its buffers back; its operations do
//   nothing any more.
//   Buffers are taken back in an order that makes their ids free on all ranks at the end of
//   farewell(): see there.
//
// What a crash at any instruction leaves behind
//   Nothing: as Mesh. The other ranks' operations fail.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "vmmc/collectives.h"
#include "vmmc/collectives/arithmetic.h"
#include "vmmc/collectives/channels.h"
#include "vmmc/collectives/layout.h"
#include "vmmc/collectives/mesh.h"

namespace vmmc::collectives {

class Group {
 public:
  Group(std::uint32_t buffer_id, const vmmc_group_options& options);

  // Collective: all ranks are there. After an error the group can only be destroyed.
  int open();

  // Collective: no rank will send any more, and the ids are free everywhere.
  int farewell();

  std::uint32_t size() const { return data_.size(); }

  // Of one thread, between operations. false: another one is inside.
  bool enter() { return !busy_.exchange(true, std::memory_order_acquire); }
  void leave() { busy_.store(false, std::memory_order_release); }

  bool has_failed() const { return failure_ != VMMC_OK; }

  // VMMC_OK, or the failure that has ended the group, also if another rank has told us of it; then
  // `operation` is the call that learnt of it.
  int check(const char* operation);

  // The operations, as in vmmc/collectives.h. A failure must be handed to fail().
  int barrier();
  int broadcast(std::byte* data, std::size_t bytes, std::uint32_t root);
  int reduce(const std::byte* contribution, std::byte* result, std::size_t count, vmmc_type type,
             vmmc_operation operation, std::uint32_t root);
  int allreduce(const std::byte* contribution, std::byte* result, std::size_t count, vmmc_type type,
                vmmc_operation operation);
  int all_to_all(const std::byte* outgoing, std::byte* incoming, std::size_t block);

  // Ends the group because of `status`, whose sentence is vmmc_last_error(). Returns `status`.
  int fail(const char* operation, int status);

 private:
  struct Reduction;
  struct Exchanged;
  int broadcast_chunks(std::byte* data, std::size_t bytes, std::uint32_t root, std::uint32_t mark);
  int reduce_chunks(const Reduction& reduction, std::uint32_t root);
  int reduce_chunk(const Reduction& reduction, const TreeNode& node, std::size_t offset,
                   std::size_t bytes);
  int exchange_all(Exchanged& exchanged);
  int exchange_round(Exchanged& exchanged, std::uint32_t round);

  const Layout layout_;
  Mesh data_;
  Mesh farewell_;
  Streams streams_;
  Exchanges exchanges_;
  Lanes lanes_;
  std::vector<std::byte> scratch_;  // a chunk that is being combined
  std::uint64_t barriers_ = 0;
  int failure_ = VMMC_OK;
  Sentence sentence_;  // of the failure
  std::atomic<bool> busy_{false};
};

}  // namespace vmmc::collectives
