// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// All-to-all exchange of byte strings among the processes of a job, by deliberate update alone.
//
// Every process exports a row of slots, one for each sender. An exchange has three steps:
//   1. each process sends the length of its string into its slot at the receiver, then the slot's
//   flag;
//   2. a receiver that knows a length exports an inbox of that size, for that sender only;
//   3. the sender imports the inbox, sends the bytes, and then the inbox's flag.
// Data and its flag always go to the same buffer, because order is promised within one buffer.
//
// Threads and processes
//   All processes of the job call all_to_all the same number of times. One thread of each.
//
// Invariants
//   A slot can be used again in the next exchange without more ado: a sender leaves exchange n only
//   with the receiver's own string of exchange n in its hands, and the receiver sends that after it
//   has read all slots. The ids of inboxes never repeat, so nobody can import the inbox of an
//   earlier exchange.
//
// What a crash at any instruction leaves behind
//   Nothing: the other processes wait until their patience ends, or vmmcrun ends them at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace examples::wordcount {

class Exchange {
 public:
  // Attached already. Returns when all processes have exported their slots.
  Exchange();

  // Sends outgoing[r] to rank r, for every rank, also our own; returns what they have sent us, by
  // rank.
  std::vector<std::string> all_to_all(const std::vector<std::string>& outgoing);

 private:
  struct Slot {
    std::uint64_t bytes;
    std::uint32_t exchange;  // number of the exchange that `bytes` is for
    std::uint32_t reserved;
  };
  // Followed by the bytes.
  struct Inbox {
    std::uint32_t full;
    std::uint32_t reserved;
  };
  struct OpenInbox {
    Inbox* inbox;
    std::uint64_t
        bytes;  // a copy: once our own strings are out, the slots may change for the next exchange
  };

  void send_lengths(const std::vector<std::string>& outgoing);
  std::vector<OpenInbox> open_inboxes();
  void send_bytes(const std::vector<std::string>& outgoing);
  std::vector<std::string> empty_inboxes(const std::vector<OpenInbox>& inboxes);
  std::uint32_t inbox_id(std::uint32_t sender) const;

  std::uint32_t rank_;
  std::uint32_t size_;
  std::uint32_t number_ = 0;   // of the current exchange, from 1
  Slot* slots_;                // what the others tell us
  std::vector<Slot*> remote_;  // proxies of our slot at each other process
};

}  // namespace examples::wordcount
