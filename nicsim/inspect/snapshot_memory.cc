// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What memory is open to whom.

#include <algorithm>
#include <iterator>
#include <tuple>

#include "nicsim/inspect/snapshot_parts.h"

namespace vmmc::nicsim::inspect {
namespace {

namespace json = boost::json;

json::value number_or_null(std::uint32_t number, std::uint32_t any, const Storage& storage) {
  return number == any ? json::value(nullptr, storage) : json::value(number, storage);
}

// Neighbouring ones are one.
json::array extents(const ExportedBuffer& buffer, const Storage& storage) {
  std::vector<wire::Extent> runs;
  for (const wire::Extent& extent : buffer.extents) {
    if (!runs.empty() && runs.back().segment == extent.segment &&
        runs.back().first_page + runs.back().pages == extent.first_page) {
      runs.back().pages += extent.pages;
    } else {
      runs.push_back(extent);
    }
  }
  json::array result(storage);
  for (const wire::Extent& run : runs) {
    result.push_back(json::object(
        {{"segment", run.segment}, {"first_page", run.first_page}, {"pages", run.pages}}, storage));
  }
  return result;
}

json::array importers(const ExportedBuffer& buffer, const Storage& storage) {
  // The set is in the order of addresses.
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> held;
  for (const auto& [importer, slot] : buffer.importers) {
    held.emplace_back(importer->node, importer->id, slot);
  }
  std::sort(held.begin(), held.end());
  json::array result(storage);
  for (const auto& [node, process, slot] : held) {
    result.push_back(json::object({{"node", node}, {"process", process}, {"slot", slot}}, storage));
  }
  return result;
}

json::object exported(const ExportedBuffer& buffer, const Storage& storage) {
  json::object result = identity(*buffer.owner, storage);
  const Rights& rights = buffer.rights;
  result["buffer"] = buffer.id;
  result["bytes"] = buffer.length;
  result["page_offset"] = buffer.page_offset;
  result["first_incoming_page"] = buffer.first_incoming_page;
  result["pages"] = buffer.pages;
  result["access"] = access_name(rights.access);
  result["for_user"] = number_or_null(rights.user, wire::kAnyUser, storage);
  result["for_node"] = number_or_null(rights.node, wire::kAnyNode, storage);
  result["for_process"] = number_or_null(rights.process, wire::kAnyProcess, storage);
  result["executor"] = rights.executor == wire::ExecutorDemand::kNic ? "nic" : "any";
  result["handler"] = buffer.notifies;
  result["accepts_notifications"] = buffer.accepts_notifications;
  result["redirectable"] = buffer.redirectable;
  result["redirections"] = buffer.redirections.count();
  result["closing"] = buffer.closing;
  result["extents"] = extents(buffer, storage);
  result["importers"] = importers(buffer, storage);
  return result;
}

json::string_view state_name(const Import& import, bool host_is_open) {
  switch (import.phase) {
    case wire::ImportPhase::kUnexported:
      return "unexported";
    case wire::ImportPhase::kPeerDead:
      return "peer_dead";
    default:
      return import.lent && host_is_open ? "granted_to_host" : "granted";
  }
}

// Who exports what an import stands for; null if it is not exported any more.
void name_buffer(const Import& import, json::object& result, const Storage& storage) {
  const ExportedBuffer* const buffer = import.buffer;
  result["exporter"] = identity_or_null(buffer == nullptr ? nullptr : buffer->owner, storage);
  result["buffer"] =
      buffer == nullptr ? json::value(nullptr, storage) : json::value(buffer->id, storage);
}

// Where the local bytes are, as far as the process has said and the segment is there still.
void name_pages(const Process& process, const DeclaredBinding& binding, json::object& result,
                const Storage& storage) {
  const auto segment = process.segments.find(binding.segment);
  const std::uint64_t first = std::uint64_t{binding.first_page} * wire::kPageSize;
  const bool known =
      segment != process.segments.end() && segment->second->contains(first, binding.length);
  result["segment"] = known ? json::value(binding.segment, storage) : json::value(nullptr, storage);
  result["page"] = known ? json::value(binding.first_page, storage) : json::value(nullptr, storage);
}

json::string_view capture_name(std::uint8_t capture) {
  static constexpr const char* kNames[] = {"auto", "trap", "shared", "typed"};
  return kNames[capture % std::size(kNames)];
}

json::string_view combining_name(std::uint8_t combining) {
  static constexpr const char* kNames[] = {"timer", "block", "single", "off"};
  return kNames[combining % std::size(kNames)];
}

}  // namespace

json::array exports(const Processes& processes, const Storage& storage) {
  json::array result(storage);
  for (const Process* process : processes) {
    for (const auto& [id, buffer] : process->exports) result.push_back(exported(*buffer, storage));
  }
  return result;
}

json::array imports(const Processes& processes, bool host_is_open, const Storage& storage) {
  json::array result(storage);
  for (const Process* process : processes) {
    for (std::uint32_t slot = 0; slot < process->imports.size(); ++slot) {
      const Import& import = process->imports[slot];
      if (import.phase == wire::ImportPhase::kFree) continue;
      const OutgoingPage* const page = process->outgoing_pages.find(import.first_page);
      json::object entry = identity(*process, storage);
      entry["slot"] = slot;
      entry["generation"] = import.generation;
      entry["state"] = state_name(import, host_is_open);
      name_buffer(import, entry, storage);
      entry["access"] = access_name(page == nullptr ? 0 : page->access);
      entry["first_page"] = import.first_page;
      entry["pages"] = import.pages;
      result.push_back(std::move(entry));
    }
  }
  return result;
}

json::array waiting_imports(const WaitingImports& waiting, const Storage& storage) {
  using Name =
      std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>;
  std::vector<Name> names;
  waiting.for_each([&](const WaitingImport& wait) {
    const wire::ImportRequest& request = wait.request;
    names.emplace_back(wait.importer->node, wait.importer->id, request.node, request.process,
                       request.buffer_id);
  });
  std::sort(names.begin(), names.end());
  json::array result(storage);
  for (const auto& [node, process, exporter_node, exporter_process, buffer] : names) {
    result.push_back(json::object(
        {{"node", node},
         {"process", process},
         {"exporter",
          json::object({{"node", exporter_node}, {"process", exporter_process}}, storage)},
         {"buffer", buffer}},
        storage));
  }
  return result;
}

json::array bindings(const Processes& processes, const Storage& storage) {
  json::array result(storage);
  for (const Process* process : processes) {
    for (const auto& [number, binding] : process->bindings) {
      json::object entry = identity(*process, storage);
      entry["binding"] = number;
      entry["slot"] = binding.import_slot;
      name_buffer(process->imports[binding.import_slot], entry, storage);
      entry["offset"] = binding.offset;
      entry["bytes"] = binding.length;
      entry["address"] = binding.address;
      name_pages(*process, binding, entry, storage);
      entry["capture"] = capture_name(binding.capture);
      entry["combining"] = combining_name(binding.combining);
      entry["timer_ns"] = binding.timer;
      entry["notifies"] = binding.notifies;
      result.push_back(std::move(entry));
    }
  }
  return result;
}

}  // namespace vmmc::nicsim::inspect
