// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/exports.h"

#include <algorithm>
#include <iterator>

#include "vmmc/internal/error.h"
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/option_checks.h"

namespace vmmc::internal {
namespace {

void* pointer(std::uintptr_t address) { return reinterpret_cast<void*>(address); }

// Rights that a mapping can express; see also nicsim, which decides.
bool may_be_lent(const vmmc_export_options& options, std::size_t length) {
  return length >= wire::kLeastLentBytes && options.executor != VMMC_EXECUTOR_NIC &&
         options.access == (VMMC_READ | VMMC_WRITE) && options.redirectable == 0 &&
         HostExecutor::can_receive();
}

int fail_unknown(std::uint32_t id) {
  return fail(VMMC_ERR_UNKNOWN_EXPORT, "the process exports no buffer under id %u", id);
}

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
  // Buffers do not overlap each other, so if any does this one, the last one that begins before its end.
  const auto behind = by_address_.lower_bound(address + length);
  if (behind == by_address_.begin()) return VMMC_OK;
  const std::uint32_t other_id = std::prev(behind)->second;
  const Buffer& other = buffers_.at(other_id);
  if (other.address + other.length <= address) return VMMC_OK;
  return fail(VMMC_ERR_OVERLAP, "%zu bytes from %p overlap buffer %u, which has %zu bytes from %p",
              length, pointer(address), other_id, other.length, pointer(other.address));
}

int Exports::add(void* address, std::size_t length, std::uint32_t id,
                 const vmmc_export_options& options) {
  if (const int status = check_options(options); status != VMMC_OK) return status;
  Buffer buffer{reinterpret_cast<std::uintptr_t>(address), length, options.redirectable != 0};
  if (options.handler != nullptr) {
    const int status = notifications_.add_handler(
        {options.handler, options.handler_argument, address, id}, &buffer.cookie);
    if (status != VMMC_OK) return status;
  }
  const int status = add_buffer(buffer, id, options);
  if (status != VMMC_OK && buffer.cookie != 0) notifications_.remove_handler(buffer.cookie);
  return status;
}

int Exports::add_buffer(const Buffer& buffer, std::uint32_t id,
                        const vmmc_export_options& options) {
  const std::lock_guard lock(mutex_);
  if (const int status = check(buffer.address, buffer.length, id); status != VMMC_OK) {
    return status;
  }
  // Before the pages change hands: what can fail for want of memory here has no way back later.
  const auto entry = buffers_.emplace(id, buffer).first;
  by_address_.emplace(buffer.address, id);
  const SharedSegments::Cover cover =
      segments_.cover(pointer(buffer.address), buffer.length,
                      may_be_lent(options, buffer.length) ? SharedSegments::Lending::kIfPossible
                                                          : SharedSegments::Lending::kNo);
  waiter_.announce_move();
  if (!cover.verdict.ok()) {
    forget(entry);
    return fail(cover.verdict.status, "%zu bytes from %p cannot be exported: %s", buffer.length,
                pointer(buffer.address), cover.verdict.detail.c_str());
  }
  entry->second.lendable = cover.bell != nullptr;
  int status = VMMC_OK;
  if (options.executor == VMMC_EXECUTOR_HOST && cover.bell == nullptr) {
    status =
        fail(VMMC_ERR_EXECUTOR_UNAVAILABLE,
             "the host executor cannot serve %zu bytes from %p: it needs pages that nothing else "
             "shares, VMMC_READ and VMMC_WRITE, no redirection, and a kernel with "
             "membarrier(2) and futex_waitv(2)",
             buffer.length, pointer(buffer.address));
  } else {
    status = register_buffer(cover, buffer, id, options);
  }
  if (status != VMMC_OK) {
    // nicsim may have lent it before it ended.
    (void)release(id, buffer, cover.bell != nullptr && status == VMMC_ERR_NICSIM_GONE);
    forget(entry);
  }
  return status;
}

void Exports::forget(std::map<std::uint32_t, Buffer>::iterator buffer) {
  by_address_.erase(buffer->second.address);
  buffers_.erase(buffer);
}

// nicsim knows the buffer no more.
int Exports::release(std::uint32_t id, const Buffer& buffer, bool lent) {
  redirections_.forget(id);
  const SegmentVerdict verdict = segments_.release(pointer(buffer.address), buffer.length, lent);
  waiter_.announce_move();
  if (verdict.ok()) return VMMC_OK;
  return fail(verdict.status,
              "buffer %u is taken back, but those who had imported it can still reach it: %s", id,
              verdict.detail.c_str());
}

int Exports::register_buffer(const SharedSegments::Cover& cover, const Buffer& buffer,
                             std::uint32_t id, const vmmc_export_options& options) {
  wire::ExportRequest request{};
  request.buffer_id = id;
  request.access = options.access;
  request.user = options.user;
  request.node = options.node;
  request.process = options.process;
  request.executor =
      cover.bell == nullptr ? wire::ExecutorDemand::kNic : wire::ExecutorDemand::kAny;
  request.length = buffer.length;
  request.flags = (options.redirectable != 0 ? wire::kExportRedirectable : 0) |
                  (buffer.cookie != 0 ? wire::kExportNotifies : 0);
  request.cookie = buffer.cookie;
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
  return fail_refused(reply.status(), "buffer %u of %zu bytes", id, buffer.length);
}

// Not one that is being taken back.
std::map<std::uint32_t, Exports::Buffer>::iterator Exports::find(std::uint32_t id) {
  const auto found = buffers_.find(id);
  return found == buffers_.end() || found->second.closing ? buffers_.end() : found;
}

int Exports::remove(std::uint32_t id) {
  std::unique_lock lock(mutex_);
  const auto found = find(id);
  if (found == buffers_.end()) return fail_unknown(id);
  Buffer& buffer = found->second;
  buffer.closing = true;
  lock.unlock();  // the answer may take a while

  wire::UnexportRequest request{};
  request.buffer_id = id;
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kUnexport, request, &reply);

  const bool forgotten = status == VMMC_OK && reply.status() == wire::Status::kOk;
  if (forgotten && buffer.cookie != 0) notifications_.remove_handler(buffer.cookie);
  lock.lock();
  if (!forgotten) {
    buffer.closing = false;
    if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
    return status != VMMC_OK ? status : fail_refused(reply.status(), "unexport of buffer %u", id);
  }
  const bool lent = reply.as<wire::UnexportReply>().lent != 0;
  const int released = release(id, buffer, lent);
  forget(found);
  return released;
}

int Exports::find_cookie(std::uint32_t id, std::uint64_t* cookie) {
  const std::lock_guard lock(mutex_);
  const auto found = find(id);
  if (found == buffers_.end()) return fail_unknown(id);
  *cookie = found->second.cookie;
  if (*cookie != 0) return VMMC_OK;
  return fail(VMMC_ERR_NO_NOTIFICATIONS, "buffer %u was exported without a handler", id);
}

int Exports::accept_notifications(std::uint32_t id, bool accept) {
  std::uint64_t cookie = 0;
  if (const int status = find_cookie(id, &cookie); status != VMMC_OK) return status;
  wire::AcceptNotificationsRequest request{};
  request.buffer_id = id;
  request.accept = accept ? 1 : 0;
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kAcceptNotifications, request, &reply);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK || reply.status() == wire::Status::kOk) return status;
  return fail_refused(reply.status(), "notifications of buffer %u", id);
}

int Exports::wait_notification(std::uint32_t id, std::uint64_t timeout,
                               vmmc_notification* notification) {
  std::uint64_t cookie = 0;
  if (const int status = find_cookie(id, &cookie); status != VMMC_OK) return status;
  return notifications_.wait(cookie, timeout, notification);
}

const std::byte* Exports::address_of(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = find(id);
  return found == buffers_.end() ? nullptr
                                 : static_cast<std::byte*>(pointer(found->second.address));
}

int Exports::check_known(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  return find(id) == buffers_.end() ? fail_unknown(id) : VMMC_OK;
}

int Exports::check_redirection(std::uint32_t id, std::size_t offset, std::size_t length) {
  if (length == 0) return fail(VMMC_ERR_ZERO_LENGTH, "a redirection of zero bytes");
  if (offset > SIZE_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu bytes from %zu of buffer %u overflow", length,
                offset, id);
  }
  const std::lock_guard lock(mutex_);
  const auto found = find(id);
  if (found == buffers_.end()) return fail_unknown(id);
  if (!found->second.redirectable) {
    return fail(VMMC_ERR_NOT_REDIRECTABLE, "buffer %u was exported without `redirectable`", id);
  }
  if (offset + length <= found->second.length) return VMMC_OK;
  return fail(VMMC_ERR_OUTSIDE_PROXY,
              "%zu bytes from %zu go past the end of buffer %u of %zu bytes", length, offset, id,
              found->second.length);
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
    const auto left = buffers_.find(id);
    if (left == buffers_.end()) continue;  // it is taken back, though not all went well
    const Buffer buffer = left->second;
    if (buffer.cookie != 0) notifications_.remove_handler(buffer.cookie);
    const std::lock_guard lock(mutex_);
    (void)release(id, buffer, buffer.lendable);  // whether it was lent nobody can say any more
    forget(left);
  }
}

}  // namespace vmmc::internal
