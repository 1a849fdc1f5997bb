// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How VMMC behaves when there is much of something: processes, messages, exports, imports. Starts its
// own nicsim ($VMMC_NICSIM).
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "bench/scale/settings.h"
#include "bench/support/machine.h"

namespace vmmc::bench {

Line& Line::add(const char* name, double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f", value);
  fields_.emplace_back(name, text);
  return *this;
}
Line& Line::add(const char* name, std::uint64_t value) {
  fields_.emplace_back(name, std::to_string(value));
  return *this;
}
Line& Line::add(const char* name, const std::string& value) {
  fields_.emplace_back(name, "\"" + value + "\"");
  return *this;
}

void Line::print(const Settings& settings) const {
  if (settings.json) {
    std::printf("{\"type\":\"%s\"", type_.c_str());
    for (const auto& [name, value] : fields_)
      std::printf(",\"%s\":%s", name.c_str(), value.c_str());
    std::printf("}\n");
  } else {
    std::printf("%-12s", type_.c_str());
    for (const auto& [name, value] : fields_) std::printf("  %s %s", name.c_str(), value.c_str());
    std::printf("\n");
  }
  std::fflush(stdout);
}

const char* executor_name(vmmc_executor executor) {
  return executor == VMMC_EXECUTOR_NIC ? "nic" : executor == VMMC_EXECUTOR_HOST ? "host" : "auto";
}

const char* executor_used(std::uint64_t nic, std::uint64_t host) {
  return nic > 0 && host > 0 ? "nic and host" : nic > 0 ? "nic" : host > 0 ? "host" : "none";
}

namespace {

void print_machine(const Settings& settings) {
  const MachineFacts facts = read_machine_facts();
  Line("machine")
      .add("date", facts.date)
      .add("cpu", facts.cpu_model)
      .add("cores", static_cast<std::uint64_t>(facts.cores))
      .add("virtual_machine", static_cast<std::uint64_t>(facts.virtual_machine))
      .add("kernel", facts.kernel)
      .add("placement", std::string("none: the kernel decides"))
      .print(settings);
}

void make_small(Settings& settings) {
  settings.processes = {2, 5};
  settings.messages = 400;
  settings.exports = 60;
  settings.attached = 12;
  settings.turns = 50;
  settings.idle = 20'000'000;
}

}  // namespace
}  // namespace vmmc::bench

int main(int argc, char** argv) {
  using namespace vmmc::bench;
  Settings settings;
  std::string part = "all";
  bool smoke = false;
  CLI::App app("Many processes, many messages, many exports.");
  app.add_option("--part", part, "all-to-all, exports, processes, or all")
      ->check(CLI::IsMember({"all-to-all", "exports", "processes", "all"}));
  app.add_option("--processes", settings.processes, "of all-to-all; repeatable")
      ->check(CLI::Range(2, 1024));
  app.add_option("--executor", settings.executors, "of all-to-all: nic, host; repeatable")
      ->transform(CLI::CheckedTransformer(std::map<std::string, vmmc_executor>{
          {"nic", VMMC_EXECUTOR_NIC}, {"host", VMMC_EXECUTOR_HOST}}));
  app.add_option("--wait", settings.waits, "of all-to-all: adaptive, block; repeatable")
      ->transform(CLI::CheckedTransformer(std::map<std::string, vmmc_wait_strategy>{
          {"adaptive", VMMC_WAIT_ADAPTIVE}, {"block", VMMC_WAIT_BLOCK}}));
  app.add_option("--messages", settings.messages, "of each measurement of all-to-all")
      ->check(CLI::PositiveNumber);
  app.add_option("--exports", settings.exports, "of one process")->check(CLI::Range(3, 60'000));
  app.add_option("--attached", settings.attached, "processes")->check(CLI::Range(4, 4000));
  app.add_flag("--json", settings.json, "one JSON object per line");
  app.add_flag("--smoke", smoke, "only shows that everything works; the numbers mean nothing");
  CLI11_PARSE(app, argc, argv);
  if (smoke) make_small(settings);
  print_machine(settings);
  if (part == "all" || part == "all-to-all") measure_all_to_all(settings);
  if (part == "all" || part == "exports") measure_exports(settings);
  if (part == "all" || part == "processes") measure_processes(settings);
  return 0;
}
