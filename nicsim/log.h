// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's log: few lines, never on the data path; what happens often is counted instead.
#pragma once

#include <string>

namespace vmmc::nicsim {

enum class LogLevel { kError = 0, kWarning = 1, kInfo = 2, kDebug = 3 };

// Lines above `level` are dropped. In the background (`to_syslog`) they go to the system log, else
// to stderr.
void configure_log(LogLevel level, bool to_syslog);

void log(LogLevel level, const std::string& line);

}  // namespace vmmc::nicsim
