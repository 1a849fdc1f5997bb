// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/keyvalue/server.h"

#include <time.h>

#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "examples/keyvalue/store.h"
#include "examples/support/must.h"
#include "vmmc/vmmc.hpp"

namespace examples::keyvalue {
namespace {

using Clock = std::chrono::steady_clock;

double cpu_milliseconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return 1e3 * static_cast<double>(used.tv_sec) + 1e-6 * static_cast<double>(used.tv_nsec);
}

bool some_import_the_table() {
  std::size_t importers = 0;
  must(vmmc_importers(Store::kBufferId, nullptr, 0, &importers), "vmmc_importers");
  return importers > 0;
}

// Sleeps until every client has reported or, once all have arrived, has ended without a word.
void wait_for_clients(const Layout& layout, Session& session) {
  using namespace std::chrono_literals;
  for (;;) {
    const auto done =
        vmmc::wait(session.done, VMMC_AT_LEAST, layout.clients(), VMMC_WAIT_BLOCK, 1s);
    if (done) return;
    if (done.error() != VMMC_ERR_TIMEOUT) done.value();
    const auto arrived = std::atomic_ref(session.arrived).load(std::memory_order_acquire);
    if (arrived >= layout.clients() && !some_import_the_table()) return;
  }
}

double microseconds(std::uint64_t nanoseconds) { return 1e-3 * static_cast<double>(nanoseconds); }

void print_reports(const Layout& layout, const std::byte* table) {
  std::printf(
      "client    gets    puts deletes  kops/s  get p50    p99  put p50    p99 us"
      "  stale   lost\n");
  double rate = 0;
  std::uint64_t fetches = 0;
  for (std::uint32_t client = 0; client < layout.clients(); ++client) {
    Report report;
    std::memcpy(&report, table + layout.report_at(client), sizeof report);
    if (report.present == 0) {
      std::printf("%6" PRIu32 "  ended without a report\n", client);
      continue;
    }
    const auto operations = static_cast<double>(report.gets + report.puts + report.deletes);
    const double own_rate = 1e6 * operations / static_cast<double>(report.time);
    std::printf("%6" PRIu32 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64
                " %7.1f  %7.1f %6.1f  %7.1f %6.1f %9" PRIu64 " %6" PRIu64 "\n",
                client, report.gets, report.puts, report.deletes, own_rate,
                microseconds(report.get_p50), microseconds(report.get_p99),
                microseconds(report.put_p50), microseconds(report.put_p99), report.stale_looks,
                report.lost_swaps);
    rate += own_rate;
    fetches += report.fetches;
  }
  std::printf(
      "together: %.1f thousand operations per second, every answer checked; "
      "%" PRIu64 " fetches\n",
      rate, fetches);
}

}  // namespace

void serve(const Layout& layout, bool reports) {
  const auto memory = vmmc::memory::allocate(layout.bytes()).value();
  std::byte* const table = memory.bytes().data();
  layout.prepare(table);
  const auto buffer =
      vmmc::receive_buffer::export_memory(memory.bytes().first(layout.bytes()), Store::kBufferId)
          .value();
  const double cpu_before = cpu_milliseconds();
  const auto start = Clock::now();
  auto& session = *reinterpret_cast<Session*>(table);
  wait_for_clients(layout, session);
  const double cpu = cpu_milliseconds() - cpu_before;
  const double time = std::chrono::duration<double, std::milli>(Clock::now() - start).count();

  if (reports) print_reports(layout, table);
  const vmmc_counters counters = vmmc::counters().value();
  std::printf("server: %.3f ms of CPU time in %.0f ms; woken %" PRIu64 " times; %" PRIu64
              " transfers came into its memory; it sent, fetched and changed %" PRIu64 "\n",
              cpu, time, counters.wakeups, counters.transfers_received,
              counters.transfers_sent + counters.fetches + counters.atomics);
}

}  // namespace examples::keyvalue
