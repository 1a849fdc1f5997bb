// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A process that uses an imported buffer in every way there is beyond plain sends.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

namespace vmmc::testing {

// One who asks: what it needs for all its calls, and the calls by turns.
class Asker {
 public:
  explicit Asker(const Proxy& proxy)
      : proxy_(proxy),
        heap_(kRoom),
        registered_(kRoom),
        mapped_(static_cast<unsigned char*>(allocate(kRoom))) {
    EXPECT(vmmc_register(registered_.data(), kRoom) == VMMC_OK);
  }

  static constexpr std::size_t kRoom = 1 << 20;  // bytes of the buffer that it asks for
  static constexpr unsigned kCalls = 8;

  // One of its calls. The bytes of the second half never change: what is fetched is looked at.
  int call(unsigned turn) {
    const std::size_t length = 1 + turn * std::size_t{7919} % (kRoom / 4);
    unsigned char* const remote = proxy_.address + kRoom / 2;
    const vmmc_piece pieces[] = {{mapped_, length / 2}, {heap_.data(), length - length / 2}};
    switch (turn % kCalls) {
      case 0:
        return fetched(vmmc_fetch(heap_.data(), remote, length), heap_.data(), length);
      case 1:
        return fetched(vmmc_fetch(mapped_, remote, length), mapped_, length);
      case 2:
        return started(heap_.data(), remote, length);
      case 3:
        return started(registered_.data(), remote, length);
      case 4:
        return vmmc_fetch_add_64(proxy_.address, 1, nullptr);
      case 5:
        return vmmc_send_gather(pieces, 2, proxy_.address + 64);
      case 6:
        return vmmc_send_strided(heap_.data(), 1000, proxy_.address + 64, 1500, 900, 100);
      default:
        return vmmc_compare_swap_32(proxy_.address + 8, turn, turn + 1, nullptr);
    }
  }

 private:
  static int fetched(int status, const unsigned char* bytes, std::size_t length) {
    if (status == VMMC_OK)
      EXPECT(std::count(bytes, bytes + length, 0x5a) == static_cast<long>(length));
    return status;
  }
  static int started(unsigned char* to, unsigned char* remote, std::size_t length) {
    vmmc_send_handle handle = 0;
    const int status = vmmc_fetch_start(to, remote, length, &handle);
    return fetched(status == VMMC_OK ? vmmc_send_wait(handle) : status, to, length);
  }

  Proxy proxy_;
  std::vector<unsigned char> heap_;
  std::vector<unsigned char> registered_;
  unsigned char* mapped_;
};

inline unsigned char* export_for_askers(std::uint32_t id, bool redirectable = false) {
  auto* memory = static_cast<unsigned char*>(allocate(Asker::kRoom));
  std::memset(memory + Asker::kRoom / 2, 0x5a, Asker::kRoom / 2);
  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
  options.redirectable = redirectable ? 1 : 0;
  EXPECT(vmmc_export(memory, Asker::kRoom, id, &options) == VMMC_OK);
  return memory;
}

}  // namespace vmmc::testing
