// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Memory, addresses and descriptors run out, in a program or in nicsim: the call that needs them
// fails, and works again when there are some.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/conformance/conformance.h"
#include "tests/faults/process_view.h"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kMegabyte = 1 << 20;

// A lower limit for as long as it exists; of this process or (pid) of another.
class Limit {
 public:
  Limit(__rlimit_resource resource, rlim_t soft, pid_t pid = 0) : resource_(resource), pid_(pid) {
    EXPECT(::prlimit(pid, resource, nullptr, &before_) == 0);
    const rlimit limit{soft, before_.rlim_max};
    EXPECT(::prlimit(pid, resource, &limit, nullptr) == 0);
  }
  ~Limit() { EXPECT(::prlimit(pid_, resource_, &before_, nullptr) == 0); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

 private:
  const __rlimit_resource resource_;
  const pid_t pid_;
  rlimit before_{};
};

// The number of the next descriptor: a limit on the number lets `more` be opened.
rlim_t room_for(int more) {
  const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT(next >= 0);
  ::close(next);
  return static_cast<rlim_t>(next + more);
}

void expect_sentence(const char* word) {
  const std::string sentence = vmmc_last_error();
  if (sentence.find(word) == std::string::npos) {
    std::fprintf(stderr, "no \"%s\" in: %s\n", word, sentence.c_str());
  }
  EXPECT(sentence.find(word) != std::string::npos);
}

void expect_everything_works() {
  void* memory = nullptr;
  EXPECT(vmmc_alloc(kMegabyte, &memory) == VMMC_OK);
  EXPECT(vmmc_export(memory, kMegabyte, 77, nullptr) == VMMC_OK);
  void* proxy = nullptr;
  EXPECT(vmmc_import(vmmc_self(), 77, nullptr, &proxy, nullptr) == VMMC_OK);
  send_word(7, static_cast<unsigned char*>(proxy));
  EXPECT(vmmc_fence() == VMMC_OK);
  EXPECT(look(static_cast<unsigned char*>(memory)) == 7);
  EXPECT(vmmc_unimport(proxy) == VMMC_OK);
  EXPECT(vmmc_unexport(77) == VMMC_OK);
  EXPECT(vmmc_free(memory) == VMMC_OK);
}

void expect_filled(const std::vector<unsigned char>& bytes, unsigned char value) {
  for (const unsigned char byte : bytes) EXPECT(byte == value);
}

}  // namespace

TEST_CASE("more memory than the machine has is refused, and costs it nothing") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  void* memory = nullptr;
                  for (const std::size_t terabytes : {1, 16, 100}) {
                    EXPECT(vmmc_alloc(terabytes << 40, &memory) == VMMC_ERR_OUT_OF_MEMORY);
                    expect_sentence("cannot be allocated");
                  }
                  EXPECT(memory == nullptr);
                  EXPECT(kibibytes(0, "VmHWM:") < (kSanitized ? 512u : 64u) * 1024);
                  expect_everything_works();
                }});
}

TEST_CASE("a limit on the size of files is an error, not a signal") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        std::vector<unsigned char> heap(8 * kMegabyte, 3);
        {
          const Limit limit(RLIMIT_FSIZE, 4 * kMegabyte);
          void* memory = nullptr;
          EXPECT(vmmc_alloc(8 * kMegabyte, &memory) == VMMC_ERR_OUT_OF_MEMORY);
          expect_sentence("File too large");
          EXPECT(vmmc_export(heap.data(), heap.size(), 1, nullptr) == VMMC_ERR_OUT_OF_MEMORY);
          expect_sentence("File too large");
          expect_everything_works();
        }
        expect_filled(heap, 3);
        EXPECT(vmmc_export(heap.data(), heap.size(), 1, nullptr) == VMMC_OK);
      }});
}

TEST_CASE("without descriptors allocating and exporting fail, and sends go on") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  std::vector<unsigned char> heap(kMegabyte, 3);
                  unsigned char* memory = export_new(4096, 2);
                  const Proxy proxy = import_from(0, 2);
                  {
                    const Limit limit(RLIMIT_NOFILE, room_for(0));
                    void* more = nullptr;
                    EXPECT(vmmc_alloc(4096, &more) == VMMC_ERR_SYSTEM);
                    expect_sentence("Too many open files");
                    EXPECT(vmmc_export(heap.data(), heap.size(), 1, nullptr) == VMMC_ERR_SYSTEM);
                    expect_sentence("Too many open files");
                    EXPECT(vmmc_export(memory + 4096 - 64, 64, 3, nullptr) == VMMC_ERR_OVERLAP);
                    send_word(9, proxy.address);
                    EXPECT(vmmc_send(heap.data(), proxy.address + 64, 3000) == VMMC_OK);
                    EXPECT(vmmc_fence() == VMMC_OK);
                    EXPECT(look(memory) == 9);
                    EXPECT(vmmc_unexport(2) == VMMC_OK);
                  }
                  expect_filled(heap, 3);
                  EXPECT(vmmc_export(heap.data(), heap.size(), 1, nullptr) == VMMC_OK);
                  expect_everything_works();
                }});
}

TEST_CASE("with too few descriptors attaching fails, says so, and keeps none") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  const std::size_t before = count_descriptors(0);
                  int room = 0;
                  for (;; ++room) {
                    int status = VMMC_OK;
                    {
                      const Limit limit(RLIMIT_NOFILE, room_for(room));
                      status = vmmc_init(nullptr);
                    }
                    if (status == VMMC_OK) break;
                    EXPECT(status == VMMC_ERR_SYSTEM);
                    expect_sentence("Too many open files");
                    EXPECT(count_descriptors(0) == before);
                  }
                  EXPECT(room >= 1);
                  EXPECT(room <= 4);
                  expect_everything_works();
                }});
}

TEST_CASE("a nicsim without descriptors refuses what needs one, and keeps its clients") {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  run_processes(
      nicsim, {[pid](Part&) {
        attach();
        unsigned char* memory = export_new(4096, 2);
        const Proxy proxy = import_from(0, 2);
        {
          const Limit limit(RLIMIT_NOFILE, 3, pid);
          void* more = nullptr;
          EXPECT(vmmc_alloc(4096, &more) == VMMC_ERR_OUT_OF_MEMORY);
          expect_sentence("4096 bytes");
          static unsigned char global[4096];
          EXPECT(vmmc_export(global, sizeof global, 3, nullptr) == VMMC_ERR_OUT_OF_MEMORY);
          send_word(9, proxy.address);
          EXPECT(vmmc_fence() == VMMC_OK);
          EXPECT(look(memory) == 9);
        }
        expect_everything_works();
      }});
}

TEST_CASE("a client that nicsim has no descriptors for gets in when there are some") {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  run_processes(nicsim, {[pid](Part& part) {
                           attach();
                           {
                             const Limit limit(RLIMIT_NOFILE, 3, pid);
                             part.meet();
                             ::usleep(300'000);
                           }
                           part.meet();
                           expect_everything_works();
                         },
                         [](Part& part) {
                           part.meet();
                           attach();
                           part.meet();
                           expect_everything_works();
                         }});
}

// A sanitizer needs addresses whenever it likes.
TEST_CASE("without addresses allocating and exporting fail, and sends go on" *
          doctest::skip(kSanitized)) {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        std::vector<unsigned char> heap(8 * kMegabyte, 3);
        unsigned char* memory = export_new(4096, 2);
        const Proxy proxy = import_from(0, 2);
        {
          const Limit limit(RLIMIT_AS, kibibytes(0, "VmSize:") * 1024 + kMegabyte);
          void* more = nullptr;
          EXPECT(vmmc_alloc(8 * kMegabyte, &more) == VMMC_ERR_OUT_OF_MEMORY);
          expect_sentence("mmap: Cannot allocate memory");
          EXPECT(vmmc_export(heap.data(), heap.size(), 1, nullptr) == VMMC_ERR_OUT_OF_MEMORY);
          expect_sentence("mmap: Cannot allocate memory");
          EXPECT(vmmc_send(heap.data(), proxy.address, 4096) == VMMC_OK);
          EXPECT(vmmc_fence() == VMMC_OK);
          EXPECT(look(memory) == 0x03030303);
        }
        expect_filled(heap, 3);
        EXPECT(vmmc_export(heap.data(), heap.size(), 1, nullptr) == VMMC_OK);
        expect_everything_works();
      }});
}

TEST_CASE("attaching with few addresses fails at each step of it without a trace" *
          doctest::skip(kSanitized)) {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  std::size_t refusals = 0;
                  // Less destination space than 64 MiB is none: before it, around it, after it.
                  for (std::size_t more = 0; more < 320; ++more) {
                    const std::size_t descriptors = count_descriptors(0);
                    int status = VMMC_OK;
                    {
                      const Limit limit(RLIMIT_AS,
                                        kibibytes(0, "VmSize:") * 1024 + more * (kMegabyte / 2));
                      status = vmmc_init(nullptr);
                      if (status == VMMC_OK) status = vmmc_finalize();
                    }
                    EXPECT(count_descriptors(0) == descriptors);
                    if (status == VMMC_OK) continue;
                    ++refusals;
                    EXPECT(status == VMMC_ERR_OUT_OF_MEMORY || status == VMMC_ERR_SYSTEM);
                    EXPECT(std::string(vmmc_last_error()).size() > 10);
                  }
                  EXPECT(refusals > 120);
                  EXPECT(refusals < 320);
                  attach();
                  expect_everything_works();
                }});
}

TEST_CASE("with a quarter of a gigabyte of addresses a program works as ever" *
          doctest::skip(kSanitized)) {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  const Limit limit(RLIMIT_AS, kibibytes(0, "VmSize:") * 1024 + 256 * kMegabyte);
                  attach();
                  expect_everything_works();
                  void* memory = allocate(16 * kMegabyte);
                  EXPECT(vmmc_export(memory, 16 * kMegabyte, 99, nullptr) == VMMC_OK);
                  EXPECT(import_from(0, 99).length == 16 * kMegabyte);
                }});
}

TEST_CASE("a nicsim without addresses refuses what it cannot map, and keeps its clients" *
          doctest::skip(kSanitized)) {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  run_processes(
      nicsim, {[pid](Part&) {
        attach();
        unsigned char* memory = export_new(4096, 2);
        const Proxy proxy = import_from(0, 2);
        std::vector<unsigned char> heap(8 * kMegabyte, 3);
        {
          const Limit limit(RLIMIT_AS, kibibytes(pid, "VmSize:") * 1024 + kMegabyte, pid);
          void* more = nullptr;
          EXPECT(vmmc_alloc(8 * kMegabyte, &more) == VMMC_ERR_OUT_OF_MEMORY);
          EXPECT(vmmc_export(heap.data(), heap.size(), 1, nullptr) == VMMC_ERR_OUT_OF_MEMORY);
          EXPECT(vmmc_send(heap.data(), proxy.address, 4096) == VMMC_OK);
          EXPECT(vmmc_fence() == VMMC_OK);
          EXPECT(look(memory) == 0x03030303);
        }
        expect_filled(heap, 3);
        expect_everything_works();
      }});
}

TEST_CASE("a nicsim that cannot serve another client says so, and keeps those it has" *
          doctest::skip(kSanitized)) {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  run_processes(nicsim, {[pid](Part& part) {
                           attach();
                           {
                             const Limit limit(RLIMIT_AS, kibibytes(pid, "VmSize:") * 1024, pid);
                             part.meet();
                             part.meet();
                           }
                           part.meet();
                           expect_everything_works();
                         },
                         [](Part& part) {
                           part.meet();
                           EXPECT(vmmc_init(nullptr) == VMMC_ERR_OUT_OF_MEMORY);
                           part.meet();
                           part.meet();
                           attach();
                           expect_everything_works();
                         }});
}
