// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/meeting_point.h"

#include <utility>

#include "examples/support/must.h"
#include "vmmc/vmmc.h"

namespace examples::intrusiondetector {
namespace {

constexpr std::uint32_t kInboxes = 100;  // + rank: the id of its inbox at rank 0
constexpr std::uint32_t kEmptied = 99;   // at each of the others

std::uint32_t look(const std::uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

}  // namespace

Sums& Sums::operator+=(const Sums& other) {
  frames += other.frames;
  bytes += other.bytes;
  flows += other.flows;
  forgotten += other.forgotten;
  alerts += other.alerts;
  dropped += other.dropped;
  source_dropped += other.source_dropped;
  return *this;
}

MeetingPoint::MeetingPoint(std::function<void(const Opening&)> on_opening,
                           const std::function<void()>& before)
    : on_opening_(std::move(on_opening)) {
  if (vmmc_rank() != 0) {
    batch_ = allocate<Batch>(1);
    inbox_ = import_buffer<Inbox>(0, kInboxes + vmmc_rank());
    before();
    emptied_ = allocate<std::uint32_t>(1);
    export_buffer(emptied_, sizeof *emptied_, kEmptied);
    return;
  }
  for (std::uint32_t rank = 1; rank < vmmc_size(); ++rank) {
    Inbox* const inbox = allocate<Inbox>(1);
    export_buffer(inbox, sizeof *inbox, kInboxes + rank);
    peers_.push_back({inbox, nullptr});
  }
  for (std::uint32_t rank = 1; rank < vmmc_size(); ++rank) {
    peers_[rank - 1].emptied_there = import_buffer<std::uint32_t>(rank, kEmptied);
  }
}

void MeetingPoint::add(const Opening& opening) {
  if (batch_ == nullptr) {
    on_opening_(opening);
    return;
  }
  batch_->openings[batch_->count++] = opening;
  if (batch_->count == kMost) send();
}

void MeetingPoint::exchange() {
  if (batch_ == nullptr) {
    take();
  } else if (batch_->count != 0 && look(emptied_) == sent_) {
    send();
  }
}

void MeetingPoint::take() {
  for (Peer& peer : peers_) {
    if (peer.ended || look(&peer.inbox->number) == peer.emptied) continue;
    const Batch& batch = peer.inbox->batch;
    for (std::uint32_t i = 0; i < batch.count; ++i) on_opening_(batch.openings[i]);
    ++peer.emptied;
    if (batch.last != 0) {
      sums_ += batch.sums;
      peer.ended = true;
      continue;  // it waits for no answer, and may have gone
    }
    examples::send(&peer.emptied, peer.emptied_there, sizeof peer.emptied);
  }
}

void MeetingPoint::send() {
  wait_for(emptied_, sent_);
  examples::send(batch_, &inbox_->batch, sizeof *batch_);
  ++sent_;
  examples::send(&sent_, &inbox_->number, sizeof sent_);
  batch_->count = 0;
}

Sums MeetingPoint::finish(const Sums& own) {
  if (batch_ != nullptr) {
    if (batch_->count != 0) send();
    batch_->sums = own;
    batch_->last = 1;
    send();
    return own;
  }
  for (Peer& peer : peers_) {
    while (!peer.ended) {
      must(vmmc_wait_32(&peer.inbox->number, VMMC_NOT_EQUAL, peer.emptied, VMMC_WAIT_ADAPTIVE,
                        kPatience),
           "waiting for the other processes");
      take();
    }
  }
  sums_ += own;
  return sums_;
}

}  // namespace examples::intrusiondetector
