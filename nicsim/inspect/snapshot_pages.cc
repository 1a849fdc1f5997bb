// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The page tables, as runs: the pages of one proxy, or of one buffer, are entered together, lead to
// neighbouring pages and never touch those of another proxy. So the entry of a run's first page says it all,
// and a buffer of gigabytes takes no longer than one of a page.

#include <algorithm>
#include <tuple>

#include "nicsim/inspect/snapshot_parts.h"

namespace vmmc::nicsim::inspect {
namespace {

namespace json = boost::json;

}  // namespace

json::array outgoing_pages(const Processes& processes, const Storage& storage) {
  json::array result(storage);
  for (const Process* process : processes) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> runs;  // first page, pages
    for (const Import& import : process->imports) {
      if (import.phase != wire::ImportPhase::kFree) {
        runs.emplace_back(import.first_page, import.pages);
      }
    }
    std::sort(runs.begin(), runs.end());
    for (const auto& [first, count] : runs) {
      const OutgoingPage* const page = process->outgoing_pages.find(first);
      if (page == nullptr) continue;
      result.push_back(json::object({{"node", process->node},
                                     {"process", process->id},
                                     {"first", first},
                                     {"count", count},
                                     {"slot", page->import_slot},
                                     {"access", access_name(page->access)},
                                     {"to_node", page->node},
                                     {"first_incoming_page", page->incoming_page}},
                                    storage));
    }
  }
  return result;
}

json::array incoming_pages(const Backplane& backplane, const Processes& processes,
                           const Storage& storage) {
  std::vector<const ExportedBuffer*> buffers;
  for (const Process* process : processes) {
    for (const auto& [id, buffer] : process->exports) buffers.push_back(buffer.get());
  }
  std::sort(buffers.begin(), buffers.end(),
            [](const ExportedBuffer* left, const ExportedBuffer* right) {
              return std::tie(left->owner->node, left->first_incoming_page) <
                     std::tie(right->owner->node, right->first_incoming_page);
            });
  json::array result(storage);
  for (const ExportedBuffer* buffer : buffers) {
    const std::uint32_t node = buffer->owner->node;
    const IncomingPage* const page =
        backplane.node(node).incoming_pages.find(buffer->first_incoming_page);
    if (page == nullptr || page->buffer != buffer) continue;
    result.push_back(json::object({{"node", node},
                                   {"first", buffer->first_incoming_page},
                                   {"count", buffer->pages},
                                   {"process", buffer->owner->id},
                                   {"buffer", buffer->id},
                                   {"interrupts", page->interrupts}},
                                  storage));
  }
  return result;
}

}  // namespace vmmc::nicsim::inspect
