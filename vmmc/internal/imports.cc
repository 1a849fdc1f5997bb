// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/imports.h"

#include "vmmc/internal/error.h"
#include "vmmc/internal/option_checks.h"

namespace vmmc::internal {
namespace {

int check_options(const vmmc_import_options& options) {
  const int status = check_access(options.access);
  return status == VMMC_OK ? check_executor(options.executor) : status;
}

}  // namespace

int Imports::ask(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
                 Asked* asked) {
  if (const int status = check_options(options); status != VMMC_OK) return status;
  wire::ImportRequest request{};
  request.node = exporter.node;
  request.process = exporter.process;
  request.buffer_id = id;
  request.access = options.access;
  *asked = {exporter, id, 0};
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
  int status = ask(exporter, id, options, &asked);
  if (status != VMMC_OK) return status;
  Reply reply;
  status = await(asked, options.timeout, &reply);
  if (status == VMMC_ERR_TIMEOUT) {
    status = withdraw(asked, &reply);
    if (status == VMMC_OK && reply.status() == wire::Status::kImportCancelled) {
      return fail(VMMC_ERR_TIMEOUT, "process (%u, %u) has exported no buffer %u in %.3f ms",
                  exporter.node, exporter.process, id, static_cast<double>(options.timeout) / 1e6);
    }
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

int Imports::conclude(const Asked& asked, const Reply& reply, void** proxy, std::size_t* length) {
  if (reply.status() != wire::Status::kOk) {
    return fail_refused(reply.status(), "import of buffer %u of process (%u, %u)", asked.id,
                        asked.exporter.node, asked.exporter.process);
  }
  const auto granted = reply.as<wire::ImportReply>();
  const std::lock_guard lock(mutex_);
  if (!space_.publish({.slot = granted.import_slot,
                       .generation = granted.import_generation,
                       .access = granted.access,
                       .buffer_id = asked.id,
                       .exporter = asked.exporter,
                       .first = granted.destination,
                       .length = granted.length})) {
    (void)give_up(granted.import_slot, granted.import_generation);
    return fail(VMMC_ERR_MALFORMED, "nicsim put a proxy outside of the destination space");
  }
  *proxy = space_.address_of(granted.destination);
  if (length != nullptr) *length = granted.length;
  return VMMC_OK;
}

int Imports::start(vmmc_identity exporter, std::uint32_t id, const vmmc_import_options& options,
                   vmmc_import_request* request) {
  const std::lock_guard lock(mutex_);
  const auto entry = started_.emplace(next_request_, Asked{}).first;
  const int status = ask(exporter, id, options, &entry->second);
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
  Reply reply;
  const int status = await(found->second, 0, &reply);
  if (status == VMMC_ERR_TIMEOUT) return VMMC_PENDING;
  const Asked asked = found->second;
  started_.erase(found);
  lock.unlock();
  return status == VMMC_OK ? conclude(asked, reply, proxy, length) : status;
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

int Imports::remove(void* proxy) {
  std::unique_lock lock(mutex_);
  const auto import = space_.retract(proxy);
  lock.unlock();
  if (!import) {
    return fail(VMMC_ERR_UNKNOWN_IMPORT, "%p is not the first address of a proxy", proxy);
  }
  // What was sent before goes first; if nicsim has gone the next step says so.
  (void)queue_.quiesce();
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
