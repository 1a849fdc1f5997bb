// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// An attached process, as nicsim knows it: who it is, what it has registered, exported and
// imported.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nicsim/channel_view.h"
#include "nicsim/notification_port.h"
#include "nicsim/outgoing_page_table.h"
#include "nicsim/redirection.h"
#include "nicsim/segment.h"
#include "nicsim/transfer.h"
#include "nicsim/wire/control.h"

namespace vmmc::nicsim {

struct Process;

struct Rights {
  std::uint32_t access;
  std::uint32_t user;
  std::uint32_t node;
  std::uint32_t process;
  wire::ExecutorDemand executor;
};

struct ExportedBuffer {
  Process* owner;
  std::uint32_t id;
  std::uint64_t length;
  std::uint32_t page_offset;
  Rights rights;
  std::uint32_t first_incoming_page;
  std::uint32_t pages;
  bool notifies = false;              // there is a handler
  bool accepts_notifications = true;  // if its owner accepts any: see Machine::allow_interrupts
  bool redirectable = false;
  std::uint64_t cookie = 0;  // of its notifications
  Redirections redirections;
  bool closing = false;   // unexport is waiting for transfers that were asked for before it
  bool lendable = false;  // the host executor may be granted: the pages are all of one segment
  bool lent = false;      // it has been
  std::vector<wire::Extent> extents;               // its pages, as the owner named them
  std::vector<std::shared_ptr<Segment>> segments;  // keeps the memory mapped
  std::vector<std::pair<std::uint32_t, std::uint64_t>>
      byte_runs;                                           // keys of the owner's exported_bytes
  std::set<std::pair<Process*, std::uint32_t>> importers;  // process and its import slot
};

struct Import {
  std::uint32_t generation = 0;
  wire::ImportPhase phase = wire::ImportPhase::kFree;
  ExportedBuffer* buffer = nullptr;  // only while granted
  std::uint32_t first_page = 0;      // in the destination space
  std::uint32_t pages = 0;
  bool lent = false;  // the importer has a mapping of the buffer
  // Of the importer's wire::HostCounts: what both sides' counters hold already.
  std::uint64_t counted_transfers = 0;
  std::uint64_t counted_bytes = 0;
};

// A binding, as the process has declared it; nothing depends on it.
struct DeclaredBinding {
  std::uint32_t import_slot;
  std::uint8_t capture;    // enum vmmc_capture
  std::uint8_t combining;  // enum vmmc_combining
  bool notifies;
  std::uint64_t offset;   // in the buffer, bytes
  std::uint64_t length;   // bytes
  std::uint64_t timer;    // ns
  std::uint64_t address;  // in the process
  std::uint32_t segment;  // 0: in none
  std::uint32_t first_page;
};

struct Process {
  explicit Process(std::uint64_t destination_space)
      : destination_space_bytes(destination_space),
        shared_outgoing_pages(std::make_shared<OutgoingPageTable>(
            static_cast<std::uint32_t>(destination_space / wire::kPageSize))) {}

  std::size_t place = 0;  // among the machine's processes
  std::uint32_t node = 0;
  std::uint32_t id = 0;
  pid_t pid = 0;  // for reading its memory only
  uid_t uid = 0;
  bool can_read_memory = false;
  bool watches = false;  // has asked that every transfer passes through nicsim

  ChannelView channel;
  Transfer transfer;
  bool active = false;            // the loop looks at its queue
  Process* stalled_on = nullptr;  // `transfer` waits for room in this process's notification queue

  NotificationPort notifications{channel};
  bool accepts_notifications = true;
  std::uint32_t real_time_channels = 0;  // that it sends by, and that nicsim carries out
  std::uint32_t awaited = 0;  // by so many unexports: what its queue holds must not be held up

  std::unordered_map<std::uint32_t, std::shared_ptr<Segment>> segments;
  std::uint32_t next_segment_id = 1;
  std::uint64_t registered_pages = 0;  // of all segments

  std::map<std::uint32_t, std::unique_ptr<ExportedBuffer>> exports;  // by buffer id
  // Which bytes of which segment are exported: (segment, first byte) -> end. Finds overlaps.
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> exported_bytes;

  std::vector<Import> imports;  // by slot
  std::vector<std::uint32_t> free_import_slots;
  std::map<std::uint32_t, DeclaredBinding> bindings;  // by the process's number
  std::uint64_t destination_space_bytes;
  // Operations that are under way in simulated time may outlive the process.
  std::shared_ptr<OutgoingPageTable> shared_outgoing_pages;
  OutgoingPageTable& outgoing_pages = *shared_outgoing_pages;
};

}  // namespace vmmc::nicsim
