// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/waiting_imports.h"

#include <algorithm>

namespace vmmc::nicsim {

void WaitingImports::add(Process& importer, const wire::ImportRequest& request) {
  const auto place = by_name_.emplace(name_of(request), WaitingImport{&importer, request});
  by_importer_[&importer].emplace(request.header.request, place);
}

std::size_t WaitingImports::count(const Process& importer) const {
  const auto found = by_importer_.find(&importer);
  return found == by_importer_.end() ? 0 : found->second.size();
}

const WaitingImport* WaitingImports::first_for(std::uint32_t node, std::uint32_t process,
                                               std::uint32_t buffer_id) {
  const Name name{node, process, buffer_id};
  const auto found = by_name_.lower_bound(name);
  if (found == by_name_.end() || found->first != name) return nullptr;
  ++looks_;
  return &found->second;
}

void WaitingImports::drop(const WaitingImport* first) {
  erase(by_name_.lower_bound(name_of(first->request)));
}

std::optional<WaitingImport> WaitingImports::take(Process& importer, std::uint32_t request) {
  const auto of_importer = by_importer_.find(&importer);
  if (of_importer == by_importer_.end()) return std::nullopt;
  const auto found = of_importer->second.find(request);
  if (found == of_importer->second.end()) return std::nullopt;
  ++looks_;
  const WaitingImport taken = found->second->second;
  erase(found->second);
  return taken;
}

void WaitingImports::forget(const Process& importer) {
  const auto of_importer = by_importer_.find(&importer);
  if (of_importer == by_importer_.end()) return;
  for (const auto& [request, place] : of_importer->second) {
    ++looks_;
    by_name_.erase(place);
  }
  by_importer_.erase(of_importer);
}

void WaitingImports::erase(ByName::iterator place) {
  const WaitingImport& wait = place->second;
  const auto of_importer = by_importer_.find(wait.importer);
  const auto [first, last] = of_importer->second.equal_range(wait.request.header.request);
  of_importer->second.erase(
      std::find_if(first, last, [&](const auto& entry) { return entry.second == place; }));
  if (of_importer->second.empty()) by_importer_.erase(of_importer);
  by_name_.erase(place);
}

}  // namespace vmmc::nicsim
