// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How shared bindings end, and those who have them: S8.17.

#include <doctest/doctest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "tests/conformance/shared_capture.h"
#include "tests/support/faults/failing_system_calls.h"

using namespace vmmc::testing;

namespace {

void fill_with_new_content(unsigned char* local) {
  std::memset(local, 0x5a, kPage);
  std::memset(local + kPage, 0xa5, kPage);
}

// Until nicsim has said how the import ended.
void await_end(unsigned char* proxy, int status) {
  unsigned char* other = ordinary_pages(1);
  const vmmc_bind_options options = bind_options(VMMC_CAPTURE_TYPED, VMMC_COMBINE_SINGLE);
  vmmc_binding* binding = nullptr;
  int bound = VMMC_OK;
  while ((bound = vmmc_bind(other, proxy, kPage, &options, &binding)) == VMMC_OK) {
    EXPECT(vmmc_unbind(binding) == VMMC_OK);
    ::usleep(1000);
  }
  EXPECT(bound == status);
}

}  // namespace
TEST_CASE("S8.17 unbind and unimport leave private pages with the content shown last") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         unsigned char* memory = export_new(2 * kPage, 1);
         for (int round = 0; round < 2; ++round) {
           std::memset(memory, 0x21, 2 * kPage);
           part.meet();
           part.meet();  // ended
           EXPECT(word_at(memory, 0) == 1);
           std::memset(memory, 0x22, 2 * kPage);
           part.meet();
           part.meet();  // stored locally
           EXPECT(std::count(memory, memory + 2 * kPage, 0x22) == 2 * kPage);
           part.meet();
         }
       },
       [](Part& part) {
         attach();
         unsigned char* local = ordinary_pages(2);
         for (const bool by_unimport : {false, true}) {
           part.meet();
           const Proxy proxy = import_all(1);
           vmmc_binding* binding = share(local, proxy.address, 2);
           word_at(local, 0) = 1;
           EXPECT((by_unimport ? vmmc_unimport(proxy.address) : vmmc_unbind(binding)) == VMMC_OK);
           part.meet();
           part.meet();
           EXPECT(word_at(local, 0) == 1);
           EXPECT(std::count(local, local + 2 * kPage, 0x21) == 2 * kPage - 4);
           fill_with_new_content(local);
           if (by_unimport) {
             EXPECT(vmmc_au_store32(binding, reinterpret_cast<std::uint32_t*>(local), 7) ==
                    VMMC_OK);
             EXPECT(vmmc_fence() != VMMC_OK);
             EXPECT(vmmc_fence() == VMMC_OK);
             EXPECT(word_at(local, 0) == 7);
             EXPECT(vmmc_unbind(binding) == VMMC_OK);
           }
           EXPECT(vmmc_unbind(binding) == VMMC_ERR_BAD_HANDLE);
           part.meet();
           part.meet();
         }
       }});
}

TEST_CASE("S8.17 after an unexport the pages keep the content; fence says so once") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           part.meet();
                           part.meet();  // bound
                           EXPECT(vmmc_unexport(1) == VMMC_OK);
                           EXPECT(word_at(memory, 8) == 5);
                           EXPECT(vmmc_export(memory, kPage, 2, nullptr) == VMMC_OK);
                           part.meet();
                           part.meet();  // stored
                           EXPECT(word_at(memory, 8) == 5);
                           word_at(memory, 8) = 12;
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           vmmc_binding* binding = share(local, proxy.address, 1);
                           word_at(local, 8) = 5;
                           part.meet();
                           part.meet();
                           EXPECT(word_at(local, 8) == 5);
                           word_at(local, 8) = 6;
                           EXPECT(vmmc_fence() == VMMC_ERR_UNEXPORTED);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           word_at(local, 8) = 7;
                           EXPECT(vmmc_fence() == VMMC_OK);
                           part.meet();
                           part.meet();
                           EXPECT(word_at(local, 8) == 7);
                           EXPECT(vmmc_unbind(binding) == VMMC_OK);
                           EXPECT(word_at(local, 8) == 7);
                         }});
}

TEST_CASE("S8.17 the exporter is killed: the pages stay, the fence after unbind says so once") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           word_at(export_new(kPage, 1), 8) = 3;
                           part.meet();
                           part.meet();
                           part.die();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           vmmc_binding* binding = share(local, proxy.address, 1);
                           part.meet();
                           await_end(proxy.address, VMMC_ERR_PEER_DEAD);
                           EXPECT(word_at(local, 8) == 3);
                           word_at(local, 8) = 4;
                           EXPECT(vmmc_unbind(binding) == VMMC_OK);
                           EXPECT(word_at(local, 8) == 4);
                           EXPECT(vmmc_fence() == VMMC_ERR_PEER_DEAD);
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("S8.17 a forked child has private pages, and its parent is not disturbed") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           part.meet();
                           part.meet();
                           EXPECT(word_at(memory, 0) == 1);
                           EXPECT(word_at(memory, 4) == 3);
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           vmmc_binding* binding = share(local, proxy.address, 1);
                           word_at(local, 0) = 1;
                           const pid_t child = ::fork();
                           if (child == 0) {
                             const bool shown = word_at(local, 0) == 1;
                             word_at(local, 0) = 2;
                             const bool refused =
                                 vmmc_au_store32(binding, reinterpret_cast<std::uint32_t*>(local),
                                                 2) == VMMC_ERR_FORKED;
                             ::_exit(shown && refused && word_at(local, 0) == 2 ? 0 : 1);
                           }
                           int status = -1;
                           EXPECT(::waitpid(child, &status, 0) == child);
                           EXPECT(status == 0);
                           EXPECT(word_at(local, 0) == 1);
                           word_at(local, 4) = 3;
                           part.meet();
                           part.meet();
                         }});
}

TEST_CASE("S8.17 after finalize the pages are private; a binder that is killed disturbs nobody") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           part.meet();
                           part.meet();
                           EXPECT(word_at(memory, 0) == 1);
                           EXPECT(word_at(memory, 4) == 2);
                           EXPECT(vmmc_unexport(1) == VMMC_OK);
                           EXPECT(word_at(memory, 4) == 2);
                           word_at(memory, 4) = 3;
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           share(local, proxy.address, 1);
                           word_at(local, 0) = 1;
                           EXPECT(vmmc_finalize() == VMMC_OK);
                           word_at(local, 0) = 9;
                           EXPECT(word_at(local, 0) == 9);
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           share(local, proxy.address, 1);
                           word_at(local, 4) = 2;
                           part.meet();
                           part.die();
                         }});
}

TEST_CASE("S8.17 bind and unbind while another thread loads and stores") {
  constexpr int kRounds = 300;
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           for (int round = 0; round < kRounds; ++round) {
                             part.meet();
                             part.meet();
                             const std::uint32_t last = look(memory + 64);
                             EXPECT(last >= part.value(0).load());
                             part.meet();
                             EXPECT(look(memory + 64) == last);
                           }
                         },
                         [](Part& part) {
                           attach();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           std::atomic<bool> over{false};
                           std::thread storing([&] {
                             for (std::uint32_t n = 1; !over.load(); ++n) word_at(local, 64) = n;
                           });
                           for (int round = 0; round < kRounds; ++round) {
                             part.meet();
                             vmmc_binding* binding = share(local, proxy.address, 1);
                             const std::uint32_t at_first = look(local + 64);
                             while (look(local + 64) - at_first < 5) ::sched_yield();
                             part.value(0).store(look(local + 64));
                             EXPECT(vmmc_unbind(binding) == VMMC_OK);
                             part.meet();
                             const std::uint32_t unbound = look(local + 64);
                             while (look(local + 64) == unbound) ::sched_yield();
                             part.meet();
                           }
                           over.store(true);
                           storing.join();
                         }});
}

TEST_CASE("S8.17 an unimport or unbind for which there is no memory changes nothing") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(kPage, 1);
                   part.meet();
                   part.meet();
                   EXPECT(look(memory) == part.value(0).load());
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   for (const bool by_unimport : {false, true}) {
                     const Proxy proxy = import_all(1);
                     unsigned char* local = ordinary_pages(1);
                     vmmc_binding* binding = share(local, proxy.address, 1);
                     int failures = 0;
                     for (unsigned n = 1;; ++n) {
                       word_at(local, 0) = n;
                       part.value(0).store(n);
                       const vmmc::tests::FailingSystemCalls faults(n, ENOMEM);
                       const int status =
                           by_unimport ? vmmc_unimport(proxy.address) : vmmc_unbind(binding);
                       if (status == VMMC_OK) break;
                       EXPECT(status == VMMC_ERR_SYSTEM || status == VMMC_ERR_OUT_OF_MEMORY);
                       std::uint32_t seen = 0;
                       EXPECT(vmmc_fetch(&seen, proxy.address, sizeof seen) == VMMC_OK);
                       EXPECT(seen == n);
                       ++failures;
                     }
                     EXPECT(failures >= 2);
                     word_at(local, 0) = 0;
                     if (by_unimport) EXPECT(vmmc_unbind(binding) == VMMC_OK);
                   }
                   part.meet();
                   part.meet();
                 }});
}

TEST_CASE("S8.17 when nicsim has gone the pages are the remote ones until unbind") {
  NicsimProcess nicsim;
  const auto gone = [] {
    while (vmmc_fence() != VMMC_ERR_NICSIM_GONE) ::usleep(1000);
  };
  run_processes(nicsim, {[&](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           part.meet();
                           part.meet();
                           ::kill(nicsim.pid(), SIGKILL);
                           gone();
                           part.meet();
                           EXPECT(word_at(memory, 0) == 1);
                           part.meet();
                         },
                         [&](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           vmmc_binding* binding = share(local, proxy.address, 1);
                           part.meet();
                           gone();
                           word_at(local, 0) = 1;
                           EXPECT(vmmc_unbind(binding) == VMMC_OK);
                           word_at(local, 0) = 2;
                           part.meet();
                           part.meet();
                         }});
}
