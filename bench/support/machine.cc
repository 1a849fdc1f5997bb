// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/machine.h"

#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>

#include "platform/histogram.h"

namespace vmmc::bench {
namespace {

// The value of the first line of /proc/cpuinfo that begins with `key`.
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with(key) && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) ? line : "unknown";
}

std::string date_now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

MachineFacts read_machine_facts() {
  utsname names{};
  ::uname(&names);
  const std::string model = cpuinfo("model name");
  return {.cpu_model = model.empty() ? names.machine : model,
          .cores = ::sysconf(_SC_NPROCESSORS_ONLN),
          .virtual_machine = cpuinfo("flags").find("hypervisor") != std::string::npos,
          .kernel = std::string(names.sysname) + " " + names.release,
          .governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
          .date = date_now()};
}

std::string describe_machine(const MachineFacts& facts) {
  return facts.cpu_model + ", " + std::to_string(facts.cores) +
         (facts.cores == 1 ? " core" : " cores") +
         (facts.virtual_machine ? " (virtual machine)" : "");
}

std::string describe_stalls(const ClockProbe& probe) {
  char text[100];
  std::snprintf(text, sizeof text, "longest stall %.0f us, %llu of more than 10 us, in %.1f s",
                static_cast<double>(probe.longest_gap) / 1e3,
                static_cast<unsigned long long>(probe.gaps),
                static_cast<double>(probe.duration) / 1e9);
  return text;
}

ClockProbe probe_clock(std::uint64_t duration) {
  constexpr std::uint64_t kGap = 10'000;
  platform::Histogram gaps;
  ClockProbe probe{.read_cost = 0, .longest_gap = 0, .gaps = 0, .duration = duration};
  const std::uint64_t start = now();
  for (std::uint64_t last = start; last - start < duration;) {
    const std::uint64_t next = now();
    gaps.record(next - last);
    if (next - last > kGap) ++probe.gaps;
    last = next;
  }
  probe.read_cost = gaps.percentile(50);
  probe.longest_gap = gaps.max();
  return probe;
}

CoreTime read_core_time() {
  CoreTime time{};
  std::istringstream line(first_line("/proc/stat"));
  std::string label;
  line >> label;
  // user nice system idle iowait irq softirq steal; what follows is contained in the first two.
  std::uint64_t ticks = 0;
  for (int column = 0; column < 8 && line >> ticks; ++column) {
    time.total += ticks;
    if (column == 7) time.stolen = ticks;
  }
  return time;
}

double stolen_percent(const CoreTime& begin, const CoreTime& end) {
  const std::uint64_t total = end.total - begin.total;
  const std::uint64_t stolen = end.stolen - begin.stolen;
  return total == 0 ? 0.0 : 100.0 * static_cast<double>(stolen) / static_cast<double>(total);
}

}  // namespace vmmc::bench
