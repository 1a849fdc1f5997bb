// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/sweeps.h"

#include <cmath>
#include <functional>
#include <limits>

#include "bench/figures/ocean.h"
#include "bench/figures/radix.h"
#include "nicsim/parts/initiation/mechanisms.h"

namespace vmmc::figures {

namespace {

constexpr std::uint32_t kFewKeysPerNode = 4096;  // there are many runs
constexpr std::uint32_t kBulk = 65536;           // bytes
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Program {
  const char* name;
  double (*us)(const TimingModel&, const LibraryCosts&);
};

double radix_of(const TimingModel& model, const LibraryCosts& costs, Update update) {
  return radix_us(
      model,
      {.nodes = 16, .keys = 16 * kFewKeysPerNode, .update = update, .key_ns = costs.radix_key});
}

double bulk_us(const TimingModel& model, Update update) {
  return kBulk / stream_mb_per_s(model, update, kBulk, 1);
}

constexpr Program kPrograms[] = {
    {"AU, a word",
     [](const TimingModel& m, const LibraryCosts&) {
       return message_latency_us(m, Update::kAutomatic, 4);
     }},
    {"DU, a word",
     [](const TimingModel& m, const LibraryCosts&) {
       return message_latency_us(m, Update::kDeliberate, 4);
     }},
    {"AU, 64 KiB",
     [](const TimingModel& m, const LibraryCosts&) { return bulk_us(m, Update::kAutomatic); }},
    {"DU, 64 KiB",
     [](const TimingModel& m, const LibraryCosts&) { return bulk_us(m, Update::kDeliberate); }},
    {"NX, 4 bytes",
     [](const TimingModel& m, const LibraryCosts& c) { return nx_latency_us(m, c, 4); }},
    {"NX, 64 KiB",
     [](const TimingModel& m, const LibraryCosts& c) { return nx_latency_us(m, c, kBulk); }},
    {"radix sort, AU", [](const TimingModel& m,
                          const LibraryCosts& c) { return radix_of(m, c, Update::kAutomatic); }},
    {"radix sort, DU", [](const TimingModel& m,
                          const LibraryCosts& c) { return radix_of(m, c, Update::kDeliberate); }},
    {"ocean-like, NX",
     [](const TimingModel& m, const LibraryCosts& c) { return ocean_us(m, c, {}); }},
};

struct DesignChange {
  const char* name;
  const char* recalled;
  void (*apply)(TimingModel&);
};

void by_kernel(TimingModel& model) {
  namespace initiation = nicsim::parts::initiation;
  model.deliberate_update_engine.initiation =
      initiation::as_parameter(initiation::Mechanism::kKernel);
}

constexpr DesignChange kChanges[] = {
    {"a system call for each send", "2 to 52 % more time (applications)", by_kernel},
    {"an interrupt for each arrival", "radix sort 0.3 %, ocean on NX 15.6 % more time",
     [](TimingModel& m) { m.incoming_page_table.interrupt_each_arrival = 1; }},
    {"no combining", "next to nothing; twice the time of bulk transfers by AU",
     [](TimingModel& m) { m.packetizer.combining = 0; }},
    {"outgoing FIFO of 1 KB", "no difference", [](TimingModel& m) { set_fifo_capacity(m, 1024); }},
    {"queue of 1 deliberate update", "about 1 % (two requests)",
     [](TimingModel& m) { m.deliberate_update_engine.queue_depth = 1; }},
    {"queue of 2 deliberate updates", "about 1 %",
     [](TimingModel& m) { m.deliberate_update_engine.queue_depth = 2; }},
};

using Measure = std::function<double(double)>;

Line line_of(const std::string& name, const std::vector<double>& xs, const Measure& measure) {
  Line line{name, {}};
  for (const double x : xs) {
    const double y = measure(x);
    if (std::isfinite(y)) line.points.emplace_back(x, y);
  }
  return line;
}

LinePlot latency_by_size(const TimingModel& model) {
  const std::vector<double> sizes = {4, 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024};
  const auto by = [&](Update update) {
    return [&model, update](double size) {
      return message_latency_us(model, update, static_cast<std::uint32_t>(size));
    };
  };
  return {"One way, by size (shrimp-2)",
          "bytes",
          "us",
          false,
          {line_of("automatic update", sizes, by(Update::kAutomatic)),
           line_of("deliberate update", sizes, by(Update::kDeliberate))}};
}

LinePlot bandwidth_by_size(const Inputs& inputs) {
  const TimingModel& model = inputs.model("shrimp-2");
  const std::vector<double> sizes = {64, 256, 1024, 4096, 16384, 65536, 262144};
  const auto through = [](const std::function<double(std::uint32_t)>& us) {
    return [us](double size) { return size / us(static_cast<std::uint32_t>(size)); };
  };
  return {"Bandwidth of one message, by size (shrimp-2)",
          "bytes",
          "MB/s",
          true,
          {line_of("deliberate update", sizes, through([&](std::uint32_t size) {
                     return message_latency_us(model, Update::kDeliberate, size);
                   })),
           line_of("automatic update", sizes, through([&](std::uint32_t size) {
                     return message_latency_us(model, Update::kAutomatic, size);
                   })),
           line_of("NX", sizes, through([&](std::uint32_t size) {
                     return nx_latency_us(model, inputs.costs, size);
                   })),
           line_of("sockets", sizes, through([&](std::uint32_t size) {
                     return socket_latency_us(model, inputs.costs, size);
                   }))}};
}

LinePlot speedup_by_nodes(const Inputs& inputs) {
  const auto by = [&](Update update) {
    return [&inputs, update](double nodes) {
      return radix_speedup(inputs.model("shrimp-2"), {.nodes = static_cast<std::uint32_t>(nodes),
                                                      .keys = 16 * kFewKeysPerNode,
                                                      .update = update,
                                                      .key_ns = inputs.costs.radix_key});
    };
  };
  const std::vector<double> nodes = {1, 2, 4, 8, 16};
  return {"Radix sort of 65536 keys: speedup (shrimp-2)",
          "nodes",
          "speedup",
          false,
          {line_of("automatic update", nodes, by(Update::kAutomatic)),
           line_of("deliberate update", nodes, by(Update::kDeliberate))}};
}

struct Sweep {
  const char* file;
  const char* title;
  const char* x_label;
  bool logarithmic_x;
  std::vector<double> xs;
  std::vector<std::size_t> programs;  // of kPrograms
  void (*apply)(TimingModel&, double);
};

constexpr std::size_t kDuWord = 1;
constexpr std::size_t kAuBulk = 2;
constexpr std::size_t kDuBulk = 3;
constexpr std::size_t kNxSmall = 4;
constexpr std::size_t kNxBulk = 5;
constexpr std::size_t kRadixAu = 6;
constexpr std::size_t kRadixDu = 7;
constexpr std::size_t kOcean = 8;

void set_system_call(TimingModel& model, double us) {
  by_kernel(model);
  model.processor.system_call_ns = 1000 * us;
}

void set_interrupt(TimingModel& model, double us) {
  model.incoming_page_table.interrupt_each_arrival = 1;
  model.processor.interrupt_ns = 1000 * us;
}

void set_payload(TimingModel& model, double bytes) { model.packetizer.max_payload_bytes = bytes; }

void set_queue_depth(TimingModel& model, double depth) {
  model.deliberate_update_engine.queue_depth = depth;
}

std::vector<Sweep> sweep_table() {
  const std::vector<double> us_0_to_20 = {0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20};
  return {
      {"system-call",
       "A system call for each send (shrimp-2)",
       "us for a system call",
       false,
       us_0_to_20,
       {kDuWord, kNxBulk, kRadixDu, kOcean},
       set_system_call},
      {"interrupt",
       "An interrupt for each arrival (shrimp-2)",
       "us for an interrupt",
       false,
       us_0_to_20,
       {kDuWord, kNxBulk, kRadixAu, kRadixDu, kOcean},
       set_interrupt},
      // The other programs also send, and what is sent would be cut up, too.
      {"combining",
       "Combining: at most so many bytes in a packet (shrimp-2)",
       "bytes; 4: a packet for each store",
       true,
       {4, 8, 16, 32, 64, 128, 256, 512},
       {kAuBulk, kNxSmall},
       set_payload},
      {"fifo-capacity",
       "Capacity of the outgoing FIFO (shrimp-2)",
       "bytes",
       true,
       {256, 512, 1024, 2048, 4096, 8192, 16384, 32768},
       {kAuBulk, kRadixAu},
       set_fifo_capacity},
      {"queue-depth",
       "Queue of deliberate updates (shrimp-2)",
       "updates that may wait",
       false,
       {0, 1, 2, 3, 4},
       {kDuBulk, kRadixDu},
       set_queue_depth},
  };
}

LinePlot plot_of(const Sweep& sweep, const Inputs& inputs) {
  LinePlot plot{sweep.title, sweep.x_label, "time, model unchanged: 100", sweep.logarithmic_x, {}};
  for (const std::size_t index : sweep.programs) {
    const Program& program = kPrograms[index];
    plot.lines.push_back(relative_times(
        program.name, inputs.model("shrimp-2"),
        [&](const TimingModel& model) { return program.us(model, inputs.costs); }, sweep.xs,
        sweep.apply));
  }
  return plot;
}

}  // namespace

void set_fifo_capacity(TimingModel& model, double bytes) {
  nicsim::model::OutgoingFifoParameters& fifo = model.outgoing_fifo;
  const double factor = bytes / fifo.capacity_bytes;
  fifo.capacity_bytes = bytes;
  fifo.threshold_bytes = std::floor(fifo.threshold_bytes * factor);
  fifo.resume_bytes = std::floor(fifo.resume_bytes * factor);
}

Line relative_times(const std::string& name, const TimingModel& model,
                    const std::function<double(const TimingModel&)>& us,
                    const std::vector<double>& xs,
                    const std::function<void(TimingModel&, double)>& apply) {
  const double whole = us(model);
  return line_of(name, xs, [&](double x) {
    TimingModel changed = model;
    apply(changed, x);
    if (!nicsim::model::inconsistency(changed).empty()) return kNone;
    return us(changed) / whole * 100;
  });
}

Comparison compare_designs(const Inputs& inputs) {
  Comparison result;
  for (const Program& program : kPrograms) {
    result.programs.emplace_back(program.name);
    result.unchanged_us.push_back(program.us(inputs.model("shrimp-2"), inputs.costs));
  }
  for (const DesignChange& change : kChanges) {
    TimingModel model = inputs.model("shrimp-2");
    change.apply(model);
    const std::string problem = nicsim::model::inconsistency(model);
    std::vector<double> percent(std::size(kPrograms), kNone);
    for (std::size_t i = 0; problem.empty() && i < percent.size(); ++i)
      percent[i] = (kPrograms[i].us(model, inputs.costs) / result.unchanged_us[i] - 1) * 100;
    result.changes.push_back({change.name, change.recalled, problem});
    result.percent.push_back(std::move(percent));
  }
  return result;
}

BarPlot bars_of(const Comparison& comparison) {
  BarPlot plot{"Design choices (shrimp-2)", "more time, %", 100, comparison.programs, {}};
  for (std::size_t i = 0; i < comparison.changes.size(); ++i)
    plot.bars.emplace_back(comparison.changes[i].name, comparison.percent[i]);
  return plot;
}

std::vector<std::pair<std::string, LinePlot>> curves(const Inputs& inputs) {
  std::vector<std::pair<std::string, LinePlot>> plots = {
      {"latency-by-size", latency_by_size(inputs.model("shrimp-2"))},
      {"bandwidth-by-size", bandwidth_by_size(inputs)},
      {"speedup-by-nodes", speedup_by_nodes(inputs)},
  };
  for (const Sweep& sweep : sweep_table()) plots.emplace_back(sweep.file, plot_of(sweep, inputs));
  return plots;
}

}  // namespace vmmc::figures
