// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The operations whose instructions are counted: each loop is a function of its own, found by name in
// callgrind's profile. Arguments: receiver (exports, then waits until its input ends), or sender and
// the process id of nicsim (imports, then runs every loop).
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "vmmc/vmmc.hpp"

namespace {

constexpr std::size_t kBytes = 4096;
constexpr std::uint32_t kBuffer = 1;
constexpr int kTimes = 4096;
constexpr int kBurst = 64;  // sends that fit nicsim's queue without waiting

void must(int status, const char* what) {
  if (status == VMMC_OK) return;
  std::fprintf(stderr, "%s: %s\n", what, vmmc_last_error());
  std::exit(1);
}

void attach(std::uint32_t process) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.process = process;
  must(vmmc_init(&options), "vmmc_init");
}

int receive() {
  attach(1);
  void* memory = nullptr;
  must(vmmc_alloc(kBytes, &memory), "vmmc_alloc");
  must(vmmc_export(memory, kBytes, kBuffer, nullptr), "vmmc_export");
  char ignored = 0;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  must(vmmc_finalize(), "vmmc_finalize");
  return 0;
}

vmmc::proxy import(std::uint32_t executor) {
  vmmc_import_options options = VMMC_IMPORT_DEFAULTS;
  options.access = VMMC_READ | VMMC_WRITE;
  options.executor = executor;
  auto imported = vmmc::proxy::import({0, 1}, kBuffer, options);
  must(imported ? VMMC_OK : imported.error().value(), "vmmc_import");
  return std::move(imported.value());
}

// A loop of kTimes calls; the function's name is what the report looks for.
#define MEASURED [[gnu::noinline, gnu::used]] void

std::uint64_t failures = 0;
std::uint64_t source[8] = {1, 2, 3, 4, 5, 6, 7, 8};

MEASURED measure_empty_loop() {
  for (int i = 0; i < kTimes; ++i) asm volatile("" : : : "memory");
}

MEASURED measure_host_word_cxx(const vmmc::proxy& to) {
  for (std::uint64_t i = 0; i < kTimes; ++i) {
    if (!to.send(i, 8)) ++failures;
  }
}

MEASURED measure_host_8_c(void* to) {
  for (int i = 0; i < kTimes; ++i) failures += vmmc_send(source, to, 8) != VMMC_OK;
}

MEASURED measure_host_64_c(void* to) {
  for (int i = 0; i < kTimes; ++i) failures += vmmc_send(source, to, 64) != VMMC_OK;
}

MEASURED measure_host_fetch_8(void* from) {
  for (int i = 0; i < kTimes; ++i) failures += vmmc_fetch(source, from, 8) != VMMC_OK;
}

MEASURED measure_host_fetch_add(void* to) {
  std::uint64_t before = 0;
  for (int i = 0; i < kTimes; ++i) failures += vmmc_fetch_add_64(to, 1, &before) != VMMC_OK;
}

MEASURED measure_nic_8_c(void* to) {
  for (int i = 0; i < kBurst; ++i) failures += vmmc_send(source, to, 8) != VMMC_OK;
}

MEASURED measure_wait_hit(const std::uint64_t* word) {
  for (int i = 0; i < kTimes; ++i) {
    failures += vmmc_wait_64(word, VMMC_EQUAL, 1, VMMC_WAIT_ADAPTIVE, VMMC_FOREVER) != VMMC_OK;
  }
}

MEASURED measure_typed_store(vmmc_binding* binding, std::uint64_t* page) {
  for (std::size_t i = 0; i < kBytes / sizeof *page; ++i) {
    failures += vmmc_au_store64(binding, &page[i], i) != VMMC_OK;
  }
}

void measure_typed_stores(const vmmc::proxy& to) {
  void* page = nullptr;
  must(vmmc_alloc(kBytes, &page), "vmmc_alloc");
  vmmc_bind_options options = VMMC_BIND_DEFAULTS;
  options.capture = VMMC_CAPTURE_TYPED;
  options.combining = VMMC_COMBINE_BLOCK;
  vmmc_binding* binding = nullptr;
  must(vmmc_bind(page, to.address(), kBytes, &options, &binding), "vmmc_bind");
  for (int i = 0; i < kTimes / 512; ++i) {
    measure_typed_store(binding, static_cast<std::uint64_t*>(page));
    must(vmmc_fence(), "vmmc_fence");
  }
  must(vmmc_unbind(binding), "vmmc_unbind");
}

// nicsim is stopped meanwhile: the first send rings for it, the others find that somebody has. So
// their number does not depend on who is faster.
void measure_nic_sends(const vmmc::proxy& to, pid_t nicsim) {
  for (int i = 0; i < kTimes / kBurst; ++i) {
    must(vmmc_fence(), "vmmc_fence");
    ::kill(nicsim, SIGSTOP);
    must(vmmc_send(source, to.address(), 8), "vmmc_send");
    measure_nic_8_c(to.address());
    ::kill(nicsim, SIGCONT);
  }
  must(vmmc_fence(), "vmmc_fence");
}

int send(pid_t nicsim) {
  attach(0);
  {
    const vmmc::proxy host = import(VMMC_EXECUTOR_HOST);
    const vmmc::proxy nic = import(VMMC_EXECUTOR_NIC);
    (void)host.send(std::uint64_t{0});  // the first takes possession
    measure_empty_loop();
    measure_host_word_cxx(host);
    measure_host_8_c(host.address());
    measure_host_64_c(host.address());
    measure_host_fetch_8(host.address());
    measure_host_fetch_add(host.address());
    measure_nic_sends(nic, nicsim);
    const std::uint64_t word = 1;
    measure_wait_hit(&word);
    measure_typed_stores(nic);
  }
  must(vmmc_finalize(), "vmmc_finalize");
  if (failures > 0) std::fprintf(stderr, "%llu calls failed\n", (unsigned long long)failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view part = argc > 1 ? argv[1] : "";
  if (part == "receiver" && argc == 2) return receive();
  if (part == "sender" && argc == 3) return send(std::atoi(argv[2]));
  std::fprintf(stderr, "usage: operations receiver | sender NICSIM_PROCESS\n");
  return 2;
}
