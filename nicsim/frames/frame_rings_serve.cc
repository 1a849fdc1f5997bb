// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// FrameRings: how frames get from their sources into the rings.

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "nicsim/frames/frame_rings.h"
#include "nicsim/frames/open_ring.h"

namespace vmmc::nicsim {
namespace {

// A fair share of all rings together: about a tenth of a millisecond when frames are in the cache.
constexpr std::size_t kShareFrames = 1024;
constexpr std::size_t kShareBytes = 256 * 1024;

// Of a batch, which a real-time packet may have to wait for; how many frames it has at most is kBatch.
constexpr std::size_t kBatchBytes = 4 * wire::kPageSize;

// Asking a source what it has lost may be a system call.
constexpr std::chrono::milliseconds kLostInterval{10};

// How many of the frames may be moved: at least one, if there is any.
std::size_t fitting(std::span<const Frame> frames, std::size_t most) {
  most = std::min(most, frames.size());
  std::size_t count = 0;
  std::size_t sum = 0;
  while (count < most && (sum += frames[count].bytes.size()) <= kBatchBytes) ++count;
  return std::max(count, std::min<std::size_t>(most, 1));
}

}  // namespace

bool FrameRings::serve() {
  if (rings_.empty()) return false;
  Share share{Clock::now(), kShareFrames, kShareBytes};
  backplane_.publish();
  bool worked = false;
  ++turn_;
  // One step for all of them.
  const auto unprepared = std::find_if(rings_.begin(), rings_.end(), [](const auto& ring) {
    return !ring->frames->prepared() && !ring->frames->ended();
  });
  if (unprepared != rings_.end()) worked = prepare(**unprepared);
  for (bool more = true; more;) {
    more = false;
    for (std::size_t i = 0; i < rings_.size() && share.frames > 0 && share.bytes > 0; ++i) {
      if (first_ != nullptr) first_->serve_waiting();
      more |= serve_one(*rings_[(turn_ + i) % rings_.size()], share);
    }
    worked |= more;
  }
  for (const auto& ring : rings_) show(*ring, share.now);
  // When the share is used up, somebody may have something left that he was not asked for.
  return worked || share.frames == 0 || share.bytes == 0;
}

// Once a share: whoever is woken on this core finds more than a batch.
void FrameRings::show(OpenRing& ring, Clock::time_point now) {
  if (std::exchange(ring.to_publish, false)) ring.frames->publish();
  ring.frames->close_overdue(now);
  const bool brings_more = ring.source != nullptr && ring.begun && ring.dry_turn != turn_;
  if (brings_more) {
    ring.frames->wake_if_due(now);
  } else {
    ring.frames->wake();
  }
}

bool FrameRings::prepare(OpenRing& ring) {
  if (ring.frames->prepare()) return true;
  backplane_.remove(*ring.frames);
  ring.frames->end(wire::Status::kOutOfMemory);
  ring.end_source();
  return true;
}

// Moves a part of a batch; false: there is nothing, or no room for it.
bool FrameRings::serve_one(OpenRing& ring, Share& share) {
  if (ring.next == ring.taken && !fill_batch(ring, share)) return false;
  const std::span<const Frame> waiting(ring.batch.data() + ring.next, ring.taken - ring.next);
  const std::size_t count = fitting(waiting, share.frames);
  const std::size_t written =
      ring.frames->write(waiting.first(count), ring.source_waits, share.now);
  for (const Frame& frame : waiting.first(written)) {
    share.bytes -= std::min(share.bytes, frame.bytes.size());
  }
  share.frames -= written;
  ring.next += written;
  ask_for_lost(ring, share.now);
  // Also if none was: a block may have been closed for one that found no room.
  ring.to_publish = true;
  return written > 0;
}

// Frames are charged when they are moved; here, what else the source has gone over to find them.
bool FrameRings::fill_batch(OpenRing& ring, Share& share) {
  // Who had nothing is not asked twice for the same share: to ask may be a system call.
  if (ring.source == nullptr || !ring.begun || ring.dry_turn == turn_) return false;
  ring.next = 0;
  ring.taken = ring.source->take(ring.batch);
  std::uint64_t rest = ring.source->consumed();
  for (const Frame& frame : std::span(ring.batch).first(ring.taken)) {
    rest -= std::min<std::uint64_t>(rest, frame.bytes.size());
  }
  share.bytes -= std::min<std::uint64_t>(share.bytes, rest);
  if (ring.taken > 0) {
    ring.dry_since = {};
    return true;
  }
  ring.dry_turn = turn_;
  if (ring.source->ended()) {
    ring.frames->set_source_dropped(ring.source->lost());
    ring.frames->end(ring.source->status());
    ring.end_source();
  }
  return false;
}

void FrameRings::ask_for_lost(OpenRing& ring, Clock::time_point now) {
  if (now - ring.asked_for_lost < kLostInterval) return;
  ring.asked_for_lost = now;
  ring.frames->set_source_dropped(ring.source->lost());
}

bool FrameRings::worth_looking() const {
  return std::any_of(rings_.begin(), rings_.end(), [](const auto& ring) {
    return ring->source != nullptr && (ring->next < ring->taken || ring->watch == nullptr);
  });
}

FrameRings::Clock::time_point FrameRings::prepare_sleep() {
  constexpr auto kNever = Clock::time_point::max();
  constexpr auto kAtOnce = Clock::time_point::min();
  backplane_.publish();
  auto until = kNever;
  for (const auto& ring : rings_) {
    ring->frames->wake();
    until = std::min(until, ring->frames->next_timeout());
    if (ring->source == nullptr) continue;
    ring->frames->set_source_dropped(ring->source->lost());
    if (ring->next < ring->taken) {
      if (ring->frames->ask_for_room()) return kAtOnce;
    } else if (!ring->begun) {
      continue;
    } else if (ring->watch != nullptr && ring->source->descriptor() >= 0) {
      ring->watch->arm();
    } else {
      until = std::min(until, ring->time_to_ask(Clock::now()));
    }
  }
  return until;
}

}  // namespace vmmc::nicsim
