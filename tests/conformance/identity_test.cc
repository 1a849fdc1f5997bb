// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/conformance/conformance.h"

using namespace vmmc::testing;

TEST_CASE("S1.1 a process is named by node and process id") {
  NicsimProcess nicsim;
  const auto part = [](Part& self) {
    attach();
    EXPECT(vmmc_self().node == self.number() % 4);
    EXPECT(vmmc_self().process == self.number());
    EXPECT(vmmc_rank() == self.number());
    EXPECT(vmmc_size() == 3);
    EXPECT(identity_of(self.number()).node == vmmc_self().node);
    EXPECT(identity_of(self.number()).process == vmmc_self().process);
    vmmc_identity identity;
    EXPECT(vmmc_identity_of_rank(3, &identity) == VMMC_ERR_NO_JOB);
  };
  run_processes(nicsim, {part, part, part});
}

TEST_CASE("S1.2 page and word") {
  CHECK(vmmc_page_size() == 4096);
  CHECK(vmmc_word_size() == 4);
}

TEST_CASE("S1.3 nodes and process ids") {
  NicsimProcess nicsim({"--nodes", "2x3"});
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           EXPECT(vmmc_nodes() == 6);
                           part.meet();
                           part.meet();
                         },
                         [](Part& part) {
                           part.meet();
                           vmmc_init_options options = VMMC_INIT_DEFAULTS;
                           options.node = 6;
                           EXPECT(vmmc_init(&options) == VMMC_ERR_NO_SUCH_NODE);
                           options.node = 5;
                           options.process = 0;
                           EXPECT(vmmc_init(&options) == VMMC_ERR_PROCESS_ID_IN_USE);
                           options.process = 17;
                           EXPECT(vmmc_init(&options) == VMMC_OK);
                           EXPECT(vmmc_self().node == 5);
                           EXPECT(vmmc_self().process == 17);
                           part.meet();
                         }});
}

TEST_CASE("S1.4 attached from init to finalize, and again") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        const std::uint32_t word = 0;
        const auto refused_everywhere = [&] {
          void* pointer = nullptr;
          EXPECT(vmmc_send(&word, &pointer, 4) == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_alloc(4096, &pointer) == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_export(&pointer, 8, 1, nullptr) == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_unexport(1) == VMMC_ERR_NOT_ATTACHED);
          EXPECT(import_status({0, 0}, 1, VMMC_WRITE, 0) == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_unimport(&pointer) == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_fence() == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_finalize() == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_wait_32(&word, VMMC_EQUAL, 0, VMMC_WAIT_SPIN, 0) == VMMC_ERR_NOT_ATTACHED);
          EXPECT(vmmc_self().node == VMMC_ANY);
          EXPECT(vmmc_nodes() == 0);
        };
        refused_everywhere();
        for (int round = 0; round < 3; ++round) {
          attach();
          EXPECT(vmmc_init(nullptr) == VMMC_ERR_ALREADY_ATTACHED);
          EXPECT(vmmc_finalize() == VMMC_OK);
          refused_everywhere();
        }
      }});
}

// ThreadSanitizer bears no threads in a child of a program that had some when it forked.
#if defined(__SANITIZE_THREAD__)
constexpr bool kForksBearThreads = false;
#else
constexpr bool kForksBearThreads = true;
#endif

TEST_CASE("S1.5 a forked child is not attached, owns private copies, and may attach itself" *
          doctest::skip(!kForksBearThreads || needs_real_time())) {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* exported = export_new(4096, 1);
                  auto* ordinary = static_cast<unsigned char*>(std::malloc(100000));
                  std::memset(ordinary, 5, 100000);
                  EXPECT(vmmc_export(ordinary, 100000, 2, nullptr) == VMMC_OK);
                  Proxy proxy = import_from(0, 1);
                  exported[0] = 7;
                  const pid_t child = ::fork();
                  if (child == 0) {
                    std::uint32_t word = 9;
                    EXPECT(vmmc_send(&word, proxy.address, 4) == VMMC_ERR_FORKED);
                    EXPECT(vmmc_fence() == VMMC_ERR_FORKED);
                    EXPECT(exported[0] == 7);
                    EXPECT(ordinary[99999] == 5);
                    exported[0] = 8;
                    ordinary[99999] = 6;
                    vmmc_init_options options = VMMC_INIT_DEFAULTS;
                    options.process = 1000;
                    EXPECT(vmmc_init(&options) == VMMC_OK);
                    void* own = nullptr;
                    EXPECT(vmmc_import({0, 0}, 1, nullptr, &own, nullptr) == VMMC_OK);
                    EXPECT(vmmc_send(&word, static_cast<unsigned char*>(own) + 8, 4) == VMMC_OK);
                    EXPECT(vmmc_finalize() == VMMC_OK);
                    ::_exit(0);
                  }
                  int status = 1;
                  EXPECT(::waitpid(child, &status, 0) == child);
                  EXPECT(status == 0);
                  EXPECT(exported[0] == 7);
                  EXPECT(ordinary[99999] == 5);
                  await(exported + 8, 9);
                  send_word(3, proxy.address);
                  await(exported, 3);
                }});
}
