// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

std::uint32_t global_buffer[4000] = {1, 2, 3};

int export_status(void* address, std::size_t length, std::uint32_t id) {
  return vmmc_export(address, length, id, nullptr);
}

}  // namespace

TEST_CASE("S2.1 S2.2 a buffer is a region named by an id of its process") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* mine = export_new(64, 4000000000u);
                           part.meet();
                           await(mine, 11);
                         },
                         [](Part& part) {
                           attach();
                           unsigned char* mine = export_new(64, 4000000000u);
                           EXPECT(export_status(mine + 4, 4, 4000000000u) == VMMC_ERR_DUPLICATE_ID);
                           part.meet();
                           await(mine, 12);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           send_word(11, import_from(0, 4000000000u).address);
                           send_word(12, import_from(1, 4000000000u).address);
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("S2.3 buffers do not overlap, but may touch inside a page") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  auto* memory = static_cast<unsigned char*>(allocate(16384));
                  EXPECT(export_status(memory + 100, 100, 1) == VMMC_OK);
                  EXPECT(export_status(memory + 200, 8000, 2) == VMMC_OK);
                  EXPECT(export_status(memory + 96, 8, 3) == VMMC_ERR_OVERLAP);
                  EXPECT(export_status(memory + 120, 4, 3) == VMMC_ERR_OVERLAP);
                  EXPECT(export_status(memory, 16384, 3) == VMMC_ERR_OVERLAP);
                  EXPECT(export_status(memory + 96, 4, 3) == VMMC_OK);
                  Proxy first = import_from(0, 1);
                  Proxy second = import_from(0, 2);
                  send_word(1, first.address + 96);
                  send_word(2, second.address);
                  await(memory + 196, 1);
                  await(memory + 200, 2);
                }});
}

TEST_CASE("S2.4 a buffer starts at a word and has any length") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  auto* memory = static_cast<unsigned char*>(allocate(8192));
                  EXPECT(export_status(memory + 2, 8, 1) == VMMC_ERR_MISALIGNED);
                  EXPECT(export_status(memory + 4, 0, 1) == VMMC_ERR_ZERO_LENGTH);
                  EXPECT(export_status(memory + 4, SIZE_MAX - 16, 1) == VMMC_ERR_LENGTH_OVERFLOW);
                  EXPECT(export_status(memory + 4, 4097, 1) == VMMC_OK);
                  Proxy proxy = import_from(0, 1);
                  EXPECT(proxy.length == 4097);
                  const unsigned char byte = 77;
                  EXPECT(vmmc_send(&byte, proxy.address + 4096, 1) == VMMC_OK);
                  EXPECT(vmmc_send(&byte, proxy.address + 4097, 1) == VMMC_ERR_OUTSIDE_PROXY);
                  EXPECT(vmmc_fence() == VMMC_OK);
                  EXPECT(memory[4100] == 77);
                  EXPECT(memory[4101] == 0);
                }});
}

TEST_CASE(
    "S2.5 heap, globals and mappings can be exported; their content and concurrent stores "
    "survive") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  auto* heap = static_cast<std::uint32_t*>(std::malloc(300000));
                  for (int i = 0; i < 75000; ++i) heap[i] = i;
                  std::atomic<bool> stop{false};
                  std::uint32_t stores = 0;
                  std::atomic_ref<std::uint32_t> counter(heap[40000]);
                  counter = 0;
                  std::thread writer([&] {
                    while (!stop) {
                      counter.fetch_add(1);
                      ++stores;
                    }
                  });
                  EXPECT(export_status(heap + 1, 299996, 1) == VMMC_OK);
                  EXPECT(export_status(global_buffer, sizeof global_buffer, 2) == VMMC_OK);
                  void* mapped = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                  EXPECT(export_status(mapped, 8192, 3) == VMMC_OK);
                  for (std::uint32_t id = 1; id <= 3; ++id) {
                    Proxy proxy = import_from(0, id);
                    send_word(1000 + id, proxy.address + 4);
                  }
                  EXPECT(vmmc_fence() == VMMC_OK);
                  EXPECT(vmmc_unexport(1) == VMMC_OK);
                  stop = true;
                  writer.join();
                  EXPECT(counter == stores);
                  EXPECT(heap[2] == 1001);
                  EXPECT(heap[3] == 3);
                  EXPECT(heap[74999] == 74999);
                  EXPECT(global_buffer[0] == 1);
                  EXPECT(global_buffer[1] == 1002);
                  EXPECT(static_cast<std::uint32_t*>(mapped)[1] == 1003);
                }});
}

TEST_CASE("S2.5 what is not private readable and writable memory is refused") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        std::uint32_t on_stack[16] = {};
        EXPECT(export_status(on_stack, sizeof on_stack, 1) == VMMC_ERR_BAD_MEMORY);
        EXPECT(export_status(reinterpret_cast<void*>(4096), 4096, 1) == VMMC_ERR_BAD_MEMORY);
        EXPECT(export_status(nullptr, 4096, 1) < 0);
        void* shared =
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        EXPECT(export_status(shared, 4096, 1) == VMMC_ERR_BAD_MEMORY);
        void* read_only = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(export_status(read_only, 4096, 1) == VMMC_ERR_BAD_MEMORY);
        void* hole =
            ::mmap(nullptr, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ::munmap(static_cast<char*>(hole) + 4096, 4096);
        EXPECT(export_status(hole, 12288, 1) == VMMC_ERR_BAD_MEMORY);
      }});
}

TEST_CASE("S2.6 neighbours on the first and last page cannot be reached") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  auto* memory = static_cast<unsigned char*>(allocate(8192));
                  std::memset(memory, 1, 8192);
                  EXPECT(export_status(memory + 100, 4096, 1) == VMMC_OK);
                  Proxy proxy = import_from(0, 1);
                  const std::vector<unsigned char> twos(8192, 2);
                  EXPECT(vmmc_send(twos.data(), proxy.address - 1, 1) == VMMC_ERR_OUTSIDE_PROXY);
                  EXPECT(vmmc_send(twos.data(), proxy.address - 1, 2) == VMMC_ERR_OUTSIDE_PROXY);
                  EXPECT(vmmc_send(twos.data(), proxy.address, 4097) == VMMC_ERR_OUTSIDE_PROXY);
                  EXPECT(vmmc_send(twos.data(), proxy.address, 4096) == VMMC_OK);
                  EXPECT(vmmc_fence() == VMMC_OK);
                  for (int i = 0; i < 8192; ++i) {
                    EXPECT(memory[i] == (i >= 100 && i < 4196 ? 2 : 1));
                  }
                }});
}

TEST_CASE("S2.7 the exporter says who may import, and for what") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         auto* memory = static_cast<unsigned char*>(allocate(4096));
         const auto export_for = [&](std::uint32_t id, vmmc_export_options options) {
           EXPECT(vmmc_export(memory + 64 * id, 64, id, &options) == VMMC_OK);
         };
         const vmmc_export_options all = VMMC_EXPORT_DEFAULTS;
         auto options = all;
         options.node = 1;
         export_for(1, options);
         options = all;
         options.process = 2;
         export_for(2, options);
         options = all;
         options.user = ::getuid() + 1;
         export_for(3, options);
         options = all;
         options.access = VMMC_READ;
         export_for(4, options);
         options.access = 0;
         EXPECT(vmmc_export(memory, 4, 5, &options) == VMMC_ERR_INVALID_RIGHTS);
         options.access = 8;
         EXPECT(vmmc_export(memory, 4, 5, &options) == VMMC_ERR_INVALID_RIGHTS);
         part.meet();
         part.meet();
       },
       [](Part& part) {
         attach();
         part.meet();
         EXPECT(import_status(identity_of(0), 1, VMMC_WRITE, 0) == VMMC_OK);
         EXPECT(import_status(identity_of(0), 2, VMMC_WRITE, 0) == VMMC_ERR_PERMISSION_DENIED);
         EXPECT(import_status(identity_of(0), 3, VMMC_WRITE, 0) == VMMC_ERR_PERMISSION_DENIED);
         EXPECT(import_status(identity_of(0), 4, VMMC_WRITE, 0) == VMMC_ERR_PERMISSION_DENIED);
         EXPECT(import_status(identity_of(0), 4, VMMC_READ, 0) == VMMC_OK);
         part.meet();
       },
       [](Part& part) {
         attach();
         part.meet();
         EXPECT(import_status(identity_of(0), 1, VMMC_WRITE, 0) == VMMC_ERR_PERMISSION_DENIED);
         EXPECT(import_status(identity_of(0), 2, VMMC_WRITE, 0) == VMMC_OK);
         part.meet();
       }});
}

namespace {

// How many imports of buffer 1 each process holds.
std::map<std::uint32_t, int> importers_of_buffer_1() {
  std::size_t count = 0;
  EXPECT(vmmc_importers(1, nullptr, 0, &count) == VMMC_OK);
  std::vector<vmmc_identity> importers(count + 5, {77, 77});
  std::size_t again = 0;
  EXPECT(vmmc_importers(1, importers.data(), importers.size(), &again) == VMMC_OK);
  if (again != count) return importers_of_buffer_1();  // one has gone in between
  std::map<std::uint32_t, int> found;
  for (std::size_t i = 0; i < importers.size(); ++i) {
    EXPECT((i < count) == (importers[i].process != 77));
    if (i >= count) continue;
    EXPECT(importers[i].node == importers[i].process % 4);
    ++found[importers[i].process];
  }
  return found;
}

}  // namespace

TEST_CASE("S2.10 a process learns who imports its buffer, once for each import that is held") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part& part) {
                 attach();
                 unsigned char* memory = export_new(64, 1);
                 export_new(64, 2);
                 EXPECT(importers_of_buffer_1().empty());
                 part.meet();
                 part.meet();
                 EXPECT((importers_of_buffer_1() == std::map<std::uint32_t, int>{{1, 2}, {2, 40}}));
                 vmmc_identity few[3] = {{9, 9}, {9, 9}, {9, 9}};
                 std::size_t count = 0;
                 EXPECT(vmmc_importers(1, few, 2, &count) == VMMC_OK);
                 EXPECT(count == 42);
                 EXPECT((few[1].process != 9 && few[2].process == 9));
                 part.meet();
                 part.meet();  // 1 has given one up, 2 has ended
                 // nicsim may not have heard of the end yet
                 while (importers_of_buffer_1() != std::map<std::uint32_t, int>{{1, 1}}) {
                   ::usleep(1'000);
                 }
                 import_from(0, 1);
                 EXPECT((importers_of_buffer_1() == std::map<std::uint32_t, int>{{0, 1}, {1, 1}}));
                 EXPECT(vmmc_unexport(1) == VMMC_OK);
                 EXPECT(vmmc_importers(1, few, 2, &count) == VMMC_ERR_UNKNOWN_EXPORT);
                 EXPECT(vmmc_export(memory, 64, 1, nullptr) == VMMC_OK);
                 EXPECT(importers_of_buffer_1().empty());
                 part.meet();
               },
               [](Part& part) {
                 attach();
                 part.meet();
                 const Proxy proxy = import_from(0, 1);
                 import_from(0, 1);
                 part.meet();
                 part.meet();
                 EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
                 part.meet();
                 part.meet();
               },
               [](Part& part) {
                 attach();
                 part.meet();
                 for (int i = 0; i < 40; ++i) import_from(0, 1);
                 import_from(0, 2);
                 part.meet();
                 part.meet();
                 part.die();
               }});
}

namespace {

// Every call that moves bytes to or from a proxy.
void expect_nothing_moves(unsigned char* address) {
  std::uint64_t word = 5;
  vmmc_send_handle handle = 0;
  const vmmc_piece piece{&word, 4};
  EXPECT(vmmc_send(&word, address, 4) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_send_start(&word, address, 4, &handle) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_send_gather(&piece, 1, address) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_send_strided(&word, 4, address, 4, 4, 1) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_fetch(&word, address, 4) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_fetch_start(&word, address, 4, &handle) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_fetch_add_32(address, 1, nullptr) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_swap_64(address, 1, nullptr) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(vmmc_compare_swap_32(address, 0, 1, nullptr) == VMMC_ERR_OUTSIDE_PROXY);
  EXPECT(word == 5);
}

}  // namespace

TEST_CASE("S2.11 nothing moves before both an export and an import, nor by another's import") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(4096, 1);
                   part.meet();
                   part.meet();
                   EXPECT(vmmc_fence() == VMMC_OK);
                   for (int i = 0; i < 4096; ++i) EXPECT(memory[i] == (i == 0 ? 7 : 0));
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   const Proxy proxy = import_for(0, 1);
                   send_word(7, proxy.address);
                   EXPECT(vmmc_fence() == VMMC_OK);
                   part.value(0).store(reinterpret_cast<std::uintptr_t>(proxy.address));
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   // Not by sleeping alone: the fence may need simulated time.
                   while (part.value(0).load() == 0) {
                     EXPECT(vmmc_compute(1000) == VMMC_OK);
                     ::usleep(100);
                   }
                   // The same address is nothing in this process.
                   expect_nothing_moves(reinterpret_cast<unsigned char*>(part.value(0).load()));
                   // An import without an export is none either.
                   EXPECT(import_status(identity_of(0), 2, VMMC_WRITE, 0) == VMMC_ERR_TIMEOUT);
                   const Proxy proxy = import_for(0, 1);
                   EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
                   expect_nothing_moves(proxy.address);
                   EXPECT(vmmc_fence() == VMMC_OK);
                   part.meet();
                 }});
}

TEST_CASE("S2.11 export and import are nicsim's: without it there is none") {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  run_processes(nicsim, {[pid](Part&) {
                  attach();
                  void* memory = allocate(4096);
                  EXPECT(::kill(pid, SIGKILL) == 0);
                  int status = VMMC_OK;
                  for (std::uint32_t id = 1; status == VMMC_OK; ++id) {
                    status =
                        vmmc_export(static_cast<unsigned char*>(memory) + 4 * id, 4, id, nullptr);
                  }
                  EXPECT(status == VMMC_ERR_NICSIM_GONE);
                  EXPECT(import_status({0, 0}, 1, VMMC_WRITE, 0) == VMMC_ERR_NICSIM_GONE);
                  std::size_t count = 0;
                  EXPECT(vmmc_importers(1, nullptr, 0, &count) == VMMC_ERR_NICSIM_GONE);
                }});
}
