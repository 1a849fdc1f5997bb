// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/names.h"

#include <algorithm>

#include "nicsim/status_name.h"

namespace vmmc::trace_tool {

std::string status_name(std::int32_t status) {
  const std::string name = nicsim::status_name(static_cast<wire::Status>(status));
  return name == "UNKNOWN" ? std::to_string(status) : name;
}

std::string spoken(std::string_view name) {
  std::string words(name);
  std::replace(words.begin(), words.end(), '_', ' ');
  for (const std::string_view capitals : {"fifo", "dma"}) {
    const std::size_t at = words.find(capitals);
    if (at == words.npos) continue;
    for (std::size_t i = 0; i < capitals.size(); ++i) words[at + i] -= 'a' - 'A';
  }
  return words;
}

}  // namespace vmmc::trace_tool
