// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

using Bytes = std::vector<unsigned char>;

unsigned char* export_redirectable(std::size_t length, std::uint32_t id) {
  void* memory = allocate(length);
  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
  options.redirectable = 1;
  EXPECT(vmmc_export(memory, length, id, &options) == VMMC_OK);
  return static_cast<unsigned char*>(memory);
}

// All the bytes of a message have arrived when it returns.
void send_all(const Bytes& bytes, unsigned char* proxy) {
  EXPECT(vmmc_send(bytes.data(), proxy, bytes.size()) == VMMC_OK);
  EXPECT(vmmc_fence() == VMMC_OK);
}

bool all_are(const unsigned char* bytes, std::size_t length, unsigned char value) {
  return std::all_of(bytes, bytes + length, [value](auto byte) { return byte == value; });
}

}  // namespace

TEST_CASE("S9.4 the sender never learns, and only what was exported so can be redirected") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(4096, 1);
                           unsigned char* memory = export_redirectable(4096, 2);
                           Bytes place(4096, 9);
                           EXPECT(vmmc_redirect(1, 0, 100, place.data(), nullptr) ==
                                  VMMC_ERR_NOT_REDIRECTABLE);
                           part.meet();
                           part.meet();  // sent
                           std::size_t copied = 0;
                           EXPECT(vmmc_redirect(2, 0, 4096, place.data(), &copied) == VMMC_OK);
                           EXPECT(copied == 4096);
                           EXPECT(all_are(place.data(), 4096, 1));
                           part.meet();
                           part.meet();  // sent again, in the same way
                           EXPECT(all_are(place.data(), 4096, 2));
                           EXPECT(all_are(memory, 4096, 1));
                         },
                         [](Part& part) {
                           attach();
                           const Proxy proxy = import_from(0, 2);
                           part.meet();
                           for (const unsigned char value : {1, 2}) {
                             const vmmc_counters before = counters();
                             send_all(Bytes(4096, value), proxy.address);
                             EXPECT(counters().transfers_sent == before.transfers_sent + 1);
                             EXPECT(counters().bytes_sent == before.bytes_sent + 4096);
                             part.meet();
                             if (value == 1) part.meet();
                           }
                         }});
}

TEST_CASE("S9.5 what comes before is copied once, what comes after goes straight there") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_redirectable(10'000, 1);
                  const Proxy proxy = import_from(0, 1);
                  Bytes place(12'000, 9);
                  unsigned char* const to = place.data() + 1001;  // of no particular alignment
                  std::size_t copied = 77;
                  send_all(Bytes(100, 1), proxy.address + 2000);
                  send_all(Bytes(100, 2), proxy.address + 2050);
                  send_all(Bytes(10, 3), proxy.address + 9990);  // beside it
                  EXPECT(vmmc_redirect(1, 1999, 5000, to, &copied) == VMMC_OK);
                  EXPECT(copied == 150);
                  EXPECT((to[0] == 9 && to[1] == 1 && to[50] == 1 && to[51] == 2));
                  EXPECT((to[150] == 2 && to[151] == 9));
                  EXPECT((memory[2000] == 1 && memory[2149] == 2));  // it stays there, too
                  const std::uint64_t redirected = counters().bytes_redirected;
                  send_all(Bytes(10'000, 4), proxy.address);
                  EXPECT(counters().bytes_redirected == redirected + 5000);
                  EXPECT((all_are(to, 5000, 4) && to[-1] == 9 && to[5000] == 9));
                  EXPECT((all_are(memory, 1999, 4) && all_are(memory + 6999, 3001, 4)));
                  EXPECT((memory[1999] == 0 && memory[2000] == 1 && memory[2149] == 2));
                  std::size_t arrived = 77;
                  EXPECT(vmmc_end_redirection(1, 1999, &arrived) == VMMC_OK);
                  EXPECT(arrived == 5000);
                  send_all(Bytes(4, 5), proxy.address + 3000);
                  EXPECT((memory[3000] == 5 && all_are(to, 5000, 4)));
                  // Only those four have come to the buffer itself since then.
                  EXPECT(vmmc_redirect(1, 1999, 5000, to + 1, &copied) == VMMC_OK);
                  EXPECT(copied == 4);
                  EXPECT((to[1002] == 5 && to[1005] == 5 && to[1001] == 4 && to[1006] == 4));
                  EXPECT(vmmc_end_redirection(1, 1999, nullptr) == VMMC_OK);
                  EXPECT(vmmc_redirect(1, 0, 10'000, to, &copied) == VMMC_OK);
                  EXPECT(copied == 5000);  // what came beside the redirections
                }});
}

namespace {

// A buffer with random redirections, and what must be in every byte of it and of their places.
class Model {
 public:
  static constexpr std::size_t kLength = 60'000;
  static constexpr std::size_t kRoom = 400'000;

  explicit Model(unsigned seed) : random_(seed), room_(kRoom), expected_room_(kRoom) {
    attach();
    memory_ = export_redirectable(kLength + 300, 1);
    proxy_ = import_from(0, 1);
  }

  void send() {
    const std::size_t length = 1 + random_() % kLength / (1 + random_() % 500);
    const std::size_t to = random_() % (kLength - length + 1);
    Bytes bytes(length);
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random_());
    EXPECT(vmmc_send(bytes.data(), proxy_.address + to, length) == VMMC_OK);
    for (std::size_t i = 0; i < length; ++i) {
      Range* const range = at(to + i);
      if (range != nullptr) {
        expected_room_[range->place + to + i - range->begin] = bytes[i];
        ++range->arrived;
      } else {
        expected_[to + i] = bytes[i];
        fresh_[to + i] = true;
      }
    }
  }

  void redirect() {
    EXPECT(vmmc_fence() == VMMC_OK);
    const std::size_t length = 1 + random_() % (kLength / (1 + random_() % 100));
    const std::size_t begin = random_() % (kLength - length + 1);
    const std::size_t place = random_() % (kRoom - length + 1);
    const bool overlaps = std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& other) {
      return begin < other.begin + other.length && other.begin < begin + length;
    });
    // Two redirections to the same place would be the program's own confusion.
    const bool taken = std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& other) {
      return place < other.place + other.length && other.place < place + length;
    });
    if (taken) return;
    std::size_t copied = 0;
    const int status = vmmc_redirect(1, begin, length, room_.data() + place, &copied);
    EXPECT(status == (overlaps ? VMMC_ERR_OVERLAP : VMMC_OK));
    if (overlaps) return;
    std::size_t due = 0;
    for (std::size_t i = 0; i < length; ++i) {
      if (!fresh_[begin + i]) continue;
      expected_room_[place + i] = expected_[begin + i];
      fresh_[begin + i] = false;
      ++due;
    }
    EXPECT(copied == due);
    ranges_.push_back({begin, length, place});
  }

  void end() {
    if (ranges_.empty()) return;
    EXPECT(vmmc_fence() == VMMC_OK);
    const auto range = ranges_.begin() + static_cast<long>(random_() % ranges_.size());
    std::size_t arrived = 0;
    EXPECT(vmmc_end_redirection(1, range->begin + range->length / 2 + 1, nullptr) ==
           VMMC_ERR_UNKNOWN_REDIRECTION);
    EXPECT(vmmc_end_redirection(1, range->begin, &arrived) == VMMC_OK);
    EXPECT(arrived == range->arrived);
    ranges_.erase(range);
  }

  void step() {
    const unsigned choice = random_() % 10;
    if (choice < 6) return send();
    if (choice < 8) return redirect();
    if (choice < 9) return end();
    check();
  }

  void check() {
    EXPECT(vmmc_fence() == VMMC_OK);
    EXPECT(std::memcmp(memory_, expected_.data(), kLength) == 0);
    EXPECT(room_ == expected_room_);
  }

 private:
  struct Range {
    std::size_t begin;
    std::size_t length;
    std::size_t place;
    std::size_t arrived = 0;
  };

  Range* at(std::size_t offset) {
    for (Range& range : ranges_) {
      if (offset >= range.begin && offset < range.begin + range.length) return &range;
    }
    return nullptr;
  }

  std::mt19937 random_;
  unsigned char* memory_;
  Proxy proxy_;
  Bytes room_;
  Bytes expected_room_;
  Bytes expected_ = Bytes(kLength);
  std::vector<bool> fresh_ = std::vector<bool>(kLength);
  std::vector<Range> ranges_;
};

}  // namespace

TEST_CASE("S9.5 S9.6 random sends, redirections and their ends do what a model says") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim, {[seed](Part&) {
                  Model model(seed);
                  for (int step = 0; step < 1500; ++step) model.step();
                  model.check();
                }});
}

TEST_CASE("S9.6 from the call to its end or the unexport; no overlaps") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_redirectable(8192, 1);
                  Bytes place(8192);
                  const auto redirect = [&](std::size_t offset, std::size_t length) {
                    return vmmc_redirect(1, offset, length, place.data() + offset, nullptr);
                  };
                  EXPECT(redirect(1000, 100) == VMMC_OK);
                  EXPECT(redirect(1000, 100) == VMMC_ERR_OVERLAP);
                  EXPECT(redirect(1099, 1) == VMMC_ERR_OVERLAP);
                  EXPECT(redirect(990, 11) == VMMC_ERR_OVERLAP);
                  EXPECT(redirect(0, 8192) == VMMC_ERR_OVERLAP);
                  EXPECT(redirect(1100, 7092) == VMMC_OK);
                  EXPECT(redirect(0, 1000) == VMMC_OK);
                  Proxy proxy = import_from(0, 1);
                  send_all(Bytes(8192, 1), proxy.address);
                  EXPECT((all_are(place.data(), 8192, 1) && all_are(memory, 8192, 0)));
                  EXPECT(vmmc_unexport(1) == VMMC_OK);
                  EXPECT(vmmc_end_redirection(1, 1000, nullptr) == VMMC_ERR_UNKNOWN_EXPORT);
                  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
                  options.redirectable = 1;
                  EXPECT(vmmc_export(memory, 8192, 1, &options) == VMMC_OK);
                  EXPECT(vmmc_end_redirection(1, 1000, nullptr) == VMMC_ERR_UNKNOWN_REDIRECTION);
                  proxy = import_from(0, 1);
                  send_all(Bytes(8192, 2), proxy.address);
                  EXPECT((all_are(place.data(), 8192, 1) && all_are(memory, 8192, 2)));
                }});
}

TEST_CASE("S9.6 a redirection of several MiB, and one that is refused takes nothing away") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        constexpr std::size_t kLength = 3'500'000;
        unsigned char* memory = export_redirectable(kLength, 1);
        const Proxy proxy = import_from(0, 1);
        Bytes place(kLength + 10, 9);
        Bytes other(100, 9);
        std::size_t copied = 0;
        EXPECT(vmmc_redirect(1, 3'000'000, 100, other.data(), nullptr) == VMMC_OK);
        send_all(Bytes(kLength, 1), proxy.address);
        // Refused for what is near its end; no part of it has been carried out then.
        EXPECT(vmmc_redirect(1, 10, 3'100'000, place.data() + 3, &copied) == VMMC_ERR_OVERLAP);
        EXPECT(vmmc_end_redirection(1, 3'000'000, nullptr) == VMMC_OK);
        EXPECT(vmmc_redirect(1, 10, kLength, place.data() + 3, &copied) == VMMC_ERR_OUTSIDE_PROXY);
        EXPECT(all_are(place.data(), place.size(), 9));
        EXPECT(vmmc_redirect(1, 10, kLength - 10, place.data() + 3, &copied) == VMMC_OK);
        EXPECT(copied == kLength - 10 - 100);
        EXPECT(all_are(place.data() + 3, 2'999'990, 1));
        EXPECT(all_are(place.data() + 3 + 3'000'090, 499'900, 1));
        send_all(Bytes(kLength, 2), proxy.address);
        EXPECT((all_are(place.data() + 3, kLength - 10, 2) && place[2] == 9));
        EXPECT((all_are(memory, 10, 2) && all_are(memory + 10, 100, 1)));
        std::size_t arrived = 0;
        EXPECT(vmmc_end_redirection(1, 10, &arrived) == VMMC_OK);
        EXPECT(arrived == kLength - 10);
      }});
}

TEST_CASE("S9.7 fetches and atomic operations reach the buffer itself") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_redirectable(4096, 1);
                  const Proxy proxy = import_for(0, 1);
                  std::memset(memory, 1, 4096);
                  auto* place = static_cast<unsigned char*>(allocate(4096));
                  EXPECT(vmmc_redirect(1, 0, 4096, place, nullptr) == VMMC_OK);
                  send_all(Bytes(4096, 2), proxy.address);
                  Bytes fetched(4096);
                  EXPECT(vmmc_fetch(fetched.data(), proxy.address, 4096) == VMMC_OK);
                  EXPECT(all_are(fetched.data(), 4096, 1));
                  std::uint32_t was = 0;
                  EXPECT(vmmc_fetch_add_32(proxy.address + 8, 1, &was) == VMMC_OK);
                  EXPECT(was == 0x01010101);
                  EXPECT((look(memory + 8) == 0x01010102 && look(place + 8) == 0x02020202));
                  // What an atomic operation brings is no message, and is not copied later.
                  std::size_t copied = 7;
                  EXPECT(vmmc_end_redirection(1, 0, nullptr) == VMMC_OK);
                  EXPECT(vmmc_swap_32(proxy.address + 16, 5, nullptr) == VMMC_OK);
                  EXPECT(vmmc_redirect(1, 0, 4096, place, &copied) == VMMC_OK);
                  EXPECT((copied == 0 && look(place + 16) == 0x02020202));
                }});
}
