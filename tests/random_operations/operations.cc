// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/random_operations/operations.h"

#include <algorithm>
#include <iterator>

namespace vmmc::testing::random_operations {
namespace {

constexpr std::size_t kMostExports = 4;  // of a process
constexpr std::size_t kMostImports = 8;

struct Weight {
  Verb verb;
  unsigned weight;
};

constexpr Weight kWeights[] = {{Verb::kExport, 60},         {Verb::kUnexport, 30},
                               {Verb::kImporters, 6},       {Verb::kImport, 80},
                               {Verb::kImportWaiting, 6},   {Verb::kImportStart, 14},
                               {Verb::kImportTest, 14},     {Verb::kImportCancel, 5},
                               {Verb::kUnimport, 16},       {Verb::kSend, 70},
                               {Verb::kSendStart, 40},      {Verb::kSendNotify, 60},
                               {Verb::kGather, 25},         {Verb::kStrided, 25},
                               {Verb::kFetch, 40},          {Verb::kFetchStart, 20},
                               {Verb::kAtomic, 40},         {Verb::kRedirect, 35},
                               {Verb::kEndRedirection, 14}, {Verb::kBind, 60},
                               {Verb::kUnbind, 12},         {Verb::kStore, 150},
                               {Verb::kRegister, 8},        {Verb::kUnregister, 6},
                               {Verb::kBlock, 14},          {Verb::kUnblock, 18},
                               {Verb::kAccept, 8},          {Verb::kWaitNotification, 20},
                               {Verb::kFence, 10},          {Verb::kKill, 6}};

}  // namespace

std::vector<Command> Generator::next() {
  unsigned total = 0;
  for (const Weight& each : kWeights) total += each.weight;
  for (;;) {
    std::uint64_t ticket = below(total);
    const Weight* chosen = kWeights;
    while (ticket >= chosen->weight) ticket -= (chosen++)->weight;
    const Made made = make_somewhere(begun_++ < 10 ? early_verb() : chosen->verb);
    if (!made) continue;
    if (made->verb != Verb::kImportWaiting) return {*made};
    Command exporting;
    exporting.verb = Verb::kExport;
    exporting.process = made->peer;
    exporting.buffer_id = made->buffer_id;
    exporting.peer = VMMC_ANY;
    exporting.access = some_access();
    exporting.length = some_length(40'000);
    exporting.offset = some_place(exporting.length, 4);
    if (one_in(2)) {
      exporting.length = kPage * (1 + below(3));
      exporting.offset = some_place(exporting.length, kPage);
      choose_executor(exporting);
      // It must not be refused: somebody waits for it.
      if (!model_.may_be_lent(exporting)) exporting.executor = VMMC_EXECUTOR_NIC;
    }
    if (is_free(exporting.process, exporting.offset, exporting.length)) return {*made, exporting};
  }
}

// There is much to import before there is much to do.
Verb Generator::early_verb() { return one_in(2) ? Verb::kExport : Verb::kImport; }

// By the first process, from a random one on, that can do it.
Generator::Made Generator::make_somewhere(Verb verb) {
  const std::uint64_t first = below(kProcesses);
  for (std::uint64_t i = 0; i < kProcesses; ++i) {
    const Made made = make(verb, static_cast<std::uint32_t>((first + i) % kProcesses));
    if (made) return made;
  }
  return {};
}

Command Generator::reset_of(std::uint32_t number) {
  Command c;
  c.verb = Verb::kReset;
  c.process = number;
  c.flag = one_in(12) ? 1 : 0;
  c.operand = random_();
  return c;
}

Generator::Made Generator::make(Verb verb, std::uint32_t number) {
  Command c;
  c.verb = verb;
  c.process = number;
  switch (verb) {
    case Verb::kExport:
      return make_export(c);
    case Verb::kImport:
    case Verb::kImportWaiting:
    case Verb::kImportStart:
      return make_import(c);
    case Verb::kImportTest:
    case Verb::kImportCancel:
      return make_request_end(c);
    case Verb::kUnimport:
      return make_unimport(c);
    case Verb::kAtomic:
      return make_atomic(c);
    case Verb::kRedirect:
      return make_redirect(c);
    case Verb::kEndRedirection:
      return make_end_redirection(c);
    case Verb::kBind:
      return make_bind(c);
    case Verb::kUnbind:
      return make_unbind(c);
    case Verb::kStore:
      return make_store(c);
    case Verb::kRegister:
    case Verb::kUnregister:
      return make_register(c);
    case Verb::kUnexport:
    case Verb::kImporters:
    case Verb::kAccept:
      return with_buffer(c);
    case Verb::kWaitNotification:
      return !process(c).queued.empty() || one_in(30) ? with_buffer(c) : Made{};
    case Verb::kUnblock:
      return process(c).blocks > 0 || one_in(20) ? Made{c} : Made{};
    case Verb::kBlock:
      return process(c).blocks < 2 ? Made{c} : Made{};
    case Verb::kFence:
    case Verb::kKill:
      return c;
    default:
      return make_transfer(c);
  }
}

// Mostly one that there is.
Generator::Made Generator::with_buffer(Command c) {
  const auto& exports = process(c).exports;
  if (exports.empty() && !one_in(40)) return {};
  c.buffer_id = some_id();
  if (!exports.empty() && !one_in(10)) {
    c.buffer_id = std::next(exports.begin(), static_cast<long>(below(exports.size())))->first;
  }
  if (c.verb == Verb::kAccept) c.flag = static_cast<std::uint32_t>(below(2));
  if (c.verb == Verb::kWaitNotification) {
    const auto& queued = process(c).queued;
    if (!queued.empty() && !one_in(5)) c.buffer_id = queued[below(queued.size())].buffer_id;
    c.flag = std::any_of(queued.begin(), queued.end(),
                         [&](const Notice& n) { return n.buffer_id == c.buffer_id; });
  }
  return c;
}

// ---- memory

// Small, medium, several pages; and beyond what is staged at once, if there is room.
std::uint64_t Generator::some_length(std::uint64_t most) {
  constexpr std::uint64_t kLimits[] = {40, 40, 300, 4'200, 4'200, 20'000, 100'000};
  return 1 + below(std::min(most, kLimits[below(std::size(kLimits))]));
}

std::uint64_t Generator::some_place(std::uint64_t length, std::uint64_t alignment) {
  const bool in_private = length > kAllocatedBytes || !one_in(3);
  const std::uint64_t room = (in_private ? kPrivateBytes : kAllocatedBytes) - length;
  return (in_private ? 0 : kPrivateBytes) + below(room + 1) / alignment * alignment;
}

bool Generator::is_free(std::uint32_t number, std::uint64_t offset, std::uint64_t length) const {
  for (const auto& [id, buffer] : model_.process(number).exports) {
    if (overlap(buffer->offset, buffer->length, offset, length)) return false;
    for (const auto& [first, redirection] : buffer->redirections) {
      if (overlap(redirection.destination, redirection.length, offset, length)) return false;
    }
  }
  return true;
}

// Local bytes of a transfer: not where the transfer itself lands, or comes from.
bool Generator::place_apart(Command& c, const Export& target) {
  const std::uint64_t gaps = c.verb == Verb::kGather
                                 ? c.count * c.local_stride
                                 : (c.verb == Verb::kStrided ? (c.count - 1) * c.local_stride : 0);
  const std::uint64_t extent = std::max<std::uint64_t>(c.length + gaps, 1);
  if (extent > kPrivateBytes) return false;
  c.offset = some_place(extent, one_in(2) ? 4 : 1);
  if (target.owner != c.process) return true;
  if (overlap(target.offset, target.length, c.offset, extent)) return false;
  return std::none_of(target.redirections.begin(), target.redirections.end(), [&](const auto& r) {
    return overlap(r.second.destination, r.second.length, c.offset, extent);
  });
}

// ---- exports and imports

Generator::Made Generator::make_export(Command c) {
  const auto& exports = process(c).exports;
  if (exports.size() >= kMostExports) return {};
  c.buffer_id = some_id();
  if (exports.contains(c.buffer_id) && !one_in(20)) return {};
  c.access = one_in(4) ? some_access() : VMMC_READ | VMMC_WRITE;
  if (one_in(60)) c.access = one_in(2) ? 0 : 4;
  c.peer = one_in(8) ? static_cast<std::uint32_t>(below(kProcesses)) : VMMC_ANY;
  c.flag = one_in(2) ? 1 : 0;
  c.handler = one_in(2) ? 1 : 0;
  c.length = one_in(60) ? 0 : some_length(100'000);
  const bool by_page = !one_in(3);  // to be bound, or lent
  if (by_page) c.length = kPage * (1 + below(one_in(5) ? 30 : 3)) + (one_in(3) ? below(100) : 0);
  if (by_page && !one_in(4)) c.flag = 0;
  c.offset = some_place(c.length, one_in(60) ? 1 : (by_page ? kPage : 4));
  choose_executor(c);
  if (is_free(c.process, c.offset, c.length)) return c;
  // Overlapping another buffer is refused; what is redirected must not be touched.
  const bool refused = one_in(8) && model_.find_export(c.process, c.buffer_id) == nullptr;
  const bool meets_buffer = std::any_of(exports.begin(), exports.end(), [&](const auto& each) {
    return overlap(each.second->offset, each.second->length, c.offset, c.length);
  });
  return refused && meets_buffer ? Made{c} : Made{};
}

// Pages that are registered may be in use already, or not.
void Generator::choose_executor(Command& c) {
  c.executor = one_in(10)   ? VMMC_EXECUTOR_HOST
               : one_in(10) ? VMMC_EXECUTOR_NIC
                            : VMMC_EXECUTOR_AUTO;
  if (c.executor == VMMC_EXECUTOR_HOST && !model_.may_be_lent(c) && !one_in(4)) {
    c.executor = VMMC_EXECUTOR_AUTO;
  }
  for (const auto& [offset, length] : process(c).registrations) {
    const std::uint64_t begin = offset / kPage * kPage;
    const bool meet = overlap(begin, offset + length + kPage - begin, c.offset, c.length);
    if (meet && model_.may_be_lent(c)) c.executor = VMMC_EXECUTOR_NIC;
  }
}

Generator::Made Generator::make_import(Command c) {
  if (process(c).imports.size() >= kMostImports || process(c).requests.size() >= 4) return {};
  c.handle = c.number = ++last_number_;
  c.peer = static_cast<std::uint32_t>(below(kProcesses));
  c.buffer_id = some_id();
  c.access = some_access();
  const auto& exports = model_.process(c.peer).exports;
  if (c.verb != Verb::kImportWaiting && !exports.empty()) {
    c.buffer_id = std::next(exports.begin(), static_cast<long>(below(exports.size())))->first;
  }
  const ExportPointer target = model_.find_export(c.peer, c.buffer_id);
  if (c.verb == Verb::kImportWaiting) return target == nullptr ? Made{c} : Made{};
  if (target == nullptr) return c.verb == Verb::kImportStart || one_in(20) ? Made{c} : Made{};
  if (!one_in(5)) c.access = target->access;
  c.executor = one_in(4) ? VMMC_EXECUTOR_HOST : one_in(4) ? VMMC_EXECUTOR_NIC : VMMC_EXECUTOR_AUTO;
  if (!target->lendable && !one_in(8)) {
    c.executor = usual_executor() == VMMC_EXECUTOR_HOST ? VMMC_EXECUTOR_NIC : VMMC_EXECUTOR_AUTO;
  }
  if (one_in(60)) c.access = 0;
  return c;
}

Generator::Made Generator::make_request_end(Command c) {
  const auto& requests = process(c).requests;
  if (requests.empty()) return {};
  const auto chosen = std::next(requests.begin(), static_cast<long>(below(requests.size())));
  c.number = chosen->first;
  c.handle = ++last_number_;
  c.flag = chosen->second.status != VMMC_PENDING ? 1 : 0;
  return c;
}

// Mostly one that still reaches something.
bool Generator::pick_import(Command& c) {
  const auto& imports = process(c).imports;
  if (imports.empty()) return false;
  const auto chosen = std::next(imports.begin(), static_cast<long>(below(imports.size())));
  const bool alive = chosen->second.held && chosen->second.target->ended == VMMC_OK;
  if (!alive && !one_in(6)) return false;
  c.handle = chosen->first;
  return true;
}

// What was sent to a binding's import that is given up is not defined.
Generator::Made Generator::make_unimport(Command c) {
  if (!pick_import(c) || !process(c).imports.at(c.handle).held) return {};
  for (const auto& [number, binding] : process(c).bindings) {
    if (binding.import == c.handle) return {};
  }
  return c;
}

}  // namespace vmmc::testing::random_operations
