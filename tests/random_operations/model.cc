// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/random_operations/model.h"

#include <utility>

namespace vmmc::testing::random_operations {
namespace {

// Whether the pages around the bytes hold some of the other bytes' pages.
bool share_a_page(std::uint64_t a, std::uint64_t a_length, std::uint64_t b,
                  std::uint64_t b_length) {
  const auto begin = [](std::uint64_t offset) { return offset / kPage * kPage; };
  const auto end = [](std::uint64_t offset) { return (offset + kPage - 1) / kPage * kPage; };
  return begin(a) < end(b + b_length) && begin(b) < end(a + a_length);
}

bool are_rights(std::uint32_t access) { return access >= VMMC_READ && access <= 3; }

}  // namespace

Model::Model() {
  for (Process& process : processes_) process.memory.resize(kArenaBytes);
}

Answer Model::apply(const Command& c, Notice* taken) {
  switch (c.verb) {
    case Verb::kReset:
      reset(c);
      return status(VMMC_OK);
    case Verb::kKill:
      end_process(c.process);
      return status(VMMC_OK);
    case Verb::kExport:
      return export_buffer(c);
    case Verb::kUnexport:
      return unexport(c);
    case Verb::kImporters:
      return importers(c);
    case Verb::kImport:
    case Verb::kImportWaiting:
      return import(c);
    case Verb::kImportStart:
      return start_import(c);
    case Verb::kImportTest:
      return test_import(c);
    case Verb::kImportCancel:
      return cancel_import(c);
    case Verb::kUnimport:
      return unimport(c);
    default:
      return apply_locally(c, taken);
  }
}

// What the process does with its own memory and notifications.
Answer Model::apply_locally(const Command& c, Notice* taken) {
  switch (c.verb) {
    case Verb::kRedirect:
      return redirect(c);
    case Verb::kEndRedirection:
      return end_redirection(c);
    case Verb::kRegister:
      return register_memory(c);
    case Verb::kUnregister:
      return unregister_memory(c);
    case Verb::kBlock:
      ++processes_[c.process].blocks;
      return status(VMMC_OK);
    case Verb::kUnblock:
      return unblock(c);
    case Verb::kAccept:
      return accept(c);
    case Verb::kWaitNotification:
      return wait_notification(c, taken);
    default:
      return transfer(c);
  }
}

Answer Model::transfer(const Command& c) {
  switch (c.verb) {
    case Verb::kFetch:
    case Verb::kFetchStart:
      return fetch(c);
    case Verb::kAtomic:
      return change_word(c);
    case Verb::kBind:
      return bind(c);
    case Verb::kUnbind:
      processes_[c.process].bindings.erase(c.number);
      return status(VMMC_OK);
    case Verb::kStore:
      return store(c);
    case Verb::kFence:
      return status(std::exchange(processes_[c.process].failure, VMMC_OK));
    default:
      return send(c);
  }
}

void Model::learn_proxy(const Command& c, std::uint64_t proxy) {
  processes_[c.process].imports.at(c.handle).proxy = proxy;
}

std::vector<Notice> Model::take_handled(std::uint32_t number) {
  return std::exchange(processes_[number].handled, {});
}

std::set<std::uint32_t> Model::take_touched() { return std::exchange(touched_, {}); }

ExportPointer Model::find_export(std::uint32_t exporter, std::uint32_t id) const {
  const auto& exports = processes_[exporter].exports;
  const auto found = exports.find(id);
  return found == exports.end() ? nullptr : found->second;
}

// ---- beginnings and ends

void Model::end_process(std::uint32_t number) {
  Process& process = processes_[number];
  for (auto& [id, buffer] : process.exports) buffer->ended = VMMC_ERR_PEER_DEAD;
  for (auto& [handle, each] : process.imports) give_up(each);
  for (auto& [handle, request] : process.requests) {
    if (request.status == VMMC_OK) --request.target->importers;
  }
  process = Process{};
  process.memory.resize(kArenaBytes);
}

void Model::reset(const Command& c) {
  end_process(c.process);
  Bytes& memory = processes_[c.process].memory;
  fill_with_pattern(c.operand, 0, memory.data(), kArenaBytes);
  touched_.insert(c.process);
}

// ---- exports

Answer Model::export_buffer(const Command& c) {
  Process& process = processes_[c.process];
  if (!are_rights(c.access)) return status(VMMC_ERR_INVALID_RIGHTS);
  if (c.length == 0) return status(VMMC_ERR_ZERO_LENGTH);
  if (c.offset % 4 != 0) return status(VMMC_ERR_MISALIGNED);
  if (process.exports.contains(c.buffer_id)) return status(VMMC_ERR_DUPLICATE_ID);
  for (const auto& [id, other] : process.exports) {
    if (overlap(other->offset, other->length, c.offset, c.length)) return status(VMMC_ERR_OVERLAP);
  }
  const bool lendable = may_be_lent(c);
  if (c.executor == VMMC_EXECUTOR_HOST && !lendable) return status(VMMC_ERR_EXECUTOR_UNAVAILABLE);
  auto fresh = std::make_shared<Export>();
  fresh->owner = c.process;
  fresh->id = c.buffer_id;
  fresh->offset = c.offset;
  fresh->length = c.length;
  fresh->access = c.access;
  fresh->who = c.peer;
  fresh->redirectable = c.flag != 0;
  fresh->handler = c.handler != 0;
  fresh->lendable = lendable;
  fresh->arrived.resize(fresh->redirectable ? c.length : 0);
  process.exports[c.buffer_id] = fresh;
  settle_requests(fresh);
  return status(VMMC_OK);
}

bool Model::may_be_lent(const Command& c) const {
  if (c.executor == VMMC_EXECUTOR_NIC || c.access != (VMMC_READ | VMMC_WRITE) || c.flag != 0 ||
      c.offset % kPage != 0 || c.length % kPage != 0) {
    return false;
  }
  const Process& process = processes_[c.process];
  const auto is_used = [&](std::uint64_t offset, std::uint64_t length) {
    return share_a_page(offset, length, c.offset, c.length);
  };
  for (const auto& [id, other] : process.exports) {
    if (is_used(other->offset, other->length)) return false;
    for (const auto& [first, redirection] : other->redirections) {
      if (is_used(redirection.destination, redirection.length)) return false;
    }
  }
  for (const auto& [number, pages] : process.bindings) {
    if (is_used(pages.offset, pages.length)) return false;
  }
  return true;
}

void Model::settle_requests(const ExportPointer& target) {
  for (std::uint32_t importer = 0; importer < kProcesses; ++importer) {
    for (auto& [number, request] : processes_[importer].requests) {
      const bool meant = request.exporter == target->owner && request.id == target->id;
      if (!meant || request.status != VMMC_PENDING) continue;
      Command asked;
      asked.process = importer;
      asked.access = request.access;
      asked.executor = request.executor;
      request.status = may_import(asked, *target);
      if (request.status != VMMC_OK) continue;
      request.target = target;
      ++target->importers;
    }
  }
}

std::uint32_t Model::demanded_by(const Command& c) {
  if (c.executor != VMMC_EXECUTOR_AUTO) return c.executor;
  return usual_executor();
}

Answer Model::unexport(const Command& c) {
  Process& process = processes_[c.process];
  const auto found = process.exports.find(c.buffer_id);
  if (found == process.exports.end()) return status(VMMC_ERR_UNKNOWN_EXPORT);
  found->second->ended = VMMC_ERR_UNEXPORTED;
  process.exports.erase(found);
  std::erase_if(process.queued, [&](const Notice& n) { return n.buffer_id == c.buffer_id; });
  return status(VMMC_OK);
}

Answer Model::importers(const Command& c) const {
  const ExportPointer found = find_export(c.process, c.buffer_id);
  if (found == nullptr) return status(VMMC_ERR_UNKNOWN_EXPORT);
  return {VMMC_OK, 0, found->importers, 0};
}

// ---- imports

int Model::may_import(const Command& c, const Export& target) const {
  const bool admitted = target.who == VMMC_ANY || target.who == c.process;
  if (!admitted || (c.access & ~target.access) != 0) return VMMC_ERR_PERMISSION_DENIED;
  return demanded_by(c) == VMMC_EXECUTOR_HOST && !target.lendable ? VMMC_ERR_EXECUTOR_UNAVAILABLE
                                                                  : VMMC_OK;
}

Answer Model::import(const Command& c) {
  if (!are_rights(c.access)) return status(VMMC_ERR_INVALID_RIGHTS);
  const ExportPointer target = find_export(c.peer, c.buffer_id);
  if (target == nullptr) return status(VMMC_ERR_TIMEOUT);
  const int verdict = may_import(c, *target);
  if (verdict != VMMC_OK) return status(verdict);
  ++target->importers;
  lent_ += target->lendable && demanded_by(c) != VMMC_EXECUTOR_NIC;
  processes_[c.process].imports[c.handle] = {target, c.access};
  return {VMMC_OK, 0, target->length, 0};
}

Answer Model::start_import(const Command& c) {
  if (!are_rights(c.access)) return status(VMMC_ERR_INVALID_RIGHTS);
  Request request{c.peer, c.buffer_id, c.access, c.executor, VMMC_PENDING, nullptr};
  if (const ExportPointer target = find_export(c.peer, c.buffer_id)) {
    request.status = may_import(c, *target);
    if (request.status == VMMC_OK) {
      request.target = target;
      ++target->importers;
    }
  }
  processes_[c.process].requests[c.number] = request;
  return status(VMMC_OK);
}

Answer Model::test_import(const Command& c) {
  Process& process = processes_[c.process];
  const auto found = process.requests.find(c.number);
  const Request request = found->second;
  if (request.status == VMMC_PENDING) return status(VMMC_PENDING);
  process.requests.erase(found);
  if (request.status != VMMC_OK) return status(request.status);
  process.imports[c.handle] = {request.target, request.access};
  return {VMMC_OK, 0, request.target->length, 0};
}

Answer Model::cancel_import(const Command& c) {
  auto& requests = processes_[c.process].requests;
  const auto found = requests.find(c.number);
  if (found->second.status == VMMC_OK) --found->second.target->importers;
  requests.erase(found);
  return status(VMMC_OK);
}

void Model::give_up(Import& import) {
  if (std::exchange(import.held, false)) --import.target->importers;
}

Answer Model::unimport(const Command& c) {
  give_up(processes_[c.process].imports.at(c.handle));
  return status(VMMC_OK);
}

}  // namespace vmmc::testing::random_operations
