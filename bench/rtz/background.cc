// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/background.h"

#include <time.h>
#include <unistd.h>

#include "bench/support/placement.h"
#include "vmmc/vmmc.h"

namespace vmmc::bench {
namespace {

constexpr std::size_t kBulkBytes = 1 << 20;
constexpr std::uint32_t kBulkExport = 1;
constexpr std::uint64_t kReadyTimeout = 20'000'000'000;  // ns

void must(int status, const char* what) {
  if (status != VMMC_OK) fail(what, vmmc_last_error());
}

void attach(std::uint32_t node, std::uint32_t process) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.node = node;
  options.process = process;
  options.never_start = 1;
  must(vmmc_init(&options), "vmmc_init");
}

// Off is not a matter of microseconds.
void sleep_while_off(const std::atomic<bool>& on) {
  const timespec millisecond{0, 1'000'000};
  while (!on.load(std::memory_order_relaxed)) ::nanosleep(&millisecond, nullptr);
}

}  // namespace

Background::Background(bool with_bulk, std::uint32_t first_process, std::span<const int> cores) {
  if (with_bulk) {
    processes_.push_back(start_child(kAnywhere, [&] { receive_bulk(first_process); }));
    if (!ready_.pass_within(kReadyTimeout)) fail("bulk transfer", "its receiver does not start");
    processes_.push_back(start_child(kAnywhere, [&] { send_bulk(first_process); }));
    if (!ready_.pass_within(kReadyTimeout)) fail("bulk transfer", "its sender does not start");
  }
  for (const int core : cores) processes_.push_back(start_child(core, [this] { compute(); }));
}

Background::~Background() {
  for (const pid_t process : processes_) kill_child(process);
}

void Background::switch_to(bool bulk, bool load) {
  state_->bulk = bulk;
  state_->load = load;
}

void Background::receive_bulk(std::uint32_t process) {
  attach(1, process);
  void* buffer = nullptr;
  must(vmmc_alloc(kBulkBytes, &buffer), "vmmc_alloc");
  must(vmmc_export(buffer, kBulkBytes, kBulkExport, nullptr), "vmmc_export");
  ready_.open();
  for (;;) ::pause();
}

void Background::send_bulk(std::uint32_t receiver) {
  attach(0, receiver + 1);
  void* source = nullptr;
  must(vmmc_alloc(kBulkBytes, &source), "vmmc_alloc");
  vmmc_import_options options = VMMC_IMPORT_DEFAULTS;
  options.executor = VMMC_EXECUTOR_NIC;
  void* proxy = nullptr;
  must(vmmc_import({1, receiver}, kBulkExport, &options, &proxy, nullptr), "vmmc_import");
  ready_.open();
  for (;;) {
    sleep_while_off(state_->bulk);
    must(vmmc_send(source, proxy, kBulkBytes), "vmmc_send");
    state_->bytes += kBulkBytes;
  }
}

void Background::compute() {
  for (std::uint64_t value = 1;;) {
    sleep_while_off(state_->load);
    for (int i = 0; i < 100'000; ++i) value = value * 6364136223846793005 + 1442695040888963407;
    asm volatile("" : : "r"(value));
  }
}

}  // namespace vmmc::bench
