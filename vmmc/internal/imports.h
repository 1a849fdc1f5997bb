// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The imports of this process: those that it holds, and those that wait for their export.
//
// Threads and processes: any thread; nobody is held up by somebody else's wait.
//
// Invariants
//   A granted import is either published in the destination space, or given up again at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Imports {
 public:
  Imports(ControlConnection& connection, DestinationSpace& space, SendQueue& queue)
      : connection_(connection), space_(space), queue_(queue) {}

  // As vmmc_import, vmmc_import_start, vmmc_import_test, vmmc_import_cancel and vmmc_unimport.
  // `length` may be null.
  int import(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
             void** proxy, std::size_t* length);
  int start(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
            vmmc_import_request* request);
  int test(vmmc_import_request request, void** proxy, std::size_t* length);
  int cancel(vmmc_import_request request);
  int remove(void* proxy);

 private:
  using Reply = ControlConnection::Reply;

  // What was asked for, and the number of the control request that asks for it.
  struct Asked {
    vmmc_identity exporter;
    std::uint32_t id;
    std::uint32_t number;
  };

  int ask(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
          Asked* asked);
  int await(const Asked& asked, std::uint64_t timeout, Reply* reply);
  int withdraw(const Asked& asked, Reply* reply);
  int conclude(const Asked& asked, const Reply& reply, void** proxy, std::size_t* length);
  int give_up(std::uint32_t slot, std::uint32_t generation);
  static int no_such_request(vmmc_import_request request);

  ControlConnection& connection_;
  DestinationSpace& space_;
  SendQueue& queue_;
  std::mutex mutex_;  // for the two below and for changes of the destination space
  std::map<vmmc_import_request, Asked> started_;
  vmmc_import_request next_request_ = 1;
};

}  // namespace vmmc::internal
