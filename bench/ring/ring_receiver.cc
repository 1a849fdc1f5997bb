// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC's receive ring, frame by frame.
#include "bench/ring/receiver.h"
#include "bench/support/processes.h"
#include "vmmc/ring.h"
#include "vmmc/vmmc.h"

namespace vmmc::bench {
namespace {

constexpr std::uint32_t kRingId = 1;
constexpr std::uint32_t kBlockBytes = 256 * 1024;

void must(int status, const char* what) {
  if (status != VMMC_OK) fail(what, vmmc_last_error());
}

class RingReceiver final : public Receiver {
 public:
  // `open` opens the ring with the options it is given.
  template <typename Open>
  explicit RingReceiver(std::uint32_t blocks, Open open) {
    vmmc_init_options init = VMMC_INIT_DEFAULTS;
    init.never_start = 1;
    must(vmmc_init(&init), "vmmc_init");
    vmmc_ring_options options = VMMC_RING_DEFAULTS;
    options.blocks = blocks;
    options.block_bytes = kBlockBytes;
    options.snap_length = kSnapLength;
    must(open(options, &ring_), "opening the ring");
  }
  ~RingReceiver() override {
    (void)vmmc_ring_close(ring_);
    (void)vmmc_finalize();
  }
  RingReceiver(const RingReceiver&) = delete;
  RingReceiver& operator=(const RingReceiver&) = delete;

  bool drain(Tally& tally, std::uint64_t timeout) override {
    const vmmc_frame* frame = nullptr;
    int status = vmmc_ring_next(ring_, &frame, timeout);
    // Some at a time, so that the caller can look at the time.
    for (int taken = 1; status == VMMC_OK; ++taken) {
      tally.add(vmmc_frame_data(frame), frame->captured, frame->length);
      if (taken == kAtATime) return true;
      status = vmmc_ring_next(ring_, &frame, 0);
    }
    if (status == VMMC_ERR_TIMEOUT) return true;
    if (status != VMMC_END) must(status, "vmmc_ring_next");
    return false;
  }

  Losses losses() override {
    vmmc_ring_counters counters{};
    must(vmmc_ring_get_counters(ring_, &counters), "vmmc_ring_get_counters");
    return {.frames = counters.dropped + counters.source_dropped, .waits = counters.waits};
  }

 private:
  static constexpr int kAtATime = 100'000;

  vmmc_ring* ring_ = nullptr;
};

}  // namespace

std::unique_ptr<Receiver> open_ring_file(int file) {
  constexpr std::uint32_t kBlocks = 64;
  return std::make_unique<RingReceiver>(kBlocks,
                                        [&](const vmmc_ring_options& options, vmmc_ring** ring) {
                                          return vmmc_ring_open_file(file, kRingId, &options, ring);
                                        });
}

std::unique_ptr<Receiver> open_ring_interface(const std::string& interface) {
  constexpr int kPacketSocket = 16 << 20;  // bytes that the kernel has for it, beside its blocks
  constexpr std::uint32_t kBlocks = (kBufferBytes - kPacketSocket) / kBlockBytes;
  return std::make_unique<RingReceiver>(
      kBlocks, [&](const vmmc_ring_options& options, vmmc_ring** ring) {
        return vmmc_ring_open_interface(interface.c_str(), nullptr, 0, kRingId, &options, ring);
      });
}

}  // namespace vmmc::bench
