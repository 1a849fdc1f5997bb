// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "nicsim/recording/reader.h"
#include "nicsim/sim/initiation_costs.h"
#include "nicsim/sim/options.h"
#include "nicsim/sim/replay.h"
#include "nicsim/sim/traffic_plot.h"

namespace {

using namespace vmmc::nicsim;

constexpr int kExitFailure = 1;
constexpr int kExitMistake = 2;

int complain(const std::string& problem, int status = kExitMistake) {
  std::cerr << "simulate: " << problem << '\n';
  return status;
}

// 0, or the exit status.
int write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return 0;
  std::ofstream file(path);
  file << text;
  file.close();
  return file ? 0 : complain("cannot write " + path + ": " + std::strerror(errno));
}

int run(const sim::ReplayOptions& options) {
  const auto read = recording::read_recording(options.file);
  if (const auto* problem = std::get_if<std::string>(&read)) return complain(*problem);
  const auto& recorded = std::get<recording::Recording>(read);
  if (!recorded.cut_off.empty()) complain(recorded.cut_off + "; replayed up to there");
  const auto replayed = sim::replay(recorded, options.model.values);
  if (const auto* problem = std::get_if<std::string>(&replayed)) {
    return complain(options.file + ": " + *problem, kExitFailure);
  }
  const auto& result = std::get<sim::ReplayResult>(replayed);
  std::cout << sim::to_table(result, options.model.name);
  return write_file(options.json, sim::to_json(result, options.model.name) + "\n");
}

int run(const sim::RecordingOptions& options) {
  const auto read = recording::read_recording(options.file);
  if (const auto* problem = std::get_if<std::string>(&read)) return complain(*problem);
  const auto& recorded = std::get<recording::Recording>(read);
  std::cout << recorded.header.rows << "x" << recorded.header.columns << " nodes, "
            << recorded.processes << " processes, " << recorded.records.size() << " records\n";
  for (const recording::Record& record : recorded.records) {
    std::cout << recording::to_text(record) << '\n';
  }
  if (!recorded.cut_off.empty()) complain(recorded.cut_off);
  return 0;
}

int run(const sim::InitiationOptions& options) {
  std::cout << sim::to_table(sim::initiation_costs(options.model.values), options.model.name);
  return 0;
}

// On a terminal, when there is something to wait for.
class ProgressBar {
 public:
  explicit ProgressBar(std::size_t runs) : runs_(runs), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~ProgressBar() {
    if (drawn_) std::fprintf(stderr, "\r\033[K");
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::size_t run, double share) {
    constexpr std::chrono::seconds kLong{1};
    constexpr int kCells = 40;
    if (!shown_ || std::chrono::steady_clock::now() - began_ < kLong) return;
    const double done = (static_cast<double>(run) + share) / static_cast<double>(runs_);
    const int full = static_cast<int>(done * kCells);
    std::fprintf(stderr, "\r[%s%s] %3.0f%%", std::string(full, '#').c_str(),
                 std::string(kCells - full, ' ').c_str(), done * 100);
    drawn_ = true;
  }

 private:
  const std::size_t runs_;
  const bool shown_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  bool drawn_ = false;
};

template <typename Settings>
std::string title_of(const std::string& model, const std::string& through, const Settings& settings,
                     std::uint32_t bytes) {
  return model + ", " + through + " " + std::to_string(settings.rows) + "x" +
         std::to_string(settings.columns) + ", " + std::string(sim::name_of(settings.pattern)) +
         ", " + std::to_string(bytes) + " bytes";
}

// A run for each of `offers`, which run_one(offer, progress) makes; it adds to `json`.
struct Report {
  std::string title;
  std::string offered;  // what it is, and its unit
  std::string json_file;
  std::string plot_file;
};

template <typename RunOne>
int run_all(const std::vector<double>& offers, const Report& report, RunOne run_one) {
  std::vector<sim::TrafficPoint> points;
  std::string json;
  {
    ProgressBar bar(offers.size());
    for (const double offer : offers) {
      points.push_back(run_one(offer, json, [&](double share) { bar.show(points.size(), share); }));
    }
  }
  std::printf("%s\n%8s %14s %14s %12s %12s %12s\n", report.title.c_str(), "offered", "all MB/s",
              "node MB/s", "p50 ns", "p99 ns", "max ns");
  for (const sim::TrafficPoint& point : points) {
    std::printf("%8.3f %14.1f %14.2f %12.0f %12.0f %12.0f\n", point.offered, point.mb_per_s,
                point.node_mb_per_s, point.latency_p50_ns, point.latency_p99_ns,
                point.latency_max_ns);
  }
  if (const int status = write_file(report.json_file, json); status != 0) return status;
  if (report.plot_file.empty()) return 0;
  return write_file(report.plot_file, sim::plot_traffic(points, report.title, report.offered));
}

template <typename Result>
sim::TrafficPoint point_of(double offered, const Result& result) {
  return {offered,
          result.mb_per_s,
          result.node_mb_per_s,
          result.latency_p50_ns,
          result.latency_p99_ns,
          result.latency_max_ns};
}

int run(const sim::TrafficOptions& options) {
  sim::TrafficSettings settings = options.settings;
  const std::string through = settings.backplane.mesh != 0 ? "mesh" : "crossbar";
  const Report report{title_of(options.model_name, through, settings, settings.parcel_bytes),
                      "offered load of each node, share of a link", options.json, options.plot};
  return run_all(options.loads, report,
                 [&](double load, std::string& json, const sim::TrafficProgress& progress) {
                   settings.offered_load = load;
                   const sim::TrafficResult result = sim::run_traffic(settings, progress);
                   json += sim::to_json(settings, result) + "\n";
                   return point_of(load, result);
                 });
}

int run(const sim::UpdatesOptions& options) {
  sim::MachineTrafficSettings settings = options.settings;
  const std::string through =
      std::string(settings.automatic ? "automatic" : "deliberate") + " update, nodes";
  const Report report{title_of(options.model_name, through, settings, settings.update_bytes),
                      "offered by each node, MB/s", options.json, options.plot};
  return run_all(options.offers, report,
                 [&](double offer, std::string& json, const sim::TrafficProgress& progress) {
                   settings.offered_mb_per_s = offer;
                   const auto result = sim::run_machine_traffic(settings, progress);
                   json += sim::to_json(settings, result) + "\n";
                   return point_of(offer, result);
                 });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = sim::parse_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    return std::visit([](const auto& options) { return run(options); },
                      std::get<sim::SimulateOptions>(parsed));
  } catch (const std::exception& error) {
    return complain(error.what(), kExitFailure);
  }
}
