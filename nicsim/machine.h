// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine: what nicsim knows of processes, exports and imports, and the rules by which they
// change. No sockets and no clock here; the control server calls it for each request.
//
// Threads: used by nicsim's one thread.
//
// Invariants
//   A buffer that is exported has its pages in the incoming page table of its owner's node; an
//   import that is granted has its pages in the outgoing page table of the importer, and the buffer
//   knows the importer. What a process owned is gone when detach() returns, and those who imported
//   from it have been told.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/index_range_allocator.h"
#include "nicsim/instruments.h"
#include "nicsim/process.h"
#include "nicsim/real_time/real_time_channels.h"
#include "nicsim/recording/recorder.h"
#include "nicsim/waiting_imports.h"
#include "nicsim/wire/control.h"
#include "platform/file_descriptor.h"
#include "platform/unix_socket.h"

namespace vmmc::nicsim {

// The reply to an import, and the memfd that goes with it if the host executor is granted; -1: none.
// It stays open at least until the next change of the machine.
struct ImportAnswer {
  wire::ImportReply reply{};
  int memory = -1;
  wire::ExecutorDemand demand = wire::ExecutorDemand::kAny;  // the request's
};

// How much of what the kernel gives sparingly a machine uses.
struct MachineLimits {
  std::size_t segments;             // of all processes together; each is a mapping
  std::size_t segments_of_process;  // so that none takes them all
  int lending_descriptors;          // a descriptor from this number on is kept for clients to come
  static MachineLimits of_this_system();
};

class Machine {
 public:
  // Answers that come later than their request: an import that waited for its export, an unexport
  // that waited for transfers. The receiver is a process that is attached.
  struct LateReplies {
    std::function<void(Process&, const ImportAnswer&)> import;
    std::function<void(Process&, const wire::UnexportReply&)> unexport;
    // Not a reply: the send queue of this process must be looked at, and those of the processes
    // that are stalled on it, although it has not rung: an unexport waits for what stands there,
    // or there is nothing to be stalled on any more.
    std::function<void(Process&)> attend = [](Process&) {};
  };

  Machine(std::uint32_t nodes, LateReplies replies,
          MachineLimits limits = MachineLimits::of_this_system())
      : backplane_(nodes), replies_(std::move(replies)), limits_(limits) {}

  const Backplane& backplane() const { return backplane_; }

  // Before the first process: nobody is granted the host executor, as every transfer has to take its
  // simulated time.
  void use_simulated_time() { clock_ = wire::kSimulatedTime; }
  std::uint32_t clock() const { return clock_; }  // wire::kRealTime or wire::kSimulatedTime

  // Before the first process: tells `recorder`, which outlives the machine, of everything from now on.
  // Every transfer passes through nicsim, as if somebody watched.
  void record(recording::Recorder& recorder) {
    recorder_ = &recorder;
    change_watchers(true);
  }
  recording::Recorder* recorder() const { return recorder_; }  // nullptr: nothing is recorded

  // Before the first process: what is refused goes to the error log of `instruments`, which outlive the
  // machine, and who comes, goes, exports and imports to their trace. Without it the machine has
  // instruments of its own.
  void observe(Instruments& instruments) {
    instruments_ = &instruments;
    real_time_.observe(instruments);
  }
  Instruments& instruments() const { return *instruments_; }

  // Begins a trace of so many records; 0: Trace::kDefaultRecords. Its first records are of what there is
  // already: processes, then exports, imports that are granted, bindings. While it is on nobody is granted the
  // host executor, and those who have been are asked to leave it, as while a process watches. (So stores
  // to bindings with shared capture stay unseen: they are stores to the buffer itself.) `file`, if it is
  // valid, is kept up to date: see Trace. kTraceIsOn, kOutOfMemory.
  wire::Status start_trace(std::uint64_t records, platform::FileDescriptor file = {});
  // kTraceIsOff.
  wire::Status stop_trace();
  // From on = true to on = false every transfer passes through nicsim; may be nested.
  void watch_packets(bool on) { change_watchers(on); }
  // How many want every transfer to pass through nicsim: processes, the recorder, the trace, rings.
  std::uint32_t watchers() const { return watchers_; }

  const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }
  const WaitingImports& waiting_imports() const { return waiting_imports_; }

  struct Attached {
    Process* process;
    platform::FileDescriptor channel;
  };
  // kNoSuchNode, kProcessIdInUse, kTooManyProcesses, kOutOfMemory; kMalformed: less than a page of
  // destination space.
  std::variant<Attached, wire::Status> attach(const platform::PeerCredentials& credentials,
                                              const wire::AttachRequest& request);
  void detach(Process& process);

  // kMalformed: not a sealed memfd of that size; kOutOfMemory: it cannot be mapped, or there are too
  // many. With too many descriptors it is taken, but never lent. Both are logged once.
  std::variant<std::uint32_t, wire::Status> register_segment(
      Process& process, platform::FileDescriptor memory,
      const wire::RegisterSegmentRequest& request);
  wire::Status release_segment(Process& process, std::uint32_t segment);

  wire::Status export_buffer(Process& process, const wire::ExportRequest& request);
  // The answer comes by LateReplies, when what was sent before the request has been carried out; or
  // at once.
  std::optional<wire::Status> unexport(Process& process, const wire::UnexportRequest& request);

  // Nothing if the import waits for its export: the reply comes by LateReplies.
  std::optional<ImportAnswer> import(Process& process, const wire::ImportRequest& request);
  // What is to be answered instead if the memfd cannot be passed: the import is granted the nic
  // executor, or, if it demands the host executor, refused.
  ImportAnswer without_memory(Process& process, const ImportAnswer& answer);
  wire::Status cancel_import(Process& process, std::uint32_t request);
  wire::Status unimport(Process& process, const wire::UnimportRequest& request);

  // Messages that are not accepted give no notification; those that wait for room to give one go on.
  wire::Status accept_notifications(Process& process,
                                    const wire::AcceptNotificationsRequest& request);
  wire::ListImportersReply list_importers(Process& process,
                                          const wire::ListImportersRequest& request) const;
  wire::RedirectionReply redirect(Process& process, const wire::RedirectRequest& request);
  wire::RedirectionReply end_redirection(Process& process,
                                         const wire::EndRedirectionRequest& request);

  // Brings the counters of this process up to date with what was moved by the host executor.
  wire::Status read_counters(Process& process);
  // While any process watches, no import is open to the host executor.
  wire::Status watch(Process& process, const wire::WatchRequest& request);

  // What the process says of its bindings. kMalformed, kUnknownImport, kDuplicateId; kOutOfMemory: there
  // are kMaxDeclaredBindings.
  wire::Status declare_binding(Process& process, const wire::DeclareBindingRequest& request);
  // kMalformed: none is declared under this number, or it has ended with its import.
  wire::Status end_binding(Process& process, const wire::EndBindingRequest& request);

  // Real-time channels: what they do besides being asked for.
  real_time::RealTimeChannels& real_time() { return real_time_; }
  // All three: kNotInSimulatedTime, and what nicsim/wire/real_time_channel.h says.
  real_time::ChannelAnswer open_channel(Process& process, const wire::OpenChannelRequest& request);
  real_time::ChannelAnswer connect_channel(Process& process,
                                           const wire::ConnectChannelRequest& request);
  wire::Status close_channel(Process& process, const wire::CloseChannelRequest& request);

  // To be called after each round of transfers: ends the unexports that have nothing to wait for
  // any more.
  void settle_unexports();
  // The send queue of this process has been looked at and holds nothing, though it may have fewer
  // transfers behind it than unexports wait for: what it had published it has withdrawn.
  void found_empty(Process& sender);
  bool waits_for_unexport(const Process& owner, std::uint32_t request) const;
  bool unexports_waiting() const { return !waiting_unexports_.empty(); }

 private:
  struct WaitingUnexport {
    ExportedBuffer* buffer;
    wire::MessageHeader header;
    std::vector<std::pair<Process*, std::uint64_t>>
        senders;  // and the ticket that each must have reached
  };
  // The requests themselves: the functions above note what they refuse.
  std::variant<Attached, wire::Status> take_in(const platform::PeerCredentials& credentials,
                                               const wire::AttachRequest& request);
  wire::Status make_export(Process& process, const wire::ExportRequest& request);
  wire::RedirectionReply make_redirection(Process& process, const wire::RedirectRequest& request);
  std::optional<std::uint32_t> take_process_id(std::uint32_t wanted);
  Process* find_process(std::uint32_t node, std::uint32_t id) const;
  static ExportedBuffer* find_own(Process& process, std::uint32_t buffer_id);
  void copy_arrived(const ExportedBuffer& buffer, std::uint64_t first, std::uint64_t end);
  ImportAnswer try_import(Process& importer, const wire::ImportRequest& request,
                          ExportedBuffer& buffer);
  ImportAnswer grant(Process& importer, const wire::ImportRequest& request, ExportedBuffer& buffer);
  static std::optional<std::uint32_t> take_import_slot(Process& importer);
  wire::ImportPhase phase_of_granted(const Import& import) const;
  static void count_host_transfers(Process& importer, std::uint32_t slot);
  static void complain(bool& said, const char* of);
  void set_watching(Process& process, bool watches);
  void change_watchers(bool more);
  wire::Status noted(const Process& process, wire::MessageType type, wire::Status status,
                     std::uint32_t buffer = ErrorLog::kNoBuffer) const;
  ImportAnswer refuse_import(const Process& importer, const wire::ImportRequest& request,
                             wire::Status status) const;
  void trace_process(wire::TraceEvent event, const Process& process) const;
  void trace_export(wire::TraceEvent event, const ExportedBuffer& buffer) const;
  void trace_import(wire::TraceEvent event, const Process& importer, std::uint32_t slot) const;
  void trace_binding(wire::TraceEvent event, const Process& process,
                     const DeclaredBinding& binding) const;
  void trace_what_is_there() const;
  ExportedBuffer* find_export(const wire::ImportRequest& request) const;
  void stop_waiting_for(Process& sender);
  // Brings the interrupt-enable bits of the buffer's pages up to date.
  void allow_interrupts(const ExportedBuffer& buffer);
  void revoke(ExportedBuffer& buffer, wire::ImportPhase phase);
  void end_import(Process& process, std::uint32_t slot);
  void drop_import(Process& process, std::uint32_t slot);
  wire::Status keep_binding(Process& process, const wire::DeclareBindingRequest& request);
  void end_bindings_of(Process& process, std::uint32_t slot);
  void settle_imports_of(ExportedBuffer& buffer);

  Backplane backplane_;
  LateReplies replies_;
  const MachineLimits limits_;
  bool complained_of_segments_ = false;
  bool complained_of_descriptors_ = false;
  std::vector<std::unique_ptr<Process>> processes_;  // each knows its place
  std::unordered_map<std::uint32_t, Process*> by_id_;
  IndexRangeAllocator free_ids_{wire::kAnyProcess};
  WaitingImports waiting_imports_;
  std::list<WaitingUnexport> waiting_unexports_;
  std::uint32_t watchers_ = 0;
  std::uint32_t clock_ = wire::kRealTime;
  recording::Recorder* recorder_ = nullptr;
  const std::unique_ptr<Instruments> own_instruments_ = std::make_unique<Instruments>();
  Instruments* instruments_ = own_instruments_.get();
  real_time::RealTimeChannels real_time_{*instruments_, limits_.lending_descriptors};
};

}  // namespace vmmc::nicsim
