// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The transfer engine: takes descriptors from the send queues (deliberate and automatic updates,
// fetches, atomic operations), checks them against the outgoing page table, has them packetized,
// lets the incoming DMA engine check every packet, moves the bytes, and notifies.
//
// Nothing that a descriptor says is used before it has been copied and checked. A long transfer is
// carried out in pieces, so that no process keeps the engine from the others.
//
// While the instruments want to see each packet (Instruments::by_packet()), one packet is moved at a time:
// the pace is asked for it, the fault plan may strike it, and the trace gets its records.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/instruments.h"
#include "nicsim/packetizer.h"
#include "nicsim/process.h"
#include "nicsim/real_time/packets_first.h"
#include "nicsim/recording/recorder.h"
#include "nicsim/run.h"
#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

class TransferEngine {
 public:
  // `recorder` is told of every operation that is taken; nullptr: nobody is. `instruments` outlive the
  // engine; nullptr: it has some of its own, which nobody looks at.
  explicit TransferEngine(const Backplane& backplane, recording::Recorder* recorder = nullptr,
                          Instruments* instruments = nullptr)
      : backplane_(backplane),
        recorder_(recorder),
        own_(instruments == nullptr ? std::make_unique<Instruments>() : nullptr),
        instruments_(instruments == nullptr ? *own_ : *instruments) {}

  // What goes before each packet while packets are looked at one by one; it outlives the engine.
  void let_first(real_time::PacketsFirst& first) { first_ = &first; }

  enum class Served {
    kNothing,  // the queue is empty
    kWorked,
    kStalled,  // the next transfer is done but for a notification that finds no room: the queue must
               // wait for the process `stalled_on`
    kHeld,     // there is something to do, but the pace holds it: Pace::ask_again() says until when
  };

  // Carries out what the process's queue holds, up to a fair share.
  Served serve(Process& process);

 private:
  // The remote memory of a piece of a transfer.
  struct Landing {
    std::array<Run, kMaxRuns> runs;
    std::size_t count = 0;
    std::uint64_t bytes = 0;  // of all runs; may be less than was asked for if they are many
    std::uint64_t packets = 0;
    ExportedBuffer* buffer = nullptr;
    std::uint64_t offset = 0;  // in the buffer, of the first byte
  };
  // Bytes that have come to a process's memory.
  struct Arrival {
    Process* receiver;
    Run run;
    bool ends_transfer;
  };
  static bool is_watched(const Arrival& arrival);

  wire::Status step(Process& process);
  wire::Status begin(Process& process);
  wire::Status take_mark(const Process& process) const;
  bool find_landing(const Process& process, std::uint64_t piece, Landing& landing) const;
  static void land(const Transfer& transfer, std::byte* own, std::uint64_t length,
                   Landing& landing);
  wire::Status advance(Process& process, std::uint64_t most);
  void count_arrival(Process& sender, const Landing& landing);
  bool notify(Process& sender);
  void finish(Process& process, wire::Status status);
  void announce_fragment(const Process& process);
  void wake_sleepers(Process& sender, bool finished);
  [[gnu::cold]] void look_back(Process& process, wire::Status status);
  void note_end(const Process& process, wire::Status status);
  void note_notified(const Process& sender, const Process& receiver,
                     const wire::Notification& notification);
  void note_stall(Process& sender, const Process& receiver);

  // Packet by packet: packet_engine.cc.
  Served serve_by_packet(Process& process);
  bool may_go_on(const Process& process);
  wire::Status packet_step(Process& process);
  wire::Status begin_traced(Process& process);
  std::optional<Packet> next_packet(const Process& process) const;
  wire::Status advance_packet(Process& process);
  wire::Status move_packet(Process& process, const Packet& packet,
                           std::span<const std::byte> content);
  void note_made(const Process& process, const std::optional<Packet>& packet,
                 std::span<const std::byte> content);
  wire::Status strike(Process& process, const Packet& packet, const FaultPlan::Fault& fault,
                      std::span<const std::byte> content);
  void identify_late(Process& process);
  void show(const TraceEntry& written, std::span<const std::byte> fetched, std::size_t first);
  TraceEntry packet_entry(const Process& process, const Packet& packet, bool at_receiver,
                          wire::TraceEvent event, wire::TraceEngine engine) const;

  const Backplane& backplane_;
  recording::Recorder* const recorder_;
  const std::unique_ptr<Instruments> own_;
  Instruments& instruments_;
  real_time::PacketsFirst* first_ = nullptr;
  std::vector<Arrival> arrivals_;  // of the current share: who is waiting is woken at its end
};

}  // namespace vmmc::nicsim
