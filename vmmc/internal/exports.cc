// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/exports.h"

#include <algorithm>

#include "vmmc/internal/error.h"
#include "vmmc/internal/option_checks.h"

namespace vmmc::internal {
namespace {

void* pointer(std::uintptr_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

int Exports::check_options(const vmmc_export_options& options) const {
  if (const int status = check_access(options.access); status != VMMC_OK) return status;
  if (options.node != VMMC_ANY && options.node >= nodes_) {
    return fail(VMMC_ERR_NO_SUCH_NODE, "importers at node %u, where the nodes are 0 to %u",
                options.node, nodes_ - 1);
  }
  return check_executor(options.executor);
}

int Exports::check(std::uintptr_t address, std::size_t length, std::uint32_t id) const {
  if (length == 0) return fail(VMMC_ERR_ZERO_LENGTH, "an export of zero bytes");
  if (address > UINTPTR_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu bytes from %p go past the end of the address space",
                length, pointer(address));
  }
  if (address % wire::kWordSize != 0) {
    return fail(VMMC_ERR_MISALIGNED, "%p is not aligned to a word of %u bytes", pointer(address),
                wire::kWordSize);
  }
  if (buffers_.contains(id)) {
    return fail(VMMC_ERR_DUPLICATE_ID, "the process already exports a buffer under id %u", id);
  }
  for (const auto& [other_id, other] : buffers_) {
    if (address < other.address + other.length && other.address < address + length) {
      return fail(VMMC_ERR_OVERLAP,
                  "%zu bytes from %p overlap buffer %u, which has %zu bytes from %p", length,
                  pointer(address), other_id, other.length, pointer(other.address));
    }
  }
  return VMMC_OK;
}

int Exports::add(void* address, std::size_t length, std::uint32_t id,
                 const vmmc_export_options& options) {
  if (const int status = check_options(options); status != VMMC_OK) return status;
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  const std::lock_guard lock(mutex_);
  if (const int status = check(start, length, id); status != VMMC_OK) return status;
  // Before the pages change hands: what can fail for want of memory here has no way back later.
  const auto entry = buffers_.emplace(id, Buffer{start, length}).first;
  const SharedSegments::Cover cover = segments_.cover(address, length);
  waiter_.announce_move();
  if (!cover.verdict.ok()) {
    buffers_.erase(entry);
    return fail(cover.verdict.status, "%zu bytes from %p cannot be exported: %s", length, address,
                cover.verdict.detail.c_str());
  }
  const int status = register_buffer(cover, length, id, options);
  if (status != VMMC_OK) {
    release(id, entry->second);
    buffers_.erase(entry);
  }
  return status;
}

// nicsim knows the buffer no more.
void Exports::release(std::uint32_t id, const Buffer& buffer) {
  redirections_.forget(id);
  segments_.release(pointer(buffer.address), buffer.length);
  waiter_.announce_move();
}

int Exports::register_buffer(const SharedSegments::Cover& cover, std::size_t length,
                             std::uint32_t id, const vmmc_export_options& options) {
  wire::ExportRequest request{};
  request.buffer_id = id;
  request.access = options.access;
  request.user = options.user;
  request.node = options.node;
  request.process = options.process;
  request.executor = options.executor == VMMC_EXECUTOR_NIC ? wire::ExecutorDemand::kNic
                                                           : wire::ExecutorDemand::kAny;
  request.length = length;
  request.flags = options.redirectable != 0 ? wire::kExportRedirectable : 0;
  request.page_offset = cover.page_offset;
  request.extent_count = static_cast<std::uint32_t>(cover.extents.size());
  std::copy(cover.extents.begin(), cover.extents.end(), request.extents);
  const std::size_t bytes =
      offsetof(wire::ExportRequest, extents) + cover.extents.size() * sizeof(wire::Extent);
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kExport, request, &reply, bytes);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK) return status;
  if (reply.status() == wire::Status::kOk) return VMMC_OK;
  return fail_refused(reply.status(), "buffer %u of %zu bytes", id, length);
}

int Exports::remove(std::uint32_t id) {
  std::unique_lock lock(mutex_);
  const auto found = buffers_.find(id);
  if (found == buffers_.end() || found->second.closing) {
    return fail(VMMC_ERR_UNKNOWN_EXPORT, "the process exports no buffer under id %u", id);
  }
  Buffer& buffer = found->second;
  buffer.closing = true;
  lock.unlock();  // the answer may take a while

  wire::UnexportRequest request{};
  request.buffer_id = id;
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kUnexport, request, &reply);

  lock.lock();
  if (status != VMMC_OK || reply.status() != wire::Status::kOk) {
    buffer.closing = false;
    if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
    return status != VMMC_OK ? status : fail_refused(reply.status(), "unexport of buffer %u", id);
  }
  release(id, buffer);
  buffers_.erase(found);
  return VMMC_OK;
}

int Exports::list_importers(std::uint32_t id, vmmc_identity* importers, std::size_t most,
                            std::size_t* count) {
  std::size_t listed = 0;
  for (;;) {
    wire::ListImportersRequest request{};
    request.buffer_id = id;
    request.first = static_cast<std::uint32_t>(listed);
    ControlConnection::Reply reply;
    const int status = connection_.call(wire::MessageType::kListImporters, request, &reply);
    if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
    if (status != VMMC_OK) return status;
    if (reply.status() != wire::Status::kOk) {
      return fail_refused(reply.status(), "the importers of buffer %u", id);
    }
    const auto part = reply.as<wire::ListImportersReply>();
    *count = part.total;
    const std::uint32_t here = std::min(part.listed, wire::kMaxListedImporters);
    for (std::uint32_t i = 0; i < here && listed < most; ++i) {
      importers[listed++] = {part.importers[i].node, part.importers[i].process};
    }
    if (here == 0 || listed >= most || listed >= part.total) return VMMC_OK;
  }
}

void Exports::remove_all() {
  while (!buffers_.empty()) {
    const std::uint32_t id = buffers_.begin()->first;
    if (remove(id) == VMMC_OK) continue;
    // nicsim has gone, or is beyond understanding: nobody moves bytes for it any more.
    const std::lock_guard lock(mutex_);
    const Buffer& buffer = buffers_.at(id);
    release(id, buffer);
    buffers_.erase(id);
  }
}

}  // namespace vmmc::internal
