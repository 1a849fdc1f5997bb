// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Every refusal of redirections, registrations and vmmc_importers, which concern the process's own
// buffers and memory: its status, a sentence with the values concerned, and no effect.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kLength = 3 << 20;
constexpr std::size_t kPage = 4096;

struct BadMemory {
  void* shared = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  void* constant = ::mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* hidden = ::mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* unmapped = reinterpret_cast<void*>(kPage);
  std::uint32_t on_stack[64] = {};

  std::vector<void*> all() { return {shared, constant, hidden, unmapped, on_stack}; }
};

unsigned char* export_redirectable(std::size_t length, std::uint32_t id) {
  void* memory = allocate(length);
  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
  options.redirectable = 1;
  EXPECT(vmmc_export(memory, length, id, &options) == VMMC_OK);
  return static_cast<unsigned char*>(memory);
}

// No part of the buffer is redirected.
void expect_not_redirected(unsigned char* memory, const Proxy& proxy) {
  static unsigned char value = 0;
  const std::vector<unsigned char> bytes(proxy.length, ++value);
  EXPECT(vmmc_send(bytes.data(), proxy.address, bytes.size()) == VMMC_OK);
  EXPECT(vmmc_fence() == VMMC_OK);
  EXPECT(std::memcmp(memory, bytes.data(), bytes.size()) == 0);
  EXPECT(counters().bytes_redirected == 0);
}

}  // namespace

TEST_CASE("S6.3 S9.4 S9.6 redirections that are refused") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        unsigned char* memory = export_redirectable(kLength, 41);
        export_new(4096, 42);
        const Proxy proxy = import_from(0, 41);
        std::vector<unsigned char> place(kLength);
        unsigned char* const to = place.data();
        std::size_t copied = 5;
        const auto redirect = [&](std::uint32_t id, std::size_t offset, std::size_t length,
                                  void* destination) {
          return vmmc_redirect(id, offset, length, destination, &copied);
        };
        expect_refused(redirect(40, 0, 4, to), VMMC_ERR_UNKNOWN_EXPORT, {"40"});
        expect_refused(redirect(42, 0, 4, to), VMMC_ERR_NOT_REDIRECTABLE, {"42"});
        expect_refused(redirect(41, 0, 4, nullptr), VMMC_ERR_INVALID_ARGUMENT, {"destination"});
        expect_refused(redirect(41, 0, 0, to), VMMC_ERR_ZERO_LENGTH, {"zero"});
        expect_refused(redirect(41, kLength - 4, 5, to), VMMC_ERR_OUTSIDE_PROXY,
                       {"5 bytes", std::to_string(kLength - 4), "buffer 41"});
        expect_refused(redirect(41, kLength, 1, to), VMMC_ERR_OUTSIDE_PROXY, {"buffer 41"});
        expect_refused(redirect(41, 1, kLength, to), VMMC_ERR_OUTSIDE_PROXY,
                       {std::to_string(kLength), "buffer 41"});
        expect_refused(redirect(41, SIZE_MAX - 1, 4, to), VMMC_ERR_LENGTH_OVERFLOW,
                       {std::to_string(SIZE_MAX - 1), "buffer 41"});
        auto* const top = reinterpret_cast<void*>(UINTPTR_MAX - 2);
        expect_refused(redirect(41, 0, 4, top), VMMC_ERR_LENGTH_OVERFLOW,
                       {"4 bytes", text_of(top)});
        BadMemory bad;
        for (void* destination : bad.all()) {
          expect_refused(redirect(41, 8, 100, destination), VMMC_ERR_BAD_MEMORY,
                         {"100 bytes", text_of(destination)});
        }
        // bad in its second MiB, and in its last page
        auto* room = static_cast<unsigned char*>(
            ::mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        for (const std::size_t hole : {kLength - kPage, std::size_t{1} << 20}) {
          EXPECT(::munmap(room + hole, kPage) == 0);
          expect_refused(redirect(41, 0, kLength, room), VMMC_ERR_BAD_MEMORY,
                         {std::to_string(kLength), text_of(room)});
        }
        rlimit before{};
        EXPECT(::getrlimit(RLIMIT_FSIZE, &before) == 0);
        const rlimit limit{512 << 10, before.rlim_max};
        EXPECT(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        expect_refused(redirect(41, 0, kLength, to), VMMC_ERR_OUT_OF_MEMORY,
                       {std::to_string(kLength), text_of(to)});
        EXPECT(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        EXPECT(copied == 5);
        expect_not_redirected(memory, proxy);
        EXPECT(vmmc_redirect(41, 0, kLength, to, &copied) == VMMC_OK);
        EXPECT(copied == kLength);
        expect_refused(redirect(41, 1 << 20, 77, to), VMMC_ERR_OVERLAP,
                       {"77 bytes", std::to_string(1 << 20), "buffer 41", std::to_string(kLength)});
      }});
}

TEST_CASE("S6.3 S9.6 more redirections than a buffer can have, and ends of none") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        unsigned char* memory = export_redirectable(kLength, 41);
        const Proxy proxy = import_from(0, 41);
        auto* place = static_cast<unsigned char*>(allocate(kLength));
        for (std::size_t i = 0; i < 1023; ++i) {
          EXPECT(vmmc_redirect(41, 8 * i, 4, place + 8 * i, nullptr) == VMMC_OK);
        }
        std::size_t copied = 5;
        // of two MiB: two
        expect_refused(vmmc_redirect(41, 100'000, (1 << 20) + 1, place + 100'000, &copied),
                       VMMC_ERR_TOO_MANY_REDIRECTIONS, {"buffer 41", "1024"});
        EXPECT(vmmc_redirect(41, 100'000, 1 << 20, place + 100'000, nullptr) == VMMC_OK);
        expect_refused(vmmc_redirect(41, 90'000, 1, place + 90'000, &copied),
                       VMMC_ERR_TOO_MANY_REDIRECTIONS, {"buffer 41", "1025"});
        EXPECT(copied == 5);
        const std::vector<unsigned char> bytes(kLength, 3);
        EXPECT(vmmc_send(bytes.data(), proxy.address, kLength) == VMMC_OK);
        EXPECT(vmmc_fence() == VMMC_OK);
        EXPECT(counters().bytes_redirected == 1023 * 4 + (1 << 20));
        EXPECT((memory[0] == 0 && memory[4] == 3 && place[0] == 3 && place[4] == 0));
        std::size_t arrived = 5;
        expect_refused(vmmc_end_redirection(41, 4, &arrived), VMMC_ERR_UNKNOWN_REDIRECTION,
                       {"41", "4"});
        expect_refused(vmmc_end_redirection(40, 0, &arrived), VMMC_ERR_UNKNOWN_EXPORT, {"40"});
        EXPECT(arrived == 5);
        EXPECT(vmmc_end_redirection(41, 0, &arrived) == VMMC_OK);
        EXPECT(arrived == 4);
        expect_refused(vmmc_end_redirection(41, 0, &arrived), VMMC_ERR_UNKNOWN_REDIRECTION,
                       {"41", "0"});
        EXPECT(vmmc_redirect(41, 90'000, 1, place + 90'000, nullptr) == VMMC_OK);
      }});
}

TEST_CASE("S6.3 S9.8 registrations that are refused") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  std::vector<unsigned char> region(kLength);
                  unsigned char* const start = region.data();
                  expect_refused(vmmc_register(nullptr, 4), VMMC_ERR_INVALID_ARGUMENT, {"address"});
                  expect_refused(vmmc_register(start, 0), VMMC_ERR_ZERO_LENGTH, {"zero"});
                  expect_refused(vmmc_register(start, SIZE_MAX - 1), VMMC_ERR_LENGTH_OVERFLOW,
                                 {std::to_string(SIZE_MAX - 1), text_of(start)});
                  BadMemory bad;
                  for (void* memory : bad.all()) {
                    expect_refused(vmmc_register(memory, 100), VMMC_ERR_BAD_MEMORY,
                                   {"100 bytes", text_of(memory)});
                  }
                  EXPECT(vmmc_register(start + 100, 2'000'000) == VMMC_OK);
                  const std::vector<std::string> other{"2000000", text_of(start + 100)};
                  for (const std::size_t from : {0u, 100u, 99u, 5000u, 2'000'099u}) {
                    expect_refused(vmmc_register(start + from, 101), VMMC_ERR_OVERLAP, other);
                  }
                  EXPECT(vmmc_register(start, 100) == VMMC_OK);  // beside it, also within a page
                  EXPECT(vmmc_register(start + 2'000'100, 100) == VMMC_OK);
                  expect_refused(vmmc_unregister(start + 101), VMMC_ERR_UNKNOWN_REGISTRATION,
                                 {text_of(start + 101)});
                  expect_refused(vmmc_unregister(nullptr), VMMC_ERR_UNKNOWN_REGISTRATION, {});
                  EXPECT(vmmc_unregister(start + 100) == VMMC_OK);
                  expect_refused(vmmc_unregister(start + 100), VMMC_ERR_UNKNOWN_REGISTRATION,
                                 {text_of(start + 100)});
                  EXPECT(vmmc_register(start + 100, 2'000'000) == VMMC_OK);
                  EXPECT(counters().pinned_bytes == 0);
                }});
}

TEST_CASE("S6.3 S2.10 questions for importers that are refused") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        export_new(4096, 41);
        std::size_t count = 5;
        vmmc_identity one{9, 9};
        expect_refused(vmmc_importers(40, &one, 1, &count), VMMC_ERR_UNKNOWN_EXPORT, {"40"});
        expect_refused(vmmc_importers(41, &one, 1, nullptr), VMMC_ERR_INVALID_ARGUMENT, {"count"});
        expect_refused(vmmc_importers(41, nullptr, 1, &count), VMMC_ERR_INVALID_ARGUMENT,
                       {"importers"});
        EXPECT((count == 5 && one.process == 9));
        EXPECT(vmmc_importers(41, nullptr, 0, &count) == VMMC_OK);
        EXPECT(count == 0);
      }});
}
