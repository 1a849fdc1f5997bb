// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "tests/conformance/conformance.h"

using namespace vmmc::testing;

TEST_CASE("S3.1 an import waits for the export") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           part.meet();
                           ::usleep(50'000);
                           attach();
                           ::usleep(50'000);
                           part.value(0) = 1;
                           await(export_new(64, 9), 5);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           Proxy proxy = import_from(0, 9);
                           EXPECT(part.value(0) == 1);
                           send_word(5, proxy.address);
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("S3.2 the started form returns at once") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   part.meet();
                   await(export_new(64, 9), 5);
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   vmmc_import_request request = 0;
                   vmmc_import_request withdrawn = 0;
                   void* proxy = nullptr;
                   std::size_t length = 0;
                   EXPECT(vmmc_import_start(identity_of(0), 9, nullptr, &request) == VMMC_OK);
                   EXPECT(vmmc_import_start(identity_of(0), 10, nullptr, &withdrawn) == VMMC_OK);
                   EXPECT(vmmc_import_test(request, &proxy, &length) == VMMC_PENDING);
                   EXPECT(vmmc_import_cancel(withdrawn) == VMMC_OK);
                   EXPECT(vmmc_import_test(withdrawn, &proxy, &length) == VMMC_ERR_BAD_HANDLE);
                   part.meet();
                   int status = VMMC_PENDING;
                   while (status == VMMC_PENDING)
                     status = vmmc_import_test(request, &proxy, &length);
                   EXPECT(status == VMMC_OK);
                   EXPECT(length == buffer_length(64));
                   send_word(5, static_cast<unsigned char*>(proxy));
                   EXPECT(vmmc_import_test(request, &proxy, &length) == VMMC_ERR_BAD_HANDLE);
                   EXPECT(vmmc_import_test(123456789, &proxy, &length) == VMMC_ERR_BAD_HANDLE);
                   part.meet();
                 }});
}

TEST_CASE("S3.3 S3.4 S3.5 sizes, offsets and distinct proxies") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           auto* memory = static_cast<unsigned char*>(allocate(3 * 4096));
                           EXPECT(vmmc_export(memory + 400, 5000, 1, nullptr) == VMMC_OK);
                           EXPECT(vmmc_export(memory + 8000, 4, 2, nullptr) == VMMC_OK);
                           part.meet();
                           await(memory + 8000, 1);
                           EXPECT(look(memory + 400) == 10);
                           EXPECT(look(memory + 400 + 3696) == 11);
                           EXPECT(look(memory + 400 + 4996) == 12);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           // The host executor serves no such buffers.
                           Proxy first = import_by(VMMC_EXECUTOR_NIC, 0, 1);
                           Proxy second = import_by(VMMC_EXECUTOR_NIC, 0, 2);
                           Proxy again = import_by(VMMC_EXECUTOR_NIC, 0, 1);
                           EXPECT(first.length == 5000);
                           EXPECT(second.length == 4);
                           EXPECT(reinterpret_cast<std::uintptr_t>(first.address) % 4096 == 400);
                           const auto apart = [](const Proxy& a, const Proxy& b) {
                             return a.address + a.length <= b.address ||
                                    b.address + b.length <= a.address;
                           };
                           EXPECT(apart(first, second));
                           EXPECT(apart(first, again));
                           send_word(10, first.address);
                           send_word(11, again.address + 3696);
                           send_word(12, first.address + 4996);
                           send_word(1, second.address);
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("S3.6 exporter and importer may be on one node, and one process") {
  NicsimProcess nicsim({"--nodes", "1"});
  run_processes(nicsim, {[](Part&) {
                  vmmc_init_options options = VMMC_INIT_DEFAULTS;
                  options.node = 0;
                  EXPECT(vmmc_init(&options) == VMMC_OK);
                  unsigned char* memory = export_new(64, 1);
                  void* proxy = nullptr;
                  EXPECT(vmmc_import(vmmc_self(), 1, nullptr, &proxy, nullptr) == VMMC_OK);
                  send_word(3, static_cast<unsigned char*>(proxy));
                  await(memory, 3);
                }});
}

TEST_CASE("S3.7 an import without the write right cannot be sent to") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(64, 1);
                  const vmmc_import_options options{VMMC_READ, VMMC_EXECUTOR_AUTO, 0};
                  void* proxy = nullptr;
                  EXPECT(vmmc_import(vmmc_self(), 1, &options, &proxy, nullptr) == VMMC_OK);
                  EXPECT(vmmc_send(memory, proxy, 4) == VMMC_ERR_NOT_WRITABLE);
                  EXPECT(import_status(vmmc_self(), 1, 0, 0) == VMMC_ERR_INVALID_RIGHTS);
                  EXPECT(vmmc_export(allocate(4096), 64, 2, nullptr) == VMMC_OK);
                  const vmmc_import_options host{VMMC_WRITE, VMMC_EXECUTOR_HOST, 0};
                  EXPECT(vmmc_import(vmmc_self(), 2, &host, &proxy, nullptr) ==
                         VMMC_ERR_EXECUTOR_UNAVAILABLE);
                }});
}

TEST_CASE("S3.8 a proxy cannot be dereferenced") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  export_new(64, 1);
                  Proxy proxy = import_from(0, 1);
                  const pid_t child = ::fork();
                  if (child == 0) {
                    ::signal(SIGSEGV, [](int) { ::_exit(42); });
                    volatile unsigned char* address = proxy.address;
                    (void)*address;
                    ::_exit(0);
                  }
                  int status = 0;
                  EXPECT(::waitpid(child, &status, 0) == child);
                  EXPECT(WIFEXITED(status));
                  EXPECT(WEXITSTATUS(status) == 42);
                }});
}

TEST_CASE("S3.9 an import ends at its timeout and is withdrawn then") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  EXPECT(import_status(vmmc_self(), 1, VMMC_WRITE, 0) == VMMC_ERR_TIMEOUT);
                  EXPECT(import_status({1, 55}, 1, VMMC_WRITE, kSecond / 50) == VMMC_ERR_TIMEOUT);
                  EXPECT(std::string(vmmc_last_error()).find("55") != std::string::npos);
                  EXPECT(import_status({4, 0}, 1, VMMC_WRITE, 0) == VMMC_ERR_NO_SUCH_NODE);
                  export_new(64, 1);
                  EXPECT(import_status(vmmc_self(), 1, VMMC_WRITE, 0) == VMMC_OK);
                }});
}

TEST_CASE("S3.10 after unimport the proxy is none") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(64, 1);
                  Proxy proxy = import_from(0, 1);
                  send_word(1, proxy.address);
                  EXPECT(vmmc_unimport(proxy.address + 4) == VMMC_ERR_UNKNOWN_IMPORT);
                  EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
                  EXPECT(look(memory) == 1);
                  const std::uint32_t word = 2;
                  EXPECT(vmmc_send(&word, proxy.address, 4) == VMMC_ERR_OUTSIDE_PROXY);
                  EXPECT(vmmc_unimport(proxy.address) == VMMC_ERR_UNKNOWN_IMPORT);
                  EXPECT(look(memory) == 1);
                }});
}
