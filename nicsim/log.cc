// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/log.h"

#include <syslog.h>

#include <cstdio>

namespace vmmc::nicsim {
namespace {

LogLevel threshold = LogLevel::kWarning;
bool use_syslog = false;

int priority_of(LogLevel level) {
  constexpr int kPriorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
  return kPriorities[static_cast<int>(level)];
}

}  // namespace

void configure_log(LogLevel level, bool to_syslog) {
  threshold = level;
  use_syslog = to_syslog;
}

void log(LogLevel level, const std::string& line) {
  if (level > threshold) return;
  if (use_syslog) {
    ::syslog(LOG_DAEMON | priority_of(level), "nicsim: %s", line.c_str());
  } else {
    std::fprintf(stderr, "nicsim: %s\n", line.c_str());
  }
}

}  // namespace vmmc::nicsim
