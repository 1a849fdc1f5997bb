// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Every refusal of fetches, atomic operations, sends of pieces, redirections, registrations and of
// vmmc_importers: its status, and a sentence with the values concerned.
#include <doctest/doctest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kLength = 8192;

vmmc_send_handle any_handle;
std::uint64_t local[16];

// A call that moves bytes between `local` and a proxy, and the rights that it needs.
struct Access {
  const char* name;
  std::uint32_t rights;
  std::function<int(unsigned char* proxy, std::size_t length)> call;
};

// Those of any length.
std::vector<Access> transfers() {
  return {
      {"vmmc_fetch", VMMC_READ,
       [](unsigned char* proxy, std::size_t length) { return vmmc_fetch(local, proxy, length); }},
      {"vmmc_fetch_start", VMMC_READ,
       [](unsigned char* proxy, std::size_t length) {
         return vmmc_fetch_start(local, proxy, length, &any_handle);
       }},
      {"vmmc_send_gather", VMMC_WRITE,
       [](unsigned char* proxy, std::size_t length) {
         const vmmc_piece piece{local, length};
         return vmmc_send_gather(&piece, 1, proxy);
       }},
      {"vmmc_send_strided", VMMC_WRITE, [](unsigned char* proxy, std::size_t length) {
         return vmmc_send_strided(local, length, proxy, length, length, 1);
       }}};
}

std::vector<Access> atomics(std::size_t width) {
  using Call = std::function<int(unsigned char*)>;
  std::vector<std::pair<const char*, Call>> calls;
  if (width == 4) {
    calls = {
        {"vmmc_fetch_add_32", [](auto* proxy) { return vmmc_fetch_add_32(proxy, 1, nullptr); }},
        {"vmmc_swap_32", [](auto* proxy) { return vmmc_swap_32(proxy, 1, nullptr); }},
        {"vmmc_compare_swap_32",
         [](auto* proxy) { return vmmc_compare_swap_32(proxy, 0, 1, nullptr); }}};
  } else {
    calls = {
        {"vmmc_fetch_add_64", [](auto* proxy) { return vmmc_fetch_add_64(proxy, 1, nullptr); }},
        {"vmmc_swap_64", [](auto* proxy) { return vmmc_swap_64(proxy, 1, nullptr); }},
        {"vmmc_compare_swap_64",
         [](auto* proxy) { return vmmc_compare_swap_64(proxy, 0, 1, nullptr); }}};
  }
  std::vector<Access> result;
  for (const auto& [name, call] : calls) {
    result.push_back({name, kReadWrite,
                      [call = call](unsigned char* proxy, std::size_t) { return call(proxy); }});
  }
  return result;
}

std::vector<Access> every_access() {
  std::vector<Access> all = transfers();
  for (const std::size_t width : {4, 8}) {
    for (Access& access : atomics(width)) all.push_back(std::move(access));
  }
  return all;
}

void expect_access_refused(const Access& access, unsigned char* proxy, std::size_t length, int due,
                           const std::vector<std::string>& words) {
  const int status = access.call(proxy, length);
  if (status != due) std::fprintf(stderr, "%s:\n", access.name);
  expect_refused(status, due, words);
}

// Nothing has been fetched into `local`.
void expect_untouched() {
  for (const std::uint64_t word : local) EXPECT(word == 0);
}

void refuse_by_address(const Proxy& proxy, unsigned char* memory) {
  const std::string buffer = "buffer 41 of process (0, 0)";
  unsigned char* const last = proxy.address + kLength - 4;
  for (const Access& access : transfers()) {
    expect_access_refused(access, last, 5, VMMC_ERR_OUTSIDE_PROXY,
                          {"5 bytes", text_of(last), buffer});
    expect_access_refused(access, last + 4, 1, VMMC_ERR_OUTSIDE_PROXY,
                          {text_of(last + 4), "no proxy"});
    expect_access_refused(access, memory, 4, VMMC_ERR_OUTSIDE_PROXY, {text_of(memory), "no proxy"});
    expect_access_refused(access, nullptr, 4, VMMC_ERR_OUTSIDE_PROXY, {"no proxy"});
    expect_access_refused(access, proxy.address, 0, VMMC_ERR_ZERO_LENGTH, {" bytes"});
  }
  for (const std::size_t width : {4, 8}) {
    for (const Access& access : atomics(width)) {
      unsigned char* const across = last + 4 - width + 2;
      expect_access_refused(access, across, 0, VMMC_ERR_OUTSIDE_PROXY, {text_of(across), buffer});
      expect_access_refused(access, memory, 0, VMMC_ERR_OUTSIDE_PROXY,
                            {text_of(memory), "no proxy"});
      unsigned char* const odd = proxy.address + width / 2;
      expect_access_refused(access, odd, 0, VMMC_ERR_MISALIGNED,
                            {text_of(odd), std::to_string(width) + " bytes"});
    }
  }
}

}  // namespace

TEST_CASE("S6.3 transfers and atomic operations that are refused for their address or rights") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(kLength, 41);
                  refuse_by_address(import_for(0, 41), memory);
                  const Proxy reader = import_for(0, 41, VMMC_READ);
                  const Proxy writer = import_for(0, 41, VMMC_WRITE);
                  const std::string buffer =
                      "buffer 41 of process (0, 0) was imported without VMMC_";
                  for (const Access& access : every_access()) {
                    if ((access.rights & VMMC_WRITE) != 0) {
                      expect_access_refused(access, reader.address, 4, VMMC_ERR_NOT_WRITABLE,
                                            {buffer + "WRITE"});
                    }
                    if ((access.rights & VMMC_READ) != 0) {
                      expect_access_refused(access, writer.address, 4, VMMC_ERR_NOT_READABLE,
                                            {buffer + "READ"});
                    }
                  }
                  expect_untouched();
                  EXPECT(vmmc_fence() == VMMC_OK);
                  EXPECT(counters().transfers_refused == 0);  // nicsim has not heard of any
                  for (std::size_t i = 0; i < kLength; ++i) EXPECT(memory[i] == 0);
                }});
}

TEST_CASE("S6.3 transfers and atomic operations whose exporter has taken back, or has ended") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(kLength, 41);
                           export_new(kLength, 42);
                           part.meet();
                           part.meet();
                           EXPECT(vmmc_unexport(41) == VMMC_OK);
                           part.meet();
                           part.die();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy taken_back = import_for(0, 41);
                           const Proxy orphan = import_for(0, 42);
                           part.meet();
                           part.meet();
                           // its end becomes known a little later
                           std::uint32_t word = 0;
                           while (vmmc_fetch(&word, orphan.address, 4) == VMMC_OK) ::usleep(100);
                           for (const Access& access : every_access()) {
                             expect_access_refused(access, taken_back.address, 4,
                                                   VMMC_ERR_UNEXPORTED,
                                                   {"process (0, 0)", "buffer 41"});
                             expect_access_refused(access, orphan.address, 4, VMMC_ERR_PEER_DEAD,
                                                   {"process (0, 0)", "buffer 42"});
                           }
                           expect_untouched();
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("S6.3 null pointers, lengths and strides that make no sense") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        export_new(kLength, 41);
        unsigned char* const to = import_for(0, 41).address;
        constexpr int kInvalid = VMMC_ERR_INVALID_ARGUMENT;
        constexpr int kOverflow = VMMC_ERR_LENGTH_OVERFLOW;
        expect_refused(vmmc_fetch(nullptr, to, 4), kInvalid, {"destination"});
        expect_refused(vmmc_fetch_start(nullptr, to, 4, &any_handle), kInvalid, {"destination"});
        expect_refused(vmmc_fetch_start(local, to, 4, nullptr), kInvalid, {"handle"});
        expect_refused(vmmc_fetch(local, to, SIZE_MAX), kOverflow,
                       {std::to_string(SIZE_MAX), text_of(local)});
        expect_refused(vmmc_fetch_start(local, to, SIZE_MAX - 1, &any_handle), kOverflow,
                       {std::to_string(SIZE_MAX - 1), text_of(local)});
        expect_refused(vmmc_send_gather(nullptr, 2, to), kInvalid, {"pieces"});
        const vmmc_piece hollow[] = {{local, 4}, {nullptr, 0}, {nullptr, 4}};
        expect_refused(vmmc_send_gather(hollow, 3, to), kInvalid, {"piece 2"});
        const vmmc_piece huge[] = {{local, 4}, {local, SIZE_MAX - 2}};
        expect_refused(vmmc_send_gather(huge, 2, to), kOverflow, {"piece 1"});
        const vmmc_piece nothing[] = {{local, 0}, {nullptr, 0}};
        expect_refused(vmmc_send_gather(nothing, 2, to), VMMC_ERR_ZERO_LENGTH, {"zero"});
        expect_refused(vmmc_send_gather(nothing, 0, to), VMMC_ERR_ZERO_LENGTH, {"zero"});
        expect_refused(vmmc_send_strided(nullptr, 8, to, 8, 8, 1), kInvalid, {"source"});
        expect_refused(vmmc_send_strided(local, 7, to, 9, 8, 1), kInvalid, {"7", "9", "8"});
        expect_refused(vmmc_send_strided(local, 11, to, 5, 6, 2), kInvalid, {"11", "5", "6"});
        expect_refused(vmmc_send_strided(local, 8, to, 8, 0, 3), VMMC_ERR_ZERO_LENGTH, {"3", "0"});
        expect_refused(vmmc_send_strided(local, 8, to, 8, 8, 0), VMMC_ERR_ZERO_LENGTH, {"0", "8"});
        expect_refused(vmmc_send_strided(local, 8, to, SIZE_MAX / 2, 8, 4), kOverflow,
                       {"4", "8", std::to_string(SIZE_MAX / 2)});
        expect_refused(vmmc_send_strided(local, SIZE_MAX / 2, to, 8, 8, 4), kOverflow,
                       {std::to_string(SIZE_MAX / 2)});
        expect_refused(vmmc_send_strided(local, SIZE_MAX - 100, to, 8, 8, 2), kOverflow,
                       {std::to_string(SIZE_MAX - 100)});
        expect_untouched();
        EXPECT(vmmc_fence() == VMMC_OK);
        EXPECT(counters().transfers_sent + counters().fetches == 0);
      }});
}

namespace {
sigjmp_buf after_fault;
}

TEST_CASE("S6.3 S9.3 a destination that cannot be written: BAD_SOURCE or a fault, and no harm") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        unsigned char* memory = export_new(1 << 20, 41);
        const Proxy proxy = import_for(0, 41);
        void* hole = ::mmap(nullptr, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        void* constant = ::mmap(nullptr, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (void* destination : {hole, constant}) {
          for (const std::size_t length : {1, 5000, 1 << 20}) {
            vmmc_send_handle handle = 0;
            EXPECT(vmmc_fetch_start(destination, proxy.address, length, &handle) == VMMC_OK);
            expect_refused(vmmc_send_wait(handle), VMMC_ERR_BAD_SOURCE,
                           {"written", std::to_string(handle)});
            expect_refused(vmmc_send_test(handle), VMMC_ERR_BAD_SOURCE,
                           {"written", std::to_string(handle)});
          }
        }
        EXPECT(vmmc_fence() == VMMC_OK);
        ::signal(SIGSEGV, [](int) { ::siglongjmp(after_fault, 1); });
        for (const std::size_t length : {4, 5000, 1 << 20}) {
          if (sigsetjmp(after_fault, 1) == 0) {
            (void)vmmc_fetch(constant, proxy.address, length);
            EXPECT(!"the fetch returned");
          }
          send_word(static_cast<std::uint32_t>(length), proxy.address);
          await(memory, static_cast<std::uint32_t>(length));
        }
        // What was left in the middle holds nothing that others need.
        std::thread([&] { send_word(3, proxy.address); }).join();
        await(memory, 3);
        EXPECT(vmmc_unexport(41) == VMMC_OK);
        EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
        EXPECT(counters().transfers_refused == 6);
        EXPECT(vmmc_send_wait(1'000'000) == VMMC_ERR_BAD_HANDLE);
        expect_refused(vmmc_send_test(1'000'000), VMMC_ERR_BAD_HANDLE, {"1000000"});
      }});
}

TEST_CASE("S1.4 S1.5 S6.2 every call before vmmc_init, in a forked child, and without nicsim") {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  const auto expect_all = [](int due, unsigned char* proxy) {
    std::size_t count = 0;
    for (const Access& access : every_access()) expect_access_refused(access, proxy, 4, due, {});
    EXPECT(vmmc_redirect(41, 0, 4, local, nullptr) == due);
    EXPECT(vmmc_end_redirection(41, 0, nullptr) == due);
    EXPECT(vmmc_importers(41, nullptr, 0, &count) == due);
    EXPECT(std::string(vmmc_last_error()).size() > 20);
    if (due == VMMC_ERR_NICSIM_GONE) return;  // these need no nicsim
    EXPECT(vmmc_register(local, sizeof local) == due);
    EXPECT(vmmc_unregister(local) == due);
    EXPECT(vmmc_set_pin_limit(0) == due);
  };
  run_processes(nicsim, {[=](Part&) {
                  expect_all(VMMC_ERR_NOT_ATTACHED, nullptr);
                  attach();
                  export_new(kLength, 41);
                  unsigned char* const proxy = import_for(0, 41).address;
                  const pid_t child = ::fork();
                  if (child == 0) {
                    expect_all(VMMC_ERR_FORKED, proxy);
                    ::_exit(0);
                  }
                  int status = 1;
                  EXPECT(::waitpid(child, &status, 0) == child);
                  EXPECT(status == 0);
                  for (const Access& access : every_access()) {
                    EXPECT(access.call(proxy, 4) == VMMC_OK);
                  }
                  EXPECT(::kill(pid, SIGKILL) == 0);
                  while (vmmc_fence() == VMMC_OK) ::usleep(100);
                  expect_all(VMMC_ERR_NICSIM_GONE, proxy);
                }});
}
