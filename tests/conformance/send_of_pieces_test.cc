// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Gathers and strided sends.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kRoom = 1'200'000;

// Two rooms of sources, one that nicsim has mapped and one that it has not, and a target. What the
// target must hold is computed beside it.
struct Scene {
  Scene() : heap(kRoom), expected(kRoom) {
    attach();
    target = export_new(kRoom, 1);
    proxy = import_from(0, 1);
    mapped = static_cast<unsigned char*>(allocate(kRoom));
    for (std::size_t i = 0; i < kRoom; ++i) {
      heap[i] = static_cast<unsigned char>(i * 7 + i / 256);
      mapped[i] = static_cast<unsigned char>(i * 11 + i / 255);
    }
  }

  unsigned char* room(std::mt19937& random) { return random() % 2 == 0 ? heap.data() : mapped; }

  void expect_target() {
    EXPECT(vmmc_fence() == VMMC_OK);
    EXPECT(std::memcmp(target, expected.data(), kRoom) == 0);
  }

  std::vector<unsigned char> heap;
  std::vector<unsigned char> expected;
  unsigned char* target;
  unsigned char* mapped;
  Proxy proxy;
};

void gather_at_random(unsigned seed) {
  Scene scene;
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<vmmc_piece> pieces(1 + random() % 40);
    std::size_t length = 0;
    const std::size_t longest = random() % 8 == 0 ? 25'000 : 1 + random() % 300;
    for (vmmc_piece& piece : pieces) {
      piece.length = random() % 5 == 0 ? 0 : random() % longest;
      piece.address = scene.room(random) + random() % (kRoom - piece.length);
      length += piece.length;
    }
    const std::size_t to = random() % (kRoom - length);
    unsigned char* const remote = scene.proxy.address + to;
    const std::uint64_t before = counters().transfers_sent;
    const int status = vmmc_send_gather(pieces.data(), pieces.size(), remote);
    if (length == 0) {
      EXPECT(status == VMMC_ERR_ZERO_LENGTH);
      continue;
    }
    EXPECT(status == VMMC_OK);
    std::size_t at = to;
    for (const vmmc_piece& piece : pieces) {
      std::memcpy(scene.expected.data() + at, piece.address, piece.length);
      at += piece.length;
    }
    scene.expect_target();
    if (length <= 65536) EXPECT(counters().transfers_sent == before + 1);
  }
}

void send_strided_at_random(unsigned seed) {
  Scene scene;
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::size_t block = 1 + random() % (random() % 4 == 0 ? 70'000 : 200);
    const std::size_t source_stride = block + (random() % 3 == 0 ? 0 : random() % 300);
    const std::size_t proxy_stride = block + (random() % 3 == 0 ? 0 : random() % 300);
    const std::size_t most = (kRoom - block) / std::max(source_stride, proxy_stride);
    const std::size_t count = 1 + random() % std::min<std::size_t>(most, 400);
    const std::size_t span = (count - 1) * std::max(source_stride, proxy_stride) + block;
    const unsigned char* source = scene.room(random) + random() % (kRoom - span + 1);
    const std::size_t to = random() % (kRoom - span + 1);
    EXPECT(vmmc_send_strided(source, source_stride, scene.proxy.address + to, proxy_stride, block,
                             count) == VMMC_OK);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(scene.expected.data() + to + i * proxy_stride, source + i * source_stride, block);
    }
    scene.expect_target();
  }
}

}  // namespace

TEST_CASE("S10.3 a gather sends its pieces, of any memory and number, one behind the other") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim, {[seed](Part&) { gather_at_random(seed); }});
}

TEST_CASE("S10.3 the pieces may be used again at once, and a later flag is seen after them") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kRounds = 500;
  run_processes(nicsim,
                {[](Part&) {
                   attach();
                   unsigned char* memory = export_new(200'004, 1);
                   const Proxy answer = import_from(1, 2);
                   for (std::uint32_t round = 1; round <= kRounds; ++round) {
                     await(memory + 200'000, round);
                     const auto is_due = [round](unsigned char byte) {
                       return byte == static_cast<unsigned char>(round);
                     };
                     const std::size_t length = round * 391 % 199'999;
                     EXPECT(std::all_of(memory, memory + length, is_due));
                     send_word(round, answer.address);
                   }
                   EXPECT(vmmc_fence() == VMMC_OK);
                 },
                 [](Part&) {
                   attach();
                   unsigned char* answer = export_new(64, 2);
                   const Proxy proxy = import_from(0, 1);
                   std::vector<unsigned char> bytes(200'000);
                   for (std::uint32_t round = 1; round <= kRounds; ++round) {
                     std::fill(bytes.begin(), bytes.end(), static_cast<unsigned char>(round));
                     const std::size_t length = round * 391 % 199'999;
                     const vmmc_piece pieces[] = {{bytes.data(), length / 3},
                                                  {nullptr, 0},
                                                  {bytes.data(), length - length / 3}};
                     EXPECT(vmmc_send_gather(pieces, 3, proxy.address) == VMMC_OK);
                     std::fill(bytes.begin(), bytes.end(), static_cast<unsigned char>(0xee));
                     send_word(round, proxy.address + 200'000);
                     await(answer, round);
                   }
                 }});
}

TEST_CASE("S10.3 S10.4 nothing is sent unless all of the destination lies in one proxy") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        Scene scene;
        const unsigned char* bytes = scene.heap.data();
        unsigned char* const end = scene.proxy.address + scene.proxy.length;
        const vmmc_piece pieces[] = {{bytes, 50'000}, {bytes, 50'001}};
        EXPECT(vmmc_send_gather(pieces, 2, end - 100'000) == VMMC_ERR_OUTSIDE_PROXY);
        EXPECT(vmmc_send_gather(pieces, 2, scene.proxy.address - 1) == VMMC_ERR_OUTSIDE_PROXY);
        // the last byte of the last block
        EXPECT(vmmc_send_strided(bytes, 10, end - 109, 10, 10, 11) == VMMC_ERR_OUTSIDE_PROXY);
        EXPECT(vmmc_send_strided(bytes, 10, end - 8, 100, 8, 2) == VMMC_ERR_OUTSIDE_PROXY);
        EXPECT(vmmc_send_strided(bytes, 10, scene.proxy.address - 10, 10, 10, 2) ==
               VMMC_ERR_OUTSIDE_PROXY);
        scene.expect_target();
        EXPECT(counters().transfers_sent == 0);
        EXPECT(vmmc_send_gather(pieces, 2, end - 100'001) == VMMC_OK);
        EXPECT(vmmc_send_strided(bytes, 10, scene.proxy.address, 10, 10, kRoom / 10) == VMMC_OK);
      }});
}

TEST_CASE("S10.4 a strided send moves blocks that lie apart, and leaves what is between them") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim, {[seed](Part&) { send_strided_at_random(seed); }});
}

TEST_CASE("S10.4 a column of a matrix becomes a row of the remote one") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        constexpr std::size_t kSide = 129;
        auto* remote = reinterpret_cast<std::uint32_t*>(export_new(4 * kSide * kSide, 1));
        const Proxy proxy = import_from(0, 1);
        std::vector<std::uint32_t> matrix(kSide * kSide);
        for (std::uint32_t i = 0; i < matrix.size(); ++i) matrix[i] = i + 1;
        for (std::size_t column = 0; column < kSide; ++column) {
          EXPECT(vmmc_send_strided(matrix.data() + column, 4 * kSide,
                                   proxy.address + 4 * kSide * column, 4, 4, kSide) == VMMC_OK);
        }
        EXPECT(vmmc_fence() == VMMC_OK);
        for (std::size_t i = 0; i < kSide; ++i) {
          for (std::size_t j = 0; j < kSide; ++j) {
            EXPECT(remote[i * kSide + j] == matrix[j * kSide + i]);
          }
        }
      }});
}
