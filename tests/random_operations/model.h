// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The reference model of a random run: what vmmc/vmmc.h promises, in plain data of one process.
// Commands are applied one after the other, as if each were over before the next begins; who uses
// the model sees to it that this is so for the real processes wherever it makes a difference.
//
// Threads and processes: of the coordinator alone.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/random_operations/command.h"

namespace vmmc::testing::random_operations {

struct Redirection {
  std::uint64_t length;
  std::uint64_t destination;  // arena offset
  std::uint64_t arrived = 0;
};

// One generation of a receive buffer; imports keep it when it has ended.
struct Export {
  std::uint32_t owner = 0;
  std::uint32_t id = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t access = 0;
  std::uint32_t who = VMMC_ANY;  // may import
  bool redirectable = false;
  bool handler = false;
  bool accepts = true;
  bool lendable = false;  // the host executor can serve it
  int ended = VMMC_OK;    // else what its importers are told
  std::uint32_t importers = 0;
  std::vector<bool> arrived;  // redirectable: in the buffer, not redirected since
  std::map<std::uint64_t, Redirection> redirections;
};
using ExportPointer = std::shared_ptr<Export>;

struct Import {
  ExportPointer target;
  std::uint32_t access = 0;
  std::uint64_t proxy = 0;
  bool held = true;     // false: given up
  bool silent = false;  // the failure of its automatic updates is known
};

struct Request {
  std::uint32_t exporter = 0;
  std::uint32_t id = 0;
  std::uint32_t access = 0;
  std::uint32_t executor = 0;
  int status = VMMC_PENDING;
  ExportPointer target;  // once granted
};

struct BoundPages {
  std::uint32_t import = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t remote = 0;
  bool trap = false;
  bool notify = false;
};

struct Process {
  Bytes memory;
  std::map<std::uint32_t, ExportPointer> exports;
  std::map<std::uint32_t, Import> imports;
  std::map<std::uint32_t, Request> requests;
  std::map<std::uint32_t, BoundPages> bindings;
  std::map<std::uint64_t, std::uint64_t> registrations;
  std::uint32_t blocks = 0;
  std::deque<Notice> queued;    // while blocked
  std::vector<Notice> handled;  // since the last kLog
  int failure = VMMC_OK;        // what the next fence reports
};

class Model {
 public:
  Model();

  // What the worker must answer; the effects are those of a success. `proxy` is left open. The
  // notification that kWaitNotification takes goes to *taken.
  Answer apply(const Command& command, Notice* taken);

  // The address that the worker got for the import.
  void learn_proxy(const Command& command, std::uint64_t proxy);

  const Process& process(std::uint32_t number) const { return processes_[number]; }
  std::vector<Notice> take_handled(std::uint32_t number);
  // Whose memory has changed since the last call.
  std::set<std::uint32_t> take_touched();

  // Whether the host executor can serve what would be exported so: whole pages that nobody else uses,
  // with both rights, and not redirectable.
  bool may_be_lent(const Command& c) const;

  // How many imports there were that the host executor serves.
  std::uint64_t lent() const { return lent_; }

  // The export that an import would find now; nullptr: it waits.
  ExportPointer find_export(std::uint32_t exporter, std::uint32_t id) const;

 private:
  static Answer status(int value) { return {value, 0, 0, 0}; }

  Answer apply_locally(const Command& c, Notice* taken);
  Answer transfer(const Command& c);
  Answer export_buffer(const Command& c);
  Answer unexport(const Command& c);
  Answer importers(const Command& c) const;
  Answer import(const Command& c);
  Answer start_import(const Command& c);
  Answer test_import(const Command& c);
  Answer cancel_import(const Command& c);
  Answer unimport(const Command& c);
  Answer send(const Command& c);
  Answer fetch(const Command& c);
  Answer change_word(const Command& c);
  Answer redirect(const Command& c);
  Answer end_redirection(const Command& c);
  Answer bind(const Command& c);
  Answer store(const Command& c);
  Answer register_memory(const Command& c);
  Answer unregister_memory(const Command& c);
  Answer unblock(const Command& c);
  Answer accept(const Command& c);
  Answer wait_notification(const Command& c, Notice* taken);
  void end_process(std::uint32_t number);
  void reset(const Command& c);

  int admit(const Command& c, std::uint64_t length, std::uint32_t access) const;
  static std::uint32_t demanded_by(const Command& c);
  int may_import(const Command& c, const Export& target) const;
  void settle_requests(const ExportPointer& target);
  void update(Import& import, std::uint64_t offset, const unsigned char* bytes,
              std::uint64_t length);
  void propagate(const Command& c, const BoundPages& pages);
  void notify(const Import& import, const Notice& notice);
  void give_up(Import& import);

  std::array<Process, kProcesses> processes_;
  std::set<std::uint32_t> touched_;
  std::uint64_t lent_ = 0;
};

}  // namespace vmmc::testing::random_operations
