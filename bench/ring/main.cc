// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The zero-copy receive ring beside libpcap and a tap.
#include "bench/ring/call_count.h"
#include "bench/ring/file_part.h"
#include "bench/ring/live_part.h"
#include "bench/ring/report.h"
#include "bench/ring/settings.h"

namespace vmmc::bench {
namespace {

int run(const Settings& settings) {
  constexpr std::uint64_t kProbe = 200'000'000;  // ns
  const Report report(settings);
  report.header(probe_clock(kProbe));
  const bool count_calls = CallCount::available();
  if (!count_calls) report.skipped("system calls", "strace is not there, or not permitted");
  if (settings.file) measure_files(settings, report, count_calls);
  if (settings.live) measure_interfaces(settings, report, count_calls);
  report.footer();
  return 0;
}

}  // namespace
}  // namespace vmmc::bench

int main(int argc, char** argv) {
  const auto parsed = vmmc::bench::parse_settings(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  return vmmc::bench::run(std::get<vmmc::bench::Settings>(parsed));
}
