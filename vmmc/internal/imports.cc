// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/imports.h"

#include <cerrno>
#include <string>
#include <utility>

#include "vmmc/internal/error.h"
#include "vmmc/internal/option_checks.h"

namespace vmmc::internal {
namespace {

int check_options(const vmmc_import_options& options) {
  const int status = check_access(options.access);
  return status == VMMC_OK ? check_executor(options.executor) : status;
}

// What to ask nicsim for.
wire::ExecutorDemand demand_of(vmmc_executor executor) {
  if (executor == VMMC_EXECUTOR_HOST) return wire::ExecutorDemand::kHost;
  return executor == VMMC_EXECUTOR_NIC || !HostExecutor::can_send() ? wire::ExecutorDemand::kNic
                                                                    : wire::ExecutorDemand::kAny;
}

}  // namespace

int Imports::ask(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
                 bool waits, Asked* asked) {
  if (const int status = check_options(options); status != VMMC_OK) return status;
  const auto executor = static_cast<vmmc_executor>(options.executor);
  *asked = {exporter, id, executor == VMMC_EXECUTOR_AUTO ? usual_ : executor, 0};
  if (asked->executor == VMMC_EXECUTOR_HOST && !HostExecutor::can_send()) {
    return fail(VMMC_ERR_EXECUTOR_UNAVAILABLE,
                "the host executor needs membarrier(2), which this system does not allow");
  }
  wire::ImportRequest request{};
  request.node = exporter.node;
  request.process = exporter.process;
  request.buffer_id = id;
  request.access = options.access;
  request.executor = demand_of(asked->executor);
  request.waits = waits ? 1 : 0;
  request.timeout = waits ? options.timeout : wire::kNoEnd;
  const int status = connection_.post(wire::MessageType::kImport, request, &asked->number);
  return status == VMMC_ERR_NICSIM_GONE ? fail_nicsim_gone() : status;
}

int Imports::await(const Asked& asked, std::uint64_t timeout, Reply* reply) {
  const int status = connection_.wait(asked.number, timeout, reply);
  return status == VMMC_ERR_NICSIM_GONE ? fail_nicsim_gone() : status;
}

int Imports::import(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
                    void** proxy, std::size_t* length) {
  Asked asked;
  int status = ask(exporter, id, options, true, &asked);
  if (status != VMMC_OK) return status;
  Reply reply;
  // In simulated time nicsim keeps the timeout.
  status = await(asked, time_.on() ? VMMC_FOREVER : options.timeout, &reply);
  if (status == VMMC_ERR_TIMEOUT) {
    status = withdraw(asked, &reply);
  }
  if (status == VMMC_OK && reply.status() == wire::Status::kImportCancelled) {
    return fail(VMMC_ERR_TIMEOUT, "process (%u, %u) has exported no buffer %u in %.3f ms",
                exporter.node, exporter.process, id, static_cast<double>(options.timeout) / 1e6);
  }
  return status == VMMC_OK ? conclude(asked, reply, proxy, length) : status;
}

// After this the import's own reply is there: cancelled, or whatever it was before.
int Imports::withdraw(const Asked& asked, Reply* reply) {
  wire::CancelImportRequest request{};
  request.import_request = asked.number;
  Reply ignored;
  const int status = connection_.call(wire::MessageType::kCancelImport, request, &ignored);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  return status == VMMC_OK ? await(asked, VMMC_FOREVER, reply) : status;
}

int Imports::conclude(const Asked& asked, Reply& reply, void** proxy, std::size_t* length) {
  if (reply.status() != wire::Status::kOk) {
    return fail_refused(reply.status(), "import of buffer %u of process (%u, %u)", asked.id,
                        asked.exporter.node, asked.exporter.process);
  }
  const auto granted = reply.as<wire::ImportReply>();
  Import import{.slot = granted.import_slot,
                .generation = granted.import_generation,
                .access = granted.access,
                .buffer_id = asked.id,
                .exporter = asked.exporter,
                .first = granted.destination,
                .length = granted.length,
                .host_demanded = asked.executor == VMMC_EXECUTOR_HOST};
  if (asked.exporter.node == self_.node && asked.exporter.process == self_.process) {
    import.local = exports_.address_of(asked.id);
  }
  platform::FileDescriptor memory = reply.take_descriptor();
  if (granted.executor != wire::ExecutorDemand::kHost) memory.reset();
  if (const int status = use(asked, import, std::move(memory)); status != VMMC_OK) {
    const std::string why = last_error();
    (void)give_up(import.slot, import.generation);
    return fail(status, "%s", why.c_str());
  }
  *proxy = space_.address_of(granted.destination);
  if (length != nullptr) *length = granted.length;
  return VMMC_OK;
}

int Imports::use(const Asked& asked, const Import& import, platform::FileDescriptor memory) {
  const std::lock_guard lock(mutex_);
  if (!space_.fits(import)) {
    return fail(VMMC_ERR_MALFORMED, "nicsim put a proxy outside of the destination space");
  }
  if (!host_.join(import)) return fail_plainly(VMMC_ERR_INTERRUPTED_SEND);
  if (const int status = open_host_executor(asked, import, std::move(memory)); status != VMMC_OK) {
    host_.leave(import);
    return status;
  }
  (void)space_.publish(import);
  return VMMC_OK;
}

// Without it nicsim serves the import, unless the program has asked for it.
int Imports::open_host_executor(const Asked& asked, const Import& import,
                                platform::FileDescriptor memory) {
  const bool demanded = asked.executor == VMMC_EXECUTOR_HOST;
  if (!memory.valid()) {
    return demanded ? fail_system("cannot receive the memory of a buffer", {"recvmsg", EMFILE})
                    : VMMC_OK;
  }
  const auto error = host_.open(import, memory.get());
  return error && demanded ? fail_system("cannot map a buffer", *error) : VMMC_OK;
}

int Imports::start(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
                   vmmc_import_request* request) {
  const std::lock_guard lock(mutex_);
  const auto entry = started_.emplace(next_request_, Asked{}).first;
  const int status = ask(exporter, id, options, false, &entry->second);
  if (status != VMMC_OK) {
    started_.erase(entry);
    return status;
  }
  *request = next_request_++;
  return VMMC_OK;
}

int Imports::no_such_request(vmmc_import_request request) {
  return fail(VMMC_ERR_BAD_HANDLE, "%llu is no import request under way",
              static_cast<unsigned long long>(request));
}

int Imports::test(vmmc_import_request request, void** proxy, std::size_t* length) {
  std::unique_lock lock(mutex_);
  const auto found = started_.find(request);
  if (found == started_.end()) return no_such_request(request);
  if (time_.on()) let_answers_come();
  Reply reply;
  const int status = await(found->second, 0, &reply);
  if (status == VMMC_ERR_TIMEOUT) return VMMC_PENDING;
  const Asked asked = found->second;
  started_.erase(found);
  lock.unlock();
  return status == VMMC_OK ? conclude(asked, reply, proxy, length) : status;
}

// In simulated time: what nicsim has sent up to now is received before the reply to another request.
void Imports::let_answers_come() {
  time_.pause();
  wire::PlainReply request{};
  Reply ignored;
  (void)connection_.call(wire::MessageType::kReadCounters, request, &ignored);
}

int Imports::cancel(vmmc_import_request request) {
  std::unique_lock lock(mutex_);
  const auto found = started_.find(request);
  if (found == started_.end()) return no_such_request(request);
  const Asked asked = found->second;
  started_.erase(found);
  lock.unlock();
  Reply reply;
  const int status = withdraw(asked, &reply);
  if (status != VMMC_OK || reply.status() != wire::Status::kOk) return status;
  const auto granted = reply.as<wire::ImportReply>();  // it was faster
  return give_up(granted.import_slot, granted.import_generation);
}

int Imports::remove(void* proxy, const LetGo& let_go) {
  std::unique_lock lock(mutex_);
  const auto held = space_.resolve(proxy);
  if (held && host_.is_inside(*held)) return fail_plainly(VMMC_ERR_INTERRUPTED_SEND);
  const auto import = space_.retract(proxy);
  lock.unlock();
  if (!import) {
    return fail(VMMC_ERR_UNKNOWN_IMPORT, "%p is not the first address of a proxy", proxy);
  }
  if (const int status = let_go(*import); status != VMMC_OK) {
    lock.lock();
    (void)space_.publish(*import);
    return status;
  }
  // What was sent before goes first; if nicsim has gone the next step says so.
  (void)queue_.quiesce();
  // Not under the lock: who is waited for may be in a handler that wants it.
  host_.close(*import);
  lock.lock();
  host_.leave(*import);
  lock.unlock();
  return give_up(import->slot, import->generation);
}

int Imports::give_up(std::uint32_t slot, std::uint32_t generation) {
  wire::UnimportRequest request{};
  request.import_slot = slot;
  request.import_generation = generation;
  Reply reply;
  const int status = connection_.call(wire::MessageType::kUnimport, request, &reply);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK || reply.status() == wire::Status::kOk) return status;
  return fail_refused(reply.status(), "unimport");
}

}  // namespace vmmc::internal
