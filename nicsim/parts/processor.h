// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A node's processor, as far as communication is concerned: what operations cost it, and when it
// must wait for the network interface. Each process is charged as if it had the processor for
// itself: who else runs there is the client's business.
//
//   automatic update     store_ns for each store (one longer than 8 bytes is a run of stores of a
//                        word of 4 bytes); before a store it waits while the outgoing FIFO is
//                        stopped, and for the FIFO's interrupt_ns after that; or until there is room
//   deliberate update    send_ns; then for each transfer (at most max_transfer_bytes, in one page)
//                        the references and barriers of the model's way to initiate it
//                        (initiation/mechanisms.h); if the engine has no place for it (the status
//                        word says so) it waits until there is one, and makes all again
//   fetch, atomic        the same with fetch_ns
//   initiation=kernel    system_call_ns more for each of these operations
//   flush                store_ns
//
// Invariants: begin() calls nobody back. Stores that wait go on in the order in which they came; so
// do initiations.
#pragma once

#include <cstdint>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/deliberate_update_engine.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/network_packet.h"
#include "nicsim/parts/outgoing_fifo.h"
#include "nicsim/parts/snoop_logic.h"

namespace vmmc::nicsim::parts {

class Processor {
 public:
  class Port {
   public:
    virtual ~Port() = default;
    // The store's bytes go to the interface now: copy them there.
    virtual void read_store(Operation& operation, std::uint64_t offset,
                            std::span<std::byte> bytes) = 0;
    // All of the operation has been handed to the interface.
    virtual void handed_over(Operation& operation) = 0;
  };

  Processor(EventQueue& queue, const model::TimingModel& model, SnoopLogic& snoop,
            OutgoingFifo& fifo, DeliberateUpdateEngine& engine, Port& port);

  void begin(Operation& operation);

  void fifo_resumed();
  void fifo_room() { make_waiting_stores(); }
  void engine_has_place();

  struct Counters {
    std::uint64_t stores = 0;
    std::uint64_t operations = 0;        // begun
    std::uint64_t system_calls = 0;      // for initiations
    std::uint64_t store_waits = 0;       // stores that had to wait for the FIFO
    std::uint64_t store_wait_ps = 0;     // how long
    std::uint64_t initiation_waits = 0;  // initiations that had to wait for the engine
    std::uint64_t initiation_wait_ps = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Waiting {
    Operation* operation;
    Time since;
  };

  std::uint32_t next_store(const Operation& operation) const;
  std::uint32_t next_transfer(const Operation& operation) const;
  bool make_store(Operation& operation);
  void want_store(Operation& operation);
  void make_waiting_stores(std::uint64_t = 0);
  void stored(std::uint64_t operation);
  void flushed(std::uint64_t operation);
  void refer(std::uint64_t operation);
  void referred(std::uint64_t operation);
  void referred_again(std::uint64_t);
  bool initiate(Operation& operation);

  EventQueue& queue_;
  SnoopLogic& snoop_;
  OutgoingFifo& fifo_;
  DeliberateUpdateEngine& engine_;
  Port& port_;
  bool has_snoop_logic_;
  std::uint64_t max_transfer_;
  Time store_;
  Time send_;
  Time fetch_;
  std::uint64_t system_calls_of_operation_;
  Time references_;
  Time system_calls_;
  Time fifo_interrupt_;

  std::deque<Waiting> stores_;
  std::deque<Waiting> initiations_;
  bool referring_again_ = false;  // the first of them
  Time stores_go_on_ = 0;         // after an interrupt
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
