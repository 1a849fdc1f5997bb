// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The transfer engine in simulated time: the operations of real processes, at the times of a timing
// model. Stands where TransferEngine stands in real time, with the same tables and the same checks.
//
// While any process runs, simulated time stands still. What the processes have asked for is carried out
// when all are parked: the operations of each one by one from its clock on, through the hardware. Bytes
// leave their source when the model says so, and reach memory when the model says so, while nobody runs:
// so a process finds its memory as it is at its clock.
//
// Threads: used by nicsim's one thread.
//
// Invariants
//   The clock of a process is never behind the queue's now() when it goes on. Its operations complete in
//   the order in which they were asked for; one that notifies, when its notification is queued. Of two processes that may go on at the same time, the one
//   goes on first that could earlier, else the one with the lower node and process id: nothing depends on
//   how fast anything is.
//
// What a crash at any instruction leaves behind
//   Of a process: what has left its source arrives; the rest is forgotten.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nicsim/machine.h"
#include "nicsim/parts/hardware.h"
#include "nicsim/simulated/parked_threads.h"
#include "nicsim/traced_operation.h"
#include "nicsim/transfer.h"

namespace vmmc::nicsim::simulated {

class SimulatedEngine final : public parts::HardwareClient, private parts::Tracer {
 public:
  // What happens goes to the machine's instruments, and the fault plan is theirs.
  SimulatedEngine(const model::TimingModel& model, parts::MachineShape shape, Machine& machine);
  ~SimulatedEngine() override;

  // As the loop is told by the control server.
  void attached(Process& process);
  void leaving(Process& process);
  // The client has rung: it may have woken one of its threads, or made room for notifications, while all
  // were parked.
  void rang(Process& process);
  // The process asks nicsim for something and does nothing else until it is told: `waits`; or it has been
  // told. What a request costs is `cost`, in ns of the model.
  void waits_for_answer(Process& process, bool waits);
  void charge(Process& process, double cost_ns);

  // Whether any process runs. Begins what those ask for that do not run any more.
  bool anybody_runs();
  // Their node and process ids, for people.
  std::string who_runs();
  // Lets one thread go on, if one may now.
  bool resume_somebody();
  // One of the threads that come back from outside goes on, of the process with the lowest node and
  // process id. False: there is none.
  bool let_somebody_come_back();
  bool somebody_comes_back();
  // Carries out the next event. False: there is none, and time stands still until somebody comes.
  bool step();

  // Whose notification queue has no room for a message of this process, which waits; nullptr: none waits.
  const Process* stalled_on(const Process& process) const;

  Time now() const { return queue_.now(); }
  parts::EventQueue& queue() { return queue_; }
  const parts::Hardware& hardware() const { return hardware_; }
  std::size_t processes() const { return by_identity_.size(); }

  // parts::HardwareClient
  void initiated(parts::Operation& operation) override;
  void read_source(parts::Operation& operation, std::uint64_t offset,
                   std::span<std::byte> bytes) override;
  void source_free(parts::Operation& operation) override;
  void land(parts::Operation& operation, const Packet& packet,
            std::span<const std::byte> bytes) override;
  void read_remote(parts::Operation& operation, const Packet& packet,
                   std::span<std::byte> bytes) override;
  void land_local(parts::Operation& operation, std::uint64_t offset,
                  std::span<const std::byte> bytes) override;
  void change_remote(parts::Operation& operation, const Packet& packet) override;
  void delivered(parts::Operation& operation, bool accepted) override;
  void notified(std::uint64_t token) override;
  std::uint64_t notification_token(parts::Operation& operation) override;
  void notification_refused(parts::Operation& operation) override;
  void interrupted(std::uint32_t node, Time cost) override;
  void struck(parts::Operation& operation, const Packet& packet, bool corrupted) override;

 private:
  struct Participant;
  // One descriptor, until everything of it has happened.
  struct Issued : parts::Operation {
    Participant* by = nullptr;
    Transfer transfer;
    std::uint64_t ticket = 0;
    std::uint64_t word_found = 0;  // by an atomic operation
    std::uint64_t landed = 0;      // bytes
    bool begun = false;
    bool notifies = false;  // and ends when its notification is queued
    bool arrived = false;   // the hardware does not name it any more
    bool lost = false;      // its bytes could not be read
    bool source_read = false;
    bool done = false;
    wire::Status status = wire::Status::kOk;
    Time began = 0;
  };
  // On its way to its receiver, or waiting for room there.
  struct Notice {
    Participant* sender;
    Participant* receiver;
    std::uint64_t ticket;  // of the operation
    wire::Notification notification;
  };
  // A process, or what is left of one that has gone while its operations were under way.
  struct Participant {
    Participant(SimulatedEngine& its_engine, Process& its_process)
        : engine(its_engine),
          process(&its_process),
          threads(its_process.channel.shared(), its_engine.now(), its_engine.look_),
          destinations(its_process.shared_outgoing_pages) {}
    SimulatedEngine& engine;
    Process* process;  // nullptr: has gone
    ParkedThreads threads;
    std::shared_ptr<OutgoingPageTable> destinations;  // operations name it
    Time clock = 0;
    Time next_look = parts::kNever;  // the earliest event that there is of look()
    Time lost = 0;                   // to interrupts, since an operation was begun last
    bool issuing = false;            // an operation has been handed over and not been initiated
    bool in_ready = false;           // stands in ready_
    std::uint32_t answers_awaited = 0;
    std::uint32_t stalled = 0;        // its notices that wait for room: it begins nothing meanwhile
    std::deque<Notice> without_room;  // of others, for this one
    std::uint64_t next_ticket = 0;
    std::deque<std::unique_ptr<Issued>> under_way;

    void issue(std::uint64_t) { engine.issue_next(*this); }
    void look(std::uint64_t) { engine.look_again(*this); }
    void begin(std::uint64_t) { engine.begin_last(*this); }
  };
  static Issued& issued(parts::Operation& operation) { return static_cast<Issued&>(operation); }
  Participant& of(const Process& process) { return *participants_.at(&process); }

  void runs(Participant& participant);
  void issue_next(Participant& participant);
  bool take(Participant& participant);
  static wire::Status prepare(const Process& process, Issued& operation);
  void begin_last(Participant& participant);
  void settle(Participant& participant);
  bool may_go_on(const Participant& participant) const;
  void consider(Participant& participant);
  void look_at(Participant& participant, Time time);
  void look_again(Participant& participant);
  void rouse(Participant& participant, std::uint32_t reasons);
  bool queue(const Notice& notice);
  void queue_or_stall(const Notice& notice);
  static Issued& operation_of(const Notice& notice);
  bool is_asked_for(const Notice& notice);
  void end(const Notice& notice);
  void go_on(Participant& sender);
  void bring_in_waiting(Participant& receiver);
  void stall_no_more(Participant& sender);
  void forget_notices_of(Participant& leaver);
  void finish(Issued& operation, wire::Status status);
  void complete_in_order(Participant& participant);

  // For the instruments: simulated_trace.cc.
  void happened(const parts::Step& step) override;
  void note_taken(Issued& operation);
  void note_finished(const Issued& operation, wire::Status status);
  void note_notified(const Notice& notice);
  void note_stall(const Notice& notice);
  void write_at_now(TraceEntry entry);
  TracedOperation identity_of(const Issued& operation);

  parts::EventQueue queue_;
  Machine& machine_;
  Instruments& instruments_;
  const Time look_;
  std::unordered_map<const Process*, std::unique_ptr<Participant>> participants_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Participant*> by_identity_;
  std::vector<Participant*> running_;  // when they were looked at last
  std::deque<Participant*> ready_;
  std::vector<std::unique_ptr<Participant>> gone_;  // events and operations may still name them
  std::map<std::uint64_t, Notice> notices_;         // by token
  std::uint64_t next_token_ = 1;
  bool somebody_may_come_back_ = false;
  parts::Hardware hardware_;  // last: calls back
};

}  // namespace vmmc::nicsim::simulated
