// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/output_prefixer.h"

#include <algorithm>

namespace vmmc::run {

std::string OutputPrefixer::feed(std::string_view bytes) {
  std::string lines;
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t length = std::min({newline, bytes.size(), kMaxLine - line_.size()});
    line_.append(bytes.substr(0, length));
    bytes.remove_prefix(length);
    const bool complete = length == newline;
    if (complete) bytes.remove_prefix(1);
    if (complete || (line_.size() == kMaxLine && !bytes.empty() && bytes.front() != '\n')) {
      lines.append(label_).append(line_).push_back('\n');
      line_.clear();
    }
  }
  return lines;
}

std::string OutputPrefixer::finish() { return line_.empty() ? std::string() : feed("\n"); }

}  // namespace vmmc::run
