// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/inspect/hardware_counters.h"

#include "nicsim/parts/counters.h"

namespace vmmc::nicsim {

boost::json::object hardware_counters(const parts::Hardware& hardware, std::uint32_t node) {
  boost::json::object result;
  parts::for_each_counter(hardware.counters(node),
                          [&](const char* name, std::uint64_t value) { result[name] = value; });
  return result;
}

}  // namespace vmmc::nicsim
