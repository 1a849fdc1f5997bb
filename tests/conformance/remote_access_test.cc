// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Fetches and atomic operations.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kLarge = 1'500'000;
constexpr std::size_t kSmall = 3'000;
constexpr int kExporterPid = 0;  // indices of Part::value
constexpr int kOver = 1;

unsigned char global_bytes[kSmall];

void fill(std::span<unsigned char> bytes, unsigned seed) {
  std::mt19937 random(seed);
  for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
}

// Exports bytes that `seed` says, and then does nothing at all: it is stopped.
void export_and_stop(Part& part, unsigned seed) {
  attach();
  unsigned char* memory = export_new(kLarge, 1);
  fill({memory, kLarge}, seed);
  part.value(kExporterPid).store(static_cast<std::uint64_t>(::getpid()));
  part.meet();
  part.meet();
}

int fetch_either_way(bool started, void* destination, const void* proxy, std::size_t length) {
  if (!started) return vmmc_fetch(destination, proxy, length);
  vmmc_send_handle handle = 0;
  const int status = vmmc_fetch_start(destination, proxy, length, &handle);
  return status == VMMC_OK ? vmmc_send_wait(handle) : status;
}

// Fetches into a random part of `room`, whose other bytes must stay as they are.
void fetch_into(std::span<unsigned char> room, const Proxy& proxy,
                std::span<const unsigned char> remote, std::mt19937& random) {
  const std::size_t length = 1 + random() % room.size() / (1 + random() % 2000);
  const std::size_t to = random() % (room.size() - length + 1);
  const std::size_t from = random() % (remote.size() - length + 1);
  const bool started = random() % 2 == 0;
  const auto mark = static_cast<unsigned char>(remote[from] + 1);
  std::fill(room.begin(), room.end(), mark);
  EXPECT(fetch_either_way(started, &room[to], proxy.address + from, length) == VMMC_OK);
  EXPECT(std::memcmp(&room[to], &remote[from], length) == 0);
  const auto is_marked = [mark](unsigned char byte) { return byte == mark; };
  EXPECT(std::all_of(room.begin(), room.begin() + static_cast<long>(to), is_marked));
  EXPECT(std::all_of(room.begin() + static_cast<long>(to + length), room.end(), is_marked));
}

void fetch_into_all_kinds_of_memory(Part& part, unsigned seed) {
  attach();
  std::vector<unsigned char> remote(kLarge);
  fill(remote, seed);
  const Proxy proxy = import_for(0, 1, VMMC_READ);
  EXPECT(proxy.length == buffer_length(kLarge));
  part.meet();
  const auto exporter = static_cast<pid_t>(part.value(kExporterPid).load());
  EXPECT(::kill(exporter, SIGSTOP) == 0);
  std::vector<unsigned char> heap(kLarge);
  std::vector<unsigned char> registered(kLarge);
  EXPECT(vmmc_register(registered.data(), registered.size()) == VMMC_OK);
  std::vector<unsigned char> exported(kLarge);
  EXPECT(vmmc_export(exported.data() + 1000, 500'000, 9, nullptr) == VMMC_OK);  // a part of it
  unsigned char stack[kSmall];
  auto* allocated = static_cast<unsigned char*>(allocate(kLarge));
  const std::span<unsigned char> rooms[] = {heap,  registered,   exported,
                                            stack, global_bytes, {allocated, kLarge}};
  std::mt19937 random(seed);
  for (int round = 0; round < 120; ++round) {
    fetch_into(rooms[random() % std::size(rooms)], proxy, remote, random);
  }
  EXPECT(::kill(exporter, SIGCONT) == 0);
  EXPECT(vmmc_unexport(9) == VMMC_OK);
  part.meet();
}

}  // namespace

TEST_CASE("S9.1 S9.3 a fetch of any length and alignment into any memory; the exporter sleeps" *
          doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim, {[seed](Part& part) { export_and_stop(part, seed); },
                         [seed](Part& part) { fetch_into_all_kinds_of_memory(part, seed); }});
}

TEST_CASE("S9.1 a fetch needs the read right") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         void* memory = allocate(4096);
         vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
         options.access = VMMC_WRITE;
         EXPECT(vmmc_export(memory, 4096, 1, &options) == VMMC_OK);
         export_new(4096, 2);
         part.meet();
         part.meet();
       },
       [](Part& part) {
         attach();
         part.meet();
         EXPECT(import_status(identity_of(0), 1, VMMC_READ, 0) == VMMC_ERR_PERMISSION_DENIED);
         std::uint32_t word = 7;
         vmmc_send_handle handle = 0;
         for (const std::uint32_t id : {1u, 2u}) {
           // The host executor serves no buffer that cannot be read.
           const Proxy proxy =
               import_by(id == 1 ? VMMC_EXECUTOR_NIC : VMMC_EXECUTOR_AUTO, 0, id, VMMC_WRITE);
           EXPECT(vmmc_fetch(&word, proxy.address, 4) == VMMC_ERR_NOT_READABLE);
           EXPECT(vmmc_fetch_start(&word, proxy.address, 4, &handle) == VMMC_ERR_NOT_READABLE);
           EXPECT(word == 7);
           send_word(1, proxy.address);
         }
         const Proxy readable = import_for(0, 2, VMMC_READ);
         EXPECT(vmmc_send(&word, readable.address, 4) == VMMC_ERR_NOT_WRITABLE);
         EXPECT(vmmc_fetch(&word, readable.address, 4) == VMMC_OK);
         EXPECT(word == 1);
         EXPECT(vmmc_fence() == VMMC_OK);
         part.meet();
       }});
}

namespace {

void send_or_start(std::span<const unsigned char> bytes, const Proxy& proxy, bool started,
                   std::vector<vmmc_send_handle>& handles) {
  if (started) {
    vmmc_send_handle handle = 0;
    EXPECT(vmmc_send_start(bytes.data(), proxy.address, bytes.size(), &handle) == VMMC_OK);
    handles.push_back(handle);
  } else {
    EXPECT(vmmc_send(bytes.data(), proxy.address, bytes.size()) == VMMC_OK);
  }
}

bool all_are(std::span<const unsigned char> bytes, unsigned char value) {
  return std::all_of(bytes.begin(), bytes.end(), [value](auto byte) { return byte == value; });
}

// Sends, fetches and sends again, and looks only then. Sources are used again when they may be.
void fetch_between_sends(unsigned seed) {
  attach();
  std::mt19937 random(seed);
  const Proxy proxy = import_for(0, 1);
  std::array<std::vector<unsigned char>, 3> heap;  // before, after, fetched
  std::array<std::span<unsigned char>, 3> mapped;
  for (int i = 0; i < 3; ++i) {
    heap[i].resize(400'000);
    mapped[i] = {static_cast<unsigned char*>(allocate(400'000)), 400'000};
  }
  for (int round = 0; round < 250; ++round) {
    const std::size_t length = 1 + random() % 400'000 / (1 + random() % 5000);
    const auto pick = [&](int i) {
      return random() % 2 == 0 ? mapped[i].first(length) : std::span(heap[i]).first(length);
    };
    const auto before = pick(0), after = pick(1), fetched = pick(2);
    const auto value = static_cast<unsigned char>(1 + round % 200);
    std::fill(before.begin(), before.end(), value);
    std::fill(after.begin(), after.end(), static_cast<unsigned char>(value + 1));
    std::fill(fetched.begin(), fetched.end(), static_cast<unsigned char>(0));
    std::vector<vmmc_send_handle> handles;
    send_or_start(before, proxy, random() % 2 == 0, handles);
    if (random() % 2 == 0) {
      EXPECT(vmmc_fetch(fetched.data(), proxy.address, length) == VMMC_OK);
      EXPECT(all_are(fetched, value));
    } else {
      vmmc_send_handle handle = 0;
      EXPECT(vmmc_fetch_start(fetched.data(), proxy.address, length, &handle) == VMMC_OK);
      handles.push_back(handle);
    }
    send_or_start(after, proxy, random() % 2 == 0, handles);
    for (const vmmc_send_handle handle : handles) EXPECT(vmmc_send_wait(handle) == VMMC_OK);
    EXPECT(all_are(fetched, value));
  }
}

}  // namespace

TEST_CASE("S9.2 a fetch is carried out after the sends before it, and before those after it") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(400'000, 1);
                           part.meet();
                         },
                         [seed](Part& part) {
                           fetch_between_sends(seed);
                           part.meet();
                         }});
}

TEST_CASE("S9.2 started fetches complete, in any number, into memory of every kind") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  constexpr std::size_t kPiece = 3001;
                  constexpr std::size_t kPieces = 700;
                  unsigned char* source = export_new(kPieces * kPiece, 1);
                  fill({source, kPieces * kPiece}, 1);
                  const Proxy proxy = import_for(0, 1, VMMC_READ);
                  std::vector<unsigned char> heap(kPieces * kPiece);
                  auto* mapped = static_cast<unsigned char*>(allocate(kPieces * kPiece));
                  for (unsigned char* to : {heap.data(), mapped}) {
                    std::vector<vmmc_send_handle> handles(kPieces);
                    for (std::size_t i = 0; i < kPieces; ++i) {
                      EXPECT(vmmc_fetch_start(to + i * kPiece, proxy.address + i * kPiece, kPiece,
                                              &handles[i]) == VMMC_OK);
                    }
                    EXPECT(vmmc_send_wait(handles.back()) == VMMC_OK);
                    for (const auto handle : handles) EXPECT(vmmc_send_test(handle) == VMMC_OK);
                    EXPECT(std::memcmp(to, source, kPieces * kPiece) == 0);
                  }
                  EXPECT(counters().fetches == 2 * kPieces);
                  EXPECT(counters().bytes_fetched == 2 * kPieces * kPiece);
                }});
}

TEST_CASE("S9.2 the fetches of several threads, also of one process from itself" *
          doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* source = export_new(kLarge, 1);
                  fill({source, kLarge}, 1);
                  const Proxy proxy = import_for(0, 1);
                  std::vector<std::thread> threads;
                  for (unsigned seed = 0; seed < 4; ++seed) {
                    threads.emplace_back([=] {
                      std::mt19937 random(seed);
                      std::vector<unsigned char> room(300'000);
                      for (int round = 0; round < 40; ++round) {
                        fetch_into(room, proxy, {source, kLarge}, random);
                      }
                    });
                  }
                  for (std::thread& thread : threads) thread.join();
                }});
}

TEST_CASE("S9.3 a fetch lies in one proxy, or nothing is fetched") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(8192, 1);
                  export_new(8192, 2);
                  std::memset(memory, 5, 8192);
                  const Proxy proxy = import_for(0, 1);
                  const Proxy next = import_for(0, 2);
                  std::vector<unsigned char> room(30'000, 9);
                  const auto refused = [&](unsigned char* from, std::size_t length) {
                    vmmc_send_handle handle = 0;
                    return vmmc_fetch(room.data(), from, length) == VMMC_ERR_OUTSIDE_PROXY &&
                           vmmc_fetch_start(room.data(), from, length, &handle) ==
                               VMMC_ERR_OUTSIDE_PROXY;
                  };
                  EXPECT(refused(proxy.address + 8191, 2));
                  EXPECT(refused(proxy.address + 8192, 1));
                  EXPECT(refused(proxy.address - 1, 1));
                  EXPECT(refused(proxy.address - 1, 2));
                  EXPECT(refused(proxy.address, 8193));
                  EXPECT(refused(proxy.address, 16384));
                  EXPECT(refused(next.address + 8191, 20'000));
                  EXPECT(refused(memory, 4));
                  EXPECT(refused(nullptr, 4));
                  EXPECT(all_are(room, 9));
                  EXPECT(counters().fetches == 0);
                  EXPECT(vmmc_fetch(room.data(), proxy.address + 8191, 1) == VMMC_OK);
                  EXPECT(room[0] == 5);
                }});
}

namespace {

// Halves that differ would be of two different words.
void change_words(Part& part, std::size_t count) {
  attach();
  auto* words = reinterpret_cast<std::uint64_t*>(export_new(8 * count, 1));
  part.meet();
  for (std::uint64_t n = 1; part.value(kOver).load() == 0; ++n) {
    for (std::size_t i = 0; i < count; ++i) {
      __atomic_store_n(words + i, (n & 0xffffffff) * 0x1'0000'0001, __ATOMIC_RELAXED);
    }
  }
}

void expect_whole_words(const unsigned char* fetched, std::size_t from, std::size_t length) {
  for (std::size_t at = (from + 7) / 8 * 8; at + 8 <= from + length; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, fetched + at - from, sizeof word);
    EXPECT(static_cast<std::uint32_t>(word) == word >> 32);
  }
}

// In place, through the staging area, and (started, into the heap) written across.
void fetch_changing_words(Part& part, std::size_t count, int rounds) {
  attach();
  const std::size_t bytes = 8 * count;
  const Proxy proxy = import_for(0, 1, VMMC_READ);
  std::vector<unsigned char> heap(bytes + 8);
  unsigned char* const rooms[] = {heap.data(), static_cast<unsigned char*>(allocate(bytes + 8))};
  part.meet();
  std::mt19937 random(1);
  for (int round = 0; round < rounds; ++round) {
    const std::size_t from = random() % 9;
    const std::size_t length = 8 + random() % (bytes - from - 8) / (1 + random() % 4);
    unsigned char* const to = rooms[random() % 2] + random() % 9;
    EXPECT(fetch_either_way(random() % 2 == 0, to, proxy.address + from, length) == VMMC_OK);
    expect_whole_words(to, from, length);
  }
  part.value(kOver).store(1);
}

}  // namespace

TEST_CASE("S9.1 aligned words are fetched whole while the exporter changes them" *
          doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  const auto check = [&](std::size_t count, int rounds) {
    run_processes(nicsim, {[=](Part& part) { change_words(part, count); },
                           [=](Part& part) { fetch_changing_words(part, count, rounds); }});
  };
  check(32, 40'000);  // few words: many are read while they change
  check(4096, 5'000);
}
