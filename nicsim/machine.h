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
#include <variant>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/process.h"
#include "nicsim/wire/control.h"
#include "platform/file_descriptor.h"
#include "platform/unix_socket.h"

namespace vmmc::nicsim {

class Machine {
 public:
  // Answers that come later than their request: an import that waited for its export, an unexport
  // that waited for transfers. The receiver is a process that is attached.
  struct LateReplies {
    std::function<void(Process&, const wire::ImportReply&)> import;
    std::function<void(Process&, const wire::PlainReply&)> unexport;
    // Not a reply: the send queue of this process must be looked at, and those of the processes
    // that are stalled on it, although it has not rung: an unexport waits for what stands there,
    // or there is nothing to be stalled on any more.
    std::function<void(Process&)> attend = [](Process&) {};
  };

  Machine(std::uint32_t nodes, LateReplies replies)
      : backplane_(nodes), replies_(std::move(replies)) {}

  const Backplane& backplane() const { return backplane_; }
  const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }

  struct Attached {
    Process* process;
    platform::FileDescriptor channel;
  };
  // kNoSuchNode, kProcessIdInUse, kTooManyProcesses, kOutOfMemory; kMalformed: less than a page of
  // destination space.
  std::variant<Attached, wire::Status> attach(const platform::PeerCredentials& credentials,
                                              const wire::AttachRequest& request);
  void detach(Process& process);

  // kMalformed: not a sealed memfd of that size; kOutOfMemory: it cannot be mapped.
  std::variant<std::uint32_t, wire::Status> register_segment(Process& process, int fd,
                                                             std::uint64_t bytes);
  wire::Status release_segment(Process& process, std::uint32_t segment);

  wire::Status export_buffer(Process& process, const wire::ExportRequest& request);
  // The answer comes by LateReplies, when what was sent before the request has been carried out; or
  // at once.
  std::optional<wire::Status> unexport(Process& process, const wire::UnexportRequest& request);

  // Nothing if the import waits for its export: the reply comes by LateReplies.
  std::optional<wire::ImportReply> import(Process& process, const wire::ImportRequest& request);
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

  // To be called after each round of transfers: ends the unexports that have nothing to wait for
  // any more.
  void settle_unexports();
  // The send queue of this process has been looked at and holds nothing, though it may have fewer
  // transfers behind it than unexports wait for: what it had published it has withdrawn.
  void found_empty(Process& sender);
  bool unexports_waiting() const { return !waiting_unexports_.empty(); }

 private:
  struct WaitingImport {
    Process* importer;
    wire::ImportRequest request;
  };
  struct WaitingUnexport {
    ExportedBuffer* buffer;
    wire::MessageHeader header;
    std::vector<std::pair<Process*, std::uint64_t>>
        senders;  // and the ticket that each must have reached
  };
  std::optional<std::uint32_t> free_process_id(std::uint32_t wanted) const;
  Process* find_process(std::uint32_t node, std::uint32_t id) const;
  static ExportedBuffer* find_own(Process& process, std::uint32_t buffer_id);
  void copy_arrived(const ExportedBuffer& buffer, std::uint64_t first, std::uint64_t end);
  wire::ImportReply try_import(Process& importer, const wire::ImportRequest& request,
                               ExportedBuffer& buffer);
  wire::ImportReply grant(Process& importer, const wire::ImportRequest& request,
                          ExportedBuffer& buffer);
  ExportedBuffer* find_export(const wire::ImportRequest& request) const;
  void stop_waiting_for(Process& sender);
  void revoke(ExportedBuffer& buffer, wire::ImportPhase phase);
  void drop_import(Process& process, std::uint32_t slot);
  void settle_imports_of(ExportedBuffer& buffer);

  Backplane backplane_;
  LateReplies replies_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::list<WaitingImport> waiting_imports_;
  std::list<WaitingUnexport> waiting_unexports_;
};

}  // namespace vmmc::nicsim
