// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/error_log.h"

#include <chrono>

#include "nicsim/status_name.h"
#include "nicsim/wire/control.h"

namespace vmmc::nicsim {
namespace {

std::string process_name(std::uint32_t node, std::uint32_t process) {
  return "process (" + std::to_string(node) + ", " + std::to_string(process) + ")";
}

}  // namespace

void ErrorLog::add(const Key& key) {
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= kMostErrors) {
      ++not_kept_;
      return;
    }
    found = entries_.emplace(key, Entry{}).first;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  found->second.last =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  if (found->second.count++ == 0) found->second.first = found->second.last;
}

// "The import of buffer 7 of process (1, 2) by process (0, 3) was refused: ..."
std::string ErrorLog::sentence(const Key& key) {
  std::string result = "The " + key.what;
  const bool has_peer = key.peer_process != wire::kAnyProcess;
  if (key.buffer != kNoBuffer) result += " of buffer " + std::to_string(key.buffer);
  if (has_peer) result += " of " + process_name(key.peer_node, key.peer_process);
  result += key.process != wire::kAnyProcess ? " by " + process_name(key.node, key.process)
                                             : " at node " + std::to_string(key.node);
  return result + " was refused: " + status_reason(key.status) + ".";
}

}  // namespace vmmc::nicsim
