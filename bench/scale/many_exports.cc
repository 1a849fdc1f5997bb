// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One process exports very many buffers; others import them all, as many as an import table holds each.
// What one costs must not depend on how many there are.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "bench/scale/crew.h"
#include "bench/scale/settings.h"
#include "bench/scale/usage.h"
#include "bench/support/machine.h"

namespace vmmc::bench {
namespace {

constexpr std::uint32_t kMostImports = 4096;  // of one process
constexpr std::size_t kPage = 4096;
constexpr std::chrono::seconds kPatience{120};

// Nanoseconds of one operation, on average, among the first and the last ones.
struct Slope {
  double first = 0;
  double last = 0;
  double all = 0;
};

// Of the times at which operations began, and that at which the last one ended.
Slope slope_of(const std::vector<std::uint64_t>& times) {
  const std::size_t count = times.size() - 1;
  const std::size_t part = std::clamp<std::size_t>(count / 3, 1, 1000);
  const auto average = [&](std::size_t from, std::size_t to) {
    return static_cast<double>(times[to] - times[from]) / static_cast<double>(to - from);
  };
  return {average(0, part), average(count - part, count), average(0, count)};
}

// operation(0) ... operation(count - 1).
template <typename Operation>
Slope measure_each(std::uint32_t count, Operation operation) {
  std::vector<std::uint64_t> times{now()};
  for (std::uint32_t i = 0; i < count; ++i) {
    operation(i);
    times.push_back(now());
  }
  return slope_of(times);
}

enum class Kind : std::uint8_t {
  kOwnPages,  // each buffer is a page from vmmc_alloc: the host executor may be granted
  kSlices,    // each buffer is 64 bytes of one allocation: nicsim serves them
};

struct ExporterOutcome {
  Slope allocating, exporting, unexporting;
};

struct ImporterOutcome {
  Slope importing, unimporting;
  std::uint32_t imports;
  std::uint32_t refused;  // status of one more than the table holds, negated; 0: not tried
  std::uint64_t nic, host;
};

struct Gates {
  Gate allocated, do_export, exported, do_import, imported, do_send, sent, do_leave, left,
      do_unexport;
};

void run_exporter(Kind kind, std::uint32_t count, Gates& gates, ExporterOutcome& outcome) {
  const attachment attached = attach_as(0);
  std::vector<memory> pages;
  std::vector<std::byte*> buffers;
  const std::size_t length = kind == Kind::kOwnPages ? kPage : 64;
  if (kind == Kind::kOwnPages) {
    outcome.allocating = measure_each(count, [&](std::uint32_t) {
      pages.push_back(must(memory::allocate(kPage), "vmmc_alloc"));
      buffers.push_back(pages.back().bytes().data());
    });
  } else {
    pages.push_back(must(memory::allocate(std::size_t{count} * length), "vmmc_alloc"));
    for (std::uint32_t i = 0; i < count; ++i)
      buffers.push_back(pages[0].bytes().data() + i * length);
  }
  gates.allocated.open();
  gates.do_export.pass();
  std::vector<receive_buffer> exported;
  outcome.exporting = measure_each(count, [&](std::uint32_t i) {
    exported.push_back(must(receive_buffer::export_memory({buffers[i], length}, i), "vmmc_export"));
  });
  gates.exported.open();
  gates.do_send.pass();
  for (std::uint32_t i = 0; i < count; ++i) {
    must(wait(*reinterpret_cast<std::uint64_t*>(buffers[i]), VMMC_EQUAL, i + 1, VMMC_WAIT_ADAPTIVE,
              kPatience),
         "waiting for a message");
  }
  gates.sent.open();
  gates.do_unexport.pass();
  outcome.unexporting =
      measure_each(count, [&](std::uint32_t i) { must(exported[i].unexport(), "vmmc_unexport"); });
}

// Imports the buffers first ... first + count - 1.
void run_importer(std::uint32_t number, std::uint32_t first, std::uint32_t count, Gates& gates,
                  ImporterOutcome& outcome) {
  const attachment attached = attach_as(number);
  std::vector<proxy> proxies;
  outcome.importing = measure_each(count, [&](std::uint32_t i) {
    proxies.push_back(must(proxy::import(Crew::identity_of(0), first + i), "vmmc_import"));
  });
  outcome.imports = count;
  if (count == kMostImports) {
    const auto more = proxy::import(Crew::identity_of(0), first);
    outcome.refused = more ? 0 : static_cast<std::uint32_t>(-more.error().value());
    if (outcome.refused != -VMMC_ERR_TOO_MANY_IMPORTS) fail("an import too many", last_error());
  }
  gates.imported.open();
  gates.do_send.pass();
  for (std::uint32_t i = 0; i < count; ++i) {
    must(proxies[i].send(std::uint64_t{first} + i + 1), "vmmc_send");
  }
  must(fence(), "vmmc_fence");
  const vmmc_counters counted = must(counters(), "vmmc_get_counters");
  outcome.nic = counted.nic_executor_sends;
  outcome.host = counted.host_executor_sends;
  gates.sent.open();
  gates.do_leave.pass();
  outcome.unimporting =
      measure_each(count, [&](std::uint32_t i) { must(proxies[i].unimport(), "vmmc_unimport"); });
  gates.left.open();
}

void add_slope(Line& line, const std::string& what, const Slope& slope) {
  line.add((what + "_first_us").c_str(), slope.first / 1e3)
      .add((what + "_last_us").c_str(), slope.last / 1e3)
      .add((what + "_us").c_str(), slope.all / 1e3);
}

struct Footprint {
  Memory nicsim, process;
  std::uint64_t shared, mappings, descriptors;
};
Footprint footprint(const Crew& crew, std::size_t process) {
  return {memory_of(crew.nicsim()), memory_of(crew.processes()[process]), shared_memory_of_host(),
          mappings_of(crew.nicsim()), descriptors_of(crew.nicsim())};
}

// Bytes for each of `count`.
void add_growth(Line& line, const Footprint& before, const Footprint& after, std::uint32_t count) {
  const auto each = [&](std::uint64_t from, std::uint64_t to) {
    return (static_cast<double>(to) - static_cast<double>(from)) / count;
  };
  line.add("nicsim_anonymous_bytes", each(before.nicsim.anonymous, after.nicsim.anonymous))
      .add("nicsim_page_table_bytes", each(before.nicsim.page_tables, after.nicsim.page_tables))
      .add("process_anonymous_bytes", each(before.process.anonymous, after.process.anonymous))
      .add("process_page_table_bytes", each(before.process.page_tables, after.process.page_tables))
      .add("memfd_bytes", each(before.shared, after.shared))
      .add("nicsim_mappings", each(before.mappings, after.mappings))
      .add("nicsim_descriptors", each(before.descriptors, after.descriptors));
}

void measure(const Settings& settings, Kind kind, const char* name) {
  const std::uint32_t count = settings.exports;
  const std::uint32_t most =
      std::min(kMostImports, (count + 2) / 3 * 2);  // three importers or more
  const std::uint32_t importers = (count + most - 1) / most;
  Gates gates;
  Shared<ExporterOutcome> exporter(1);
  Shared<ImporterOutcome> outcomes(importers);
  Crew crew;
  crew.add([&](std::uint32_t) { run_exporter(kind, count, gates, exporter[0]); });
  gates.allocated.pass();
  const Footprint allocated = footprint(crew, 0);
  gates.do_export.open();
  gates.exported.pass();
  const Footprint exported = footprint(crew, 0);
  for (std::uint32_t k = 0; k < importers; ++k) {
    const std::uint32_t first = k * most;
    crew.add([&, k, first](std::uint32_t number) {
      run_importer(number, first, std::min(most, count - first), gates, outcomes[k]);
    });
    gates.imported.pass();
  }
  const Footprint imported = footprint(crew, 1);
  gates.do_send.open(importers + 1);
  gates.sent.pass(importers + 1);
  for (std::uint32_t k = 0; k < importers; ++k) {
    gates.do_leave.open();
    gates.left.pass();
  }
  gates.do_unexport.open();
  crew.join();

  Line exports("exports");
  exports.add("kind", std::string(name)).add("exports", std::uint64_t{count});
  if (kind == Kind::kOwnPages) add_slope(exports, "alloc", exporter[0].allocating);
  add_slope(exports, "export", exporter[0].exporting);
  add_slope(exports, "unexport", exporter[0].unexporting);
  add_growth(exports, allocated, exported, count);
  exports.print(settings);
  for (const ImporterOutcome& one : outcomes) {
    Line line("imports");
    line.add("kind", std::string(name)).add("imports", std::uint64_t{one.imports});
    line.add("executor", std::string(executor_used(one.nic, one.host)));
    line.add("by_host", one.host);
    add_slope(line, "import", one.importing);
    add_slope(line, "unimport", one.unimporting);
    line.print(settings);
  }
  Line("imports-memory")
      .add("kind", std::string(name))
      .add("imports", std::uint64_t{count})
      .add("nicsim_anonymous_bytes", (static_cast<double>(imported.nicsim.anonymous) -
                                      static_cast<double>(exported.nicsim.anonymous)) /
                                         count)
      .add("process_anonymous_bytes", static_cast<double>(imported.process.anonymous) / most)
      .add("process_page_table_bytes", static_cast<double>(imported.process.page_tables) / most)
      .add("nicsim_mappings", imported.mappings)
      .add("nicsim_descriptors", imported.descriptors)
      .print(settings);
}

}  // namespace

void measure_exports(const Settings& settings) {
  measure(settings, Kind::kOwnPages, "own pages");
  measure(settings, Kind::kSlices, "slices");
}

}  // namespace vmmc::bench
