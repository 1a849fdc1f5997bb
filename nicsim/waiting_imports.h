// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The imports that wait for their export, found by what they wait for and by who waits: a new export
// costs what waits for it, and nothing for what waits for others.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "nicsim/wire/control.h"

namespace vmmc::nicsim {

struct Process;

struct WaitingImport {
  Process* importer;
  wire::ImportRequest request;
};

class WaitingImports {
 public:
  void add(Process& importer, const wire::ImportRequest& request);

  // How many of this importer wait.
  std::size_t count(const Process& importer) const;

  // Who has waited longest for this buffer; nullptr: nobody. Good until the next change.
  const WaitingImport* first_for(std::uint32_t node, std::uint32_t process,
                                 std::uint32_t buffer_id);
  // Takes out what first_for() returned.
  void drop(const WaitingImport* first);
  // Takes out the importer's oldest one with this request number.
  std::optional<WaitingImport> take(Process& importer, std::uint32_t request);
  // Forgets all of an importer.
  void forget(const Process& importer);

  // visit(const WaitingImport&) for all, by the name of the buffer, then in their order.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const auto& [name, wait] : by_name_) visit(wait);
  }

  // Waiting imports that the calls so far have looked at.
  std::uint64_t looks() const { return looks_; }

 private:
  using Name = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;  // of a buffer
  using ByName = std::multimap<Name, WaitingImport>;  // equal keys stay in the order of insertion
  // By request number, which a client may use twice.
  using OfImporter = std::multimap<std::uint32_t, ByName::iterator>;

  static Name name_of(const wire::ImportRequest& request) {
    return {request.node, request.process, request.buffer_id};
  }
  void erase(ByName::iterator place);

  ByName by_name_;
  std::map<const Process*, OfImporter> by_importer_;
  std::uint64_t looks_ = 0;
};

}  // namespace vmmc::nicsim
