// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A client's view of the table: gets by remote fetch, puts by a send and a compare-and-swap. The
// server runs no code for any of them. Layout: layout.h.
//
//   get   fetch the record in the block that the slot's head named when we last looked, then the
//         head. Still the same head: nobody has changed the slot in between, the record is whole
//         and current. Else look again, with the new head (a stale look).
//   put   send the record to our spare block, then swap the head: (version, block) becomes
//         (version + 1, spare). If that succeeds, the block that the head named before is our new
//         spare. If not, somebody else has put; look again (a lost swap).
//   remove  the same as a put of a record that says "deleted".
//
// Threads and processes
//   One thread. Every client process has another number. Errors of VMMC are thrown
//   (boost::system::system_error).
//
// Invariants
//   Every block belongs to exactly one slot or one client, and only the client that it belongs to
//   writes to it. So a record never changes while a head names its block, and there is no lock.
//   Versions of a slot grow with every change; so a head that is the same twice has been so all
//   the time. Fetches, sends and swaps of one process to one buffer are carried out in order.
//   A slot once given to a key stays that key's, deleted or not; a new key gets the first unused
//   slot of its probe sequence. So two clients that put the same new key meet at one slot.
//
// What a crash at any instruction leaves behind
//   The table as it was before the operation or after it, never between. The client's spare block
//   is lost with it; nobody needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "examples/keyvalue/layout.h"
#include "vmmc/vmmc.hpp"

namespace examples::keyvalue {

enum class Status { kDone, kAbsent, kFull, kTooLong };

struct Reply {
  Status status;
  std::uint64_t version;   // of the key's slot, deletions counted; 0: the key has none
  std::string_view value;  // of a get that found one; valid until the next operation
};

class Store {
 public:
  static constexpr std::uint32_t kBufferId = 1;

  // Attached already. Waits for the server's export.
  Store(const Layout& layout, vmmc::identity server, std::uint32_t client);

  // The key is not empty.
  Reply get(std::string_view key);                          // kDone, kAbsent
  Reply put(std::string_view key, std::string_view value);  // kDone, kFull, kTooLong
  Reply remove(std::string_view key);                       // kDone, kAbsent

  std::uint64_t stale_looks() const { return stale_looks_; }
  std::uint64_t lost_swaps() const { return lost_swaps_; }

  const Layout& layout() const { return layout_; }
  const vmmc::proxy& table() const { return table_; }

 private:
  static constexpr std::size_t kHeadBytes = 64;  // of landing_, before the record

  struct Place {
    std::uint32_t slot;
    std::uint64_t head;  // its word when the record was current
    Record record;       // in landing_
  };

  Record read(std::uint32_t slot);
  std::optional<Place> find(std::string_view key);
  Reply replace(const Record& record);

  const Layout layout_;
  vmmc::proxy table_;
  vmmc::memory landing_;                  // what is fetched: head, record
  std::vector<std::byte> outgoing_;       // the record that is sent
  std::vector<std::uint64_t> last_seen_;  // word of each slot's head
  std::uint32_t spare_;                   // the block that is ours
  std::uint64_t stale_looks_ = 0;
  std::uint64_t lost_swaps_ = 0;
};

}  // namespace examples::keyvalue
