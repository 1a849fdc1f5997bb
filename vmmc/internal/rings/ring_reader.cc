// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/rings/ring_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "vmmc/internal/clock.h"

namespace vmmc::internal {
namespace {

const wire::BlockHeader& header_of(const std::byte* block) {
  return *reinterpret_cast<const wire::BlockHeader*>(block);
}

}  // namespace

RingReader::RingReader(const RingMemory& memory, int pipe, RingPeer& peer)
    : memory_(memory),
      pipe_(pipe),
      peer_(peer),
      blocks_(memory.count),
      looks_(__atomic_load_n(&memory.port->header.source, __ATOMIC_RELAXED) ==
             static_cast<std::uint32_t>(wire::FrameSourceKind::kBackplane)) {}

void RingReader::stop(int status) {
  stopped_ = status;
  current_ = cursor_ = known_ = nullptr;
}

int RingReader::malformed(const char* what) {
  nonsense_ = what;
  stop(VMMC_ERR_MALFORMED);
  return VMMC_ERR_MALFORMED;
}

int RingReader::take(Taken* taken, std::uint64_t timeout) {
  int status = wait(Wanted::kClosedBlock, timeout);
  if (status == VMMC_ERR_TIMEOUT && find(Wanted::kFrames)) status = VMMC_OK;
  if (status == VMMC_ERR_TIMEOUT && stopped_ != VMMC_OK) status = stopped_;
  if (status != VMMC_OK) return status;
  std::uint32_t frames = 0;
  for (const std::byte* frame = cursor_; frame != known_; ++frames) {
    const std::uint32_t bytes = bytes_of_frame(frame, known_);
    if (bytes == 0) return malformed("a frame's lengths");
    frame += bytes;
  }
  *taken = {cursor_, known_, frames, index_, again_};
  ++blocks_[index_].parts;
  cursor_ = known_;
  if (closed_) leave_block();
  return VMMC_OK;
}

int RingReader::give_back_part(std::uint32_t index) {
  if (stopped_ != VMMC_OK) return stopped_;
  if (index >= memory_.count || blocks_[index].parts == 0) return VMMC_ERR_NOT_HELD;
  Block& block = blocks_[index];
  if (--block.parts == 0 && block.finished) give_back(index);
  return VMMC_OK;
}

void RingReader::leave_block() {
  current_ = cursor_ = known_ = nullptr;
  closed_ = false;
  blocks_[index_].finished = true;
  if (blocks_[index_].parts == 0) give_back(index_);
}

void RingReader::give_back(std::uint32_t index) {
  blocks_[index] = {};
  memory_.port->returned[returned_ % wire::kMaxRingBlocks].store(index, std::memory_order_relaxed);
  wire::RingDemand& demand = memory_.port->demand;
  demand.returned.store(++returned_, std::memory_order_release);
  // Pairs with nicsim's fence between its store to the flag and its last look at `returned`.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (demand.nic_sleeps.load(std::memory_order_relaxed) != 0 &&
      demand.nic_sleeps.exchange(0, std::memory_order_relaxed) == 1) {
    peer_.ring_doorbell();
  }
}

// False: there is none, or it makes no sense.
bool RingReader::enter_next_block() {
  const wire::RingPort& port = *memory_.port;
  const std::uint64_t offered = port.offer.offered.load(std::memory_order_acquire);
  if (offered == entered_) return false;
  if (offered - entered_ > memory_.count) return malformed("the number of offers"), false;
  const std::uint32_t index =
      __atomic_load_n(&port.offered[entered_ % wire::kMaxRingBlocks], __ATOMIC_RELAXED);
  if (index >= memory_.count || blocks_[index].held) return malformed("an offer"), false;
  ++entered_;
  blocks_[index].held = true;
  index_ = index;
  current_ = memory_.blocks + std::size_t{index} * memory_.block_bytes;
  cursor_ = known_ = current_ + wire::kBlockHeaderBytes;
  closed_ = false;
  if (!read_filled()) return false;
  const std::uint32_t flags = __atomic_load_n(&header_of(current_).flags, __ATOMIC_RELAXED);
  again_ = (flags & wire::kBlockOfferedBefore) != 0;
  // Otherwise somebody could have us follow offers for ever.
  if (closed_ && cursor_ == known_) return malformed("a block without frames"), false;
  return true;
}

bool RingReader::read_filled() {
  const std::uint64_t filled = header_of(current_).filled.load(std::memory_order_acquire);
  const std::uint64_t bytes = filled & ~wire::kBlockClosed;
  if (bytes < static_cast<std::uint64_t>(known_ - current_) || bytes > memory_.block_bytes ||
      bytes % wire::kFrameAlignment != 0) {
    return malformed("how far a block is filled"), false;
  }
  known_ = current_ + bytes;
  closed_ = (filled & wire::kBlockClosed) != 0;
  return true;
}

// Also learns whether the current block has been closed.
bool RingReader::find_frames() {
  if (stopped_ != VMMC_OK) return false;
  if (current_ != nullptr) {
    if (!closed_ && !read_filled()) return false;
    if (cursor_ != known_) return true;
    if (!closed_) return false;
    leave_block();
  }
  return enter_next_block() && cursor_ != known_;
}

bool RingReader::find(Wanted wanted) {
  return find_frames() && (wanted == Wanted::kFrames || closed_);
}

int RingReader::end_of_source() {
  const int status = static_cast<int>(memory_.port->offer.status.load(std::memory_order_relaxed));
  switch (status) {
    case VMMC_OK:
      return VMMC_END;
    case VMMC_ERR_CORRUPT_CAPTURE:
    case VMMC_ERR_TRUNCATED_CAPTURE:
    case VMMC_ERR_FRAME_SOURCE_GONE:
    case VMMC_ERR_OUT_OF_MEMORY:
      return status;
    default:
      return malformed("what the source has ended by");
  }
}

// One look: VMMC_OK: what is wanted is there; VMMC_PENDING: not yet; anything else: never.
int RingReader::look(Wanted wanted) {
  if (find(wanted)) return VMMC_OK;
  if (stopped_ != VMMC_OK) return stopped_;
  const std::uint32_t state =
      static_cast<std::uint32_t>(memory_.port->offer.state.load(std::memory_order_acquire));
  if (state > static_cast<std::uint32_t>(wire::RingState::kEnded)) {
    return malformed("the source's state");
  }
  const bool ended = state == static_cast<std::uint32_t>(wire::RingState::kEnded);
  if (!ended && !gone()) return VMMC_PENDING;
  // What came before the end became visible before it; no block will be closed any more.
  if (find(Wanted::kFrames)) return VMMC_OK;
  if (stopped_ != VMMC_OK) return stopped_;
  return ended ? end_of_source() : VMMC_ERR_NICSIM_GONE;
}

int RingReader::wait(Wanted wanted, std::uint64_t timeout) {
  int status = look(wanted);
  if (status != VMMC_PENDING) return status;
  if (timeout == 0) return VMMC_ERR_TIMEOUT;
  Deadline deadline(timeout);
  adaptive_.reset();
  for (;;) {
    if (!looks_ || adaptive_.step() == platform::AdaptiveWait::Advice::kSleep) {
      const std::uint64_t left = deadline.remaining();
      if (left == 0) return VMMC_ERR_TIMEOUT;
      sleep(wanted, left);
    } else if (adaptive_.clock() != 0 && deadline.passed(adaptive_.clock())) {
      return VMMC_ERR_TIMEOUT;
    }
    status = look(wanted);
    if (status != VMMC_PENDING) return status;
  }
}

void RingReader::sleep(Wanted wanted, std::uint64_t timeout) {
  if (std::exchange(rung_, false)) drain();  // first: a byte that comes after the flag must wake us
  std::atomic<std::uint32_t>& sleeps = memory_.port->demand.consumer_sleeps;
  sleeps.store(1, std::memory_order_relaxed);
  // Pairs with nicsim's fence between what it makes visible and its look at the flag.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (look(wanted) == VMMC_PENDING) {
    ++sleeps_;
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(timeout / 1'000'000'000);
    limit.tv_nsec = static_cast<long>(timeout % 1'000'000'000);
    pollfd pipe{pipe_, POLLIN, 0};
    const int saved = errno;
    (void)::ppoll(&pipe, 1, timeout == UINT64_MAX ? nullptr : &limit, nullptr);
    errno = saved;
    if ((pipe.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) hung_up_ = true;
    rung_ = (pipe.revents & POLLIN) != 0;
  }
  if (sleeps.exchange(0, std::memory_order_relaxed) == 0) rung_ = true;
}

int RingReader::arm() {
  if (stopped_ != VMMC_OK) return stopped_;
  drain();  // in any case: who polls does not tell us why that has ended
  rung_ = true;
  std::atomic<std::uint32_t>& sleeps = memory_.port->demand.consumer_sleeps;
  sleeps.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (look(Wanted::kFrames) == VMMC_PENDING) {
    ++sleeps_;
    return VMMC_OK;
  }
  sleeps.store(0, std::memory_order_relaxed);
  return VMMC_PENDING;
}

void RingReader::drain() {
  const int saved = errno;
  char bytes[64];
  for (;;) {
    const ssize_t got = ::read(pipe_, bytes, sizeof bytes);
    if (got == 0) hung_up_ = true;
    if (got < 0 && errno == EINTR) continue;
    if (got < static_cast<ssize_t>(sizeof bytes)) break;
  }
  errno = saved;
}

}  // namespace vmmc::internal
