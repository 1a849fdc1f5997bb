// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The imports of this process: those that it holds, and those that wait for their export.
//
// Threads and processes: any thread; nobody is held up by somebody else's wait.
//
// Invariants
//   An import that the host executor may serve is open there before it is published.
//   A granted import is either published in the destination space, or given up again at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/exports.h"
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Imports {
 public:
  // `usual`: what VMMC_EXECUTOR_AUTO stands for.
  Imports(ControlConnection& connection, DestinationSpace& space, SendQueue& queue,
          HostExecutor& host, Exports& exports, SimulatedTime& time, vmmc_identity self,
          vmmc_executor usual)
      : connection_(connection),
        space_(space),
        queue_(queue),
        host_(host),
        exports_(exports),
        time_(time),
        self_(self),
        usual_(usual) {}

  // As vmmc_import, vmmc_import_start, vmmc_import_test, vmmc_import_cancel and vmmc_unimport.
  // `length` may be null.
  int import(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
             void** proxy, std::size_t* length);
  int start(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
            vmmc_import_request* request);
  int test(vmmc_import_request request, void** proxy, std::size_t* length);
  int cancel(vmmc_import_request request);
  // `let_go` is called when no new binding can be made to the import and before it ends; after its
  // error the import goes on.
  using LetGo = std::function<int(const Import&)>;
  int remove(void* proxy, const LetGo& let_go);

 private:
  using Reply = ControlConnection::Reply;

  // What was asked for, and the number of the control request that asks for it.
  struct Asked {
    vmmc_identity exporter;
    std::uint32_t id;
    vmmc_executor executor;
    std::uint32_t number;
  };

  int ask(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options, bool waits,
          Asked* asked);
  int await(const Asked& asked, std::uint64_t timeout, Reply* reply);
  int withdraw(const Asked& asked, Reply* reply);
  int conclude(const Asked& asked, Reply& reply, void** proxy, std::size_t* length);
  int use(const Asked& asked, const Import& import, platform::FileDescriptor memory);
  int open_host_executor(const Asked& asked, const Import& import, platform::FileDescriptor memory);
  int give_up(std::uint32_t slot, std::uint32_t generation);
  void let_answers_come();
  static int no_such_request(vmmc_import_request request);

  ControlConnection& connection_;
  DestinationSpace& space_;
  SendQueue& queue_;
  HostExecutor& host_;
  Exports& exports_;
  SimulatedTime& time_;
  const vmmc_identity self_;
  const vmmc_executor usual_;
  std::mutex mutex_;  // for the two below and for changes of the destination space
  std::map<vmmc_import_request, Asked> started_;
  vmmc_import_request next_request_ = 1;
};

}  // namespace vmmc::internal
