// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Rings of the backplane: packets of transfers.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/ring/ring_run.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kLinkType = 147;
constexpr std::size_t kHeaderBytes = 72;

// Not where the user namespace has no second user, as inside a sandbox.
bool can_become_somebody_else() {
  if (::geteuid() != 0) return false;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::setresuid(65534, 65534, 65534) == 0 ? 0 : 1);
  int status = -1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

std::vector<unsigned char> pattern(std::size_t bytes) {
  std::vector<unsigned char> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<unsigned char>(i * 7 + i / 256);
  return data;
}

// The payloads of the next packets, one behind the other, until there are `bytes` of them.
std::vector<unsigned char> read_payload(vmmc_ring* ring, std::size_t bytes) {
  std::vector<unsigned char> payload;
  while (payload.size() < bytes) {
    const vmmc_frame* frame = nullptr;
    EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
    EXPECT(frame->link_type == kLinkType);
    EXPECT(frame->captured >= kHeaderBytes);
    EXPECT(frame->length == frame->captured);
    EXPECT(frame->dropped == 0);
    const unsigned char* data = vmmc_frame_data(frame);
    payload.insert(payload.end(), data + kHeaderBytes, data + frame->captured);
  }
  return payload;
}

}  // namespace

TEST_CASE("S13.13 the packets of a transfer, in order, with their payload") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(65536, 1);
                           part.meet();
                           part.meet();
                           const auto sent = pattern(30'000);
                           await(memory + 65532, 1);
                           EXPECT(std::memcmp(memory, sent.data(), sent.size()) == 0);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           Proxy proxy = import_from(0, 1);
                           vmmc_ring* ring = nullptr;
                           EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, nullptr, &ring) == VMMC_OK);
                           std::uint32_t link_type = 0;
                           EXPECT(vmmc_ring_link_type(ring, &link_type) == VMMC_OK);
                           EXPECT(link_type == kLinkType);
                           part.meet();
                           const auto sent = pattern(30'000);
                           EXPECT(vmmc_send(sent.data(), proxy.address, sent.size()) == VMMC_OK);
                           send_word(1, proxy.address + 65532);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           const auto seen = read_payload(ring, sent.size() + 4);
                           EXPECT(seen.size() == sent.size() + 4);
                           EXPECT(std::memcmp(seen.data(), sent.data(), sent.size()) == 0);
                           EXPECT(vmmc_ring_close(ring) == VMMC_OK);
                         }});
}

TEST_CASE("S13.13 a ring of one node sees what leaves or reaches it, and nothing else") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(4096, 1);
                   part.meet();
                   vmmc_ring* ring = nullptr;
                   EXPECT(vmmc_ring_open_backplane(2, 1, nullptr, &ring) == VMMC_OK);
                   part.meet();
                   await(memory, 11);
                   await(memory + 4, 22);
                   const auto seen = read_payload(ring, 4);
                   std::uint32_t word = 0;
                   std::memcpy(&word, seen.data(), 4);
                   EXPECT(seen.size() == 4);
                   EXPECT(word == 22);
                   const vmmc_frame* frame = nullptr;
                   EXPECT(vmmc_ring_next(ring, &frame, 0) == VMMC_ERR_TIMEOUT);
                   EXPECT(vmmc_ring_open_backplane(99, 2, nullptr, &ring) == VMMC_ERR_NO_SUCH_NODE);
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   Proxy proxy = import_from(0, 1);
                   part.meet();
                   send_word(11, proxy.address);
                   EXPECT(vmmc_fence() == VMMC_OK);
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   Proxy proxy = import_from(0, 1);
                   part.meet();
                   send_word(22, proxy.address + 4);
                   EXPECT(vmmc_fence() == VMMC_OK);
                 }});
}

TEST_CASE("S13.13 nobody but nicsim's user and root sees the transfers of others") {
  if (!can_become_somebody_else()) {
    MESSAGE("skipped: this process cannot become somebody else here");
    return;
  }
  NicsimProcess nicsim({"--users", "any"});
  run_processes(
      nicsim, {[](Part&) {
        EXPECT(::setresuid(65534, 65534, 65534) == 0);
        attach();
        vmmc_ring* ring = nullptr;
        EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, nullptr, &ring) == VMMC_ERR_PERMISSION_DENIED);
      }});
}
