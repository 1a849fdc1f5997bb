// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What shared capture is, and where it is refused: S8.15, S8.16, S8.18.

#include "tests/conformance/shared_capture.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "vmmc/vmmc.hpp"

using namespace vmmc::testing;

namespace {

void expect_refused(void* local, void* proxy, const vmmc_bind_options& options,
                    const std::string& words) {
  vmmc_binding* binding = nullptr;
  EXPECT(vmmc_bind(local, proxy, kPage, &options, &binding) == VMMC_ERR_CAPTURE_UNAVAILABLE);
  EXPECT(std::string(vmmc_last_error()).find(words) != std::string::npos);
  EXPECT(binding == nullptr);
}

// By the kernel.
void read_into(unsigned char* memory, const std::string& text) {
  int ends[2];
  EXPECT(::pipe(ends) == 0);
  EXPECT(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  EXPECT(::read(ends[0], memory, text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace

TEST_CASE("S8.15 shared pages are the remote ones: content, stores of any kind, those of others") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(3 * kPage, 1);
                   std::memset(memory + kPage, 0x33, 2 * kPage);
                   part.meet();  // exported
                   part.meet();  // bound
                   word_at(memory, kPage + 8) = 4711;
                   part.meet();
                   part.meet();  // stored
                   EXPECT(word_at<std::uint64_t>(memory, kPage) == 0x123456789abcdef0);
                   EXPECT(word_at<std::uint16_t>(memory, kPage + 101) == 0x1357);
                   EXPECT(std::memcmp(memory + kPage + 200, "from the kernel", 15) == 0);
                   EXPECT(std::count(memory + 2 * kPage, memory + 3 * kPage, 0x77) == kPage);
                   EXPECT(word_at(memory, kPage + 12) == 43);
                   EXPECT(std::count(memory, memory + kPage, 0) == kPage);
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   const Proxy proxy = import_all(1);
                   unsigned char* local = ordinary_pages(2);
                   std::memset(local, 0x5a, 2 * kPage);
                   vmmc_binding* binding = share(local, proxy.address + kPage, 2);
                   EXPECT(vmmc_binding_capture(binding) == VMMC_CAPTURE_SHARED);
                   EXPECT(std::count(local, local + 2 * kPage, 0x33) == 2 * kPage);
                   part.meet();
                   part.meet();
                   EXPECT(word_at(local, 8) == 4711);
                   send_word(42, proxy.address + kPage + 12);
                   EXPECT(vmmc_fence() == VMMC_OK);
                   EXPECT(word_at(local, 12) == 42);
                   const std::uint64_t before = automatic_updates();
                   word_at<std::uint64_t>(local, 0) = 0x123456789abcdef0;
                   word_at<std::uint16_t>(local, 101) = 0x1357;
                   read_into(local + 200, "from the kernel");
                   std::memset(local + kPage, 0x77, kPage);
                   __atomic_fetch_add(reinterpret_cast<std::uint32_t*>(local + 12), 1,
                                      __ATOMIC_SEQ_CST);
                   EXPECT(automatic_updates() == before);
                   part.meet();
                   part.meet();
                   EXPECT(vmmc_unbind(binding) == VMMC_OK);
                 }});
}

TEST_CASE("S8.15 stores to shared pages are seen in their order, by several senders' receivers") {
  constexpr std::uint32_t kStores = 200'000;
  NicsimProcess nicsim;
  const auto sender = [](Part& part) {
    attach();
    part.meet();
    const Proxy proxy = import_all(1);
    unsigned char* local = ordinary_pages(1);
    vmmc_binding* binding = share(local, proxy.address, 1);
    const std::size_t place = 1024 * part.number();
    for (std::uint32_t n = 1; n <= kStores; ++n) {
      __atomic_store_n(reinterpret_cast<std::uint32_t*>(local + place), n, __ATOMIC_RELEASE);
      __atomic_store_n(reinterpret_cast<std::uint32_t*>(local + place + 512), n, __ATOMIC_RELEASE);
    }
    EXPECT(vmmc_unbind(binding) == VMMC_OK);
    part.meet();
  };
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           part.meet();
                           for (const std::size_t place : {1024, 2048}) {
                             std::uint32_t last = 0;
                             while (last < kStores) {
                               const std::uint32_t second = look(memory + place + 512);
                               const std::uint32_t first = look(memory + place);
                               EXPECT(first >= second);
                               EXPECT(second >= last);
                               last = second;
                               ::sched_yield();
                             }
                           }
                           part.meet();
                         },
                         sender, sender});
}

TEST_CASE(
    "S8.15 S11.9 what is sent from shared pages, or fetched to them, may overlap where it goes") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(3 * kPage, 1);
                           for (std::size_t i = 0; i < kPage; ++i) memory[i] = i % 251;
                           part.meet();  // exported
                           part.meet();  // sent
                           for (std::size_t i = 0; i < 3000; ++i) {
                             EXPECT(memory[8 + i] == i % 251);
                           }
                           part.meet();
                           part.meet();  // fetched
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_all(1);
                           unsigned char* local = ordinary_pages(1);
                           vmmc_binding* binding = share(local, proxy.address, 1);
                           EXPECT(vmmc_send(local, proxy.address + 8, 3000) == VMMC_OK);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           part.meet();
                           part.meet();
                           std::vector<unsigned char> then(local, local + kPage);
                           EXPECT(vmmc_fetch(local + 16, proxy.address, 2000) == VMMC_OK);
                           EXPECT(std::memcmp(local + 16, then.data(), 2000) == 0);
                           EXPECT(vmmc_unbind(binding) == VMMC_OK);
                           part.meet();
                         }});
}

TEST_CASE("S8.15 au_ref and au_span work through shared pages") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           part.meet();
                           await(memory + 4, 9);
                           EXPECT(word_at(memory, 0) == 8);
                           EXPECT(word_at(memory, 400) == 101);
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           vmmc_import_options rights = vmmc::import_defaults;
                           rights.access = VMMC_READ | VMMC_WRITE;
                           rights.executor = VMMC_EXECUTOR_HOST;
                           auto remote = vmmc::proxy::import(identity_of(0), 1, rights).value();
                           unsigned char* local = ordinary_pages(1);
                           vmmc_bind_options options = vmmc::bind_defaults;
                           options.capture = VMMC_CAPTURE_SHARED;
                           auto bound =
                               vmmc::binding::bind({reinterpret_cast<std::byte*>(local), kPage},
                                                   remote, 0, options)
                                   .value();
                           EXPECT(bound.capture().value() == VMMC_CAPTURE_SHARED);
                           const auto words = bound.as<std::uint32_t>().value();
                           const std::vector<std::uint32_t> hundred(100, 101);
                           EXPECT(words.copy_from(hundred, 4));
                           words[0] = 8;
                           words[1] = 9;
                           EXPECT(words[1] == 9u);
                           part.meet();
                         }});
}

TEST_CASE("S8.16 where shared capture is refused, with a sentence; then nothing has changed") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part& part) {
                 attach();
                 export_new(kPage, 1);
                 vmmc_export_options nic_only = VMMC_EXPORT_DEFAULTS;
                 nic_only.executor = VMMC_EXECUTOR_NIC;
                 EXPECT(vmmc_export(allocate(kPage), kPage, 2, &nic_only) == VMMC_OK);
                 part.meet();
                 part.meet();
               },
               [](Part& part) {
                 attach();
                 part.meet();
                 const vmmc_bind_options options =
                     bind_options(VMMC_CAPTURE_SHARED, VMMC_COMBINE_TIMER);
                 vmmc_bind_options notifying = options;
                 notifying.notify = 1;
                 constexpr std::uint32_t kBoth = VMMC_READ | VMMC_WRITE;
                 void* const good = import_all(1).address;
                 unsigned char* local = ordinary_pages(1);
                 std::memset(local, 0x11, kPage);
                 expect_refused(local, good, notifying, "cannot notify");
                 expect_refused(local, import_all(2, kBoth, VMMC_EXECUTOR_AUTO).address, options,
                                "host executor");
                 expect_refused(local, import_all(1, kBoth, VMMC_EXECUTOR_NIC).address, options,
                                "host executor");
                 expect_refused(local, import_from(0, 1).address, options, "VMMC_READ");
                 expect_refused(allocate(kPage), good, options, "vmmc_alloc");
                 EXPECT(vmmc_export(local, kPage, 5, nullptr) == VMMC_OK);
                 expect_refused(local, good, options, "exported");
                 EXPECT(vmmc_unexport(5) == VMMC_OK);
                 EXPECT(std::count(local, local + kPage, 0x11) == kPage);
                 vmmc_binding* binding = nullptr;
                 void* foreign = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
                 EXPECT(vmmc_bind(foreign, good, kPage, &options, &binding) == VMMC_ERR_BAD_MEMORY);
                 binding = bind(local, good, kPage, options);
                 EXPECT(vmmc_export(local, kPage, 5, nullptr) == VMMC_ERR_BAD_MEMORY);
                 EXPECT(vmmc_bind(local, good, kPage, nullptr, &binding) == VMMC_ERR_ALREADY_BOUND);
                 EXPECT(vmmc_unbind(binding) == VMMC_OK);
                 EXPECT(vmmc_export(local, kPage, 5, nullptr) == VMMC_OK);
                 part.meet();
               }});
}

TEST_CASE("S8.18 a sleeper is woken by flush, fence, unbind and typed stores") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part& part) {
                 attach();
                 unsigned char* memory = export_new(kPage, 1);
                 part.meet();
                 for (std::uint32_t step = 1; step <= 4; ++step) {
                   part.value(0).store(step);
                   EXPECT(vmmc_wait_32(reinterpret_cast<std::uint32_t*>(memory + 40), VMMC_EQUAL,
                                       step, VMMC_WAIT_BLOCK, kPatience) == VMMC_OK);
                 }
                 part.meet();
               },
               [](Part& part) {
                 attach();
                 part.meet();
                 const Proxy proxy = import_all(1);
                 unsigned char* local = ordinary_pages(1);
                 vmmc_binding* binding = share(local, proxy.address, 1);
                 const auto until_it_sleeps = [&](std::uint32_t step) {
                   while (part.value(0).load() != step) ::sched_yield();
                   ::usleep(20'000);
                 };
                 until_it_sleeps(1);
                 word_at(local, 40) = 1;
                 EXPECT(vmmc_flush() == VMMC_OK);
                 until_it_sleeps(2);
                 word_at(local, 40) = 2;
                 EXPECT(vmmc_fence() == VMMC_OK);
                 until_it_sleeps(3);
                 EXPECT(vmmc_au_store32(binding, reinterpret_cast<std::uint32_t*>(local + 40), 3) ==
                        VMMC_OK);
                 until_it_sleeps(4);
                 word_at(local, 40) = 4;
                 EXPECT(vmmc_unbind(binding) == VMMC_OK);
                 part.meet();
               }});
}
