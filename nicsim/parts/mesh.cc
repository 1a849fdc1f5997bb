// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/parts/mesh.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>

namespace vmmc::nicsim::parts {
namespace {

// A router's channels: those that leave it, and its node's injection.
enum : std::uint32_t { kRight, kLeft, kDown, kUp, kInjection, kEjection, kChannels };

}  // namespace

Mesh::Mesh(EventQueue& queue, const model::BackplaneParameters& parameters, std::uint32_t rows,
           std::uint32_t columns, BackplaneClient& client)
    : queue_(queue),
      client_(client),
      columns_(static_cast<std::int32_t>(columns)),
      hop_(from_ns(parameters.hop_ns)),
      mb_per_s_(parameters.link_mb_per_s),
      buffer_bytes_(static_cast<std::uint32_t>(parameters.buffer_bytes)),
      channels_(std::size_t{rows} * columns * kChannels) {
  assert(rows > 0 && columns > 0 && rows < 0x8000 && columns < 0x8000);
}

std::size_t Mesh::bytes() const {
  return channels_.capacity() * sizeof(Channel) + worms_.capacity() * sizeof(Worm);
}

std::uint32_t Mesh::channel_of(const Worm& worm, std::uint32_t position) const {
  if (position == 0) return worm.parcel.source * kChannels + kInjection;
  if (position == worm.last) return worm.parcel.destination * kChannels + kEjection;
  const std::uint32_t along_row = std::min<std::uint32_t>(position - 1, worm.x_hops);
  const std::uint32_t along_column = position - 1 - along_row;
  const auto router =
      static_cast<std::uint32_t>(static_cast<std::int32_t>(worm.parcel.source) +
                                 static_cast<std::int32_t>(along_row) * worm.x_step +
                                 static_cast<std::int32_t>(along_column) * worm.y_step);
  if (position <= worm.x_hops) return router * kChannels + (worm.x_step > 0 ? kRight : kLeft);
  return router * kChannels + (worm.y_step > 0 ? kDown : kUp);
}

std::uint32_t Mesh::new_worm(const Parcel& parcel) {
  const auto source = static_cast<std::int32_t>(parcel.source);
  const auto destination = static_cast<std::int32_t>(parcel.destination);
  const std::int32_t x = destination % columns_ - source % columns_;
  const std::int32_t y = destination / columns_ - source / columns_;
  const auto last = static_cast<std::uint16_t>(std::abs(x) + std::abs(y) + 1);
  std::uint32_t spans = last;
  if (parcel.bytes <= buffer_bytes_) {
    spans = 0;
  } else if (buffer_bytes_ > 0) {
    spans = std::min<std::uint32_t>(last, (parcel.bytes - 1) / buffer_bytes_);
  }
  std::uint32_t index = unused_;
  if (index == kNone) {
    index = static_cast<std::uint32_t>(worms_.size());
    worms_.emplace_back();
  } else {
    unused_ = worms_[index].next;
  }
  worms_[index] = {.parcel = parcel,
                   .arrived = queue_.now(),
                   .next = kNone,
                   .x_step = x < 0 ? -1 : 1,
                   .y_step = y < 0 ? -columns_ : columns_,
                   .x_hops = static_cast<std::uint16_t>(std::abs(x)),
                   .last = last,
                   .spans = static_cast<std::uint16_t>(spans),
                   .head = 0,
                   .tail = 0,
                   .settled = 0};
  return index;
}

void Mesh::append(List& list, std::uint32_t worm) {
  worms_[worm].next = kNone;
  if (list.first == kNone) {
    list.first = worm;
  } else {
    worms_[list.last].next = worm;
  }
  list.last = worm;
}

std::uint32_t Mesh::remove_first(List& list) {
  const std::uint32_t worm = list.first;
  list.first = worms_[worm].next;
  return worm;
}

void Mesh::inject(const Parcel& parcel) {
  assert(std::max(parcel.source, parcel.destination) < channels_.size() / kChannels);
  assert(channels_[parcel.source * kChannels + kInjection].holder == kNone);
  enter(new_worm(parcel));
}

void Mesh::room_freed(std::uint32_t destination) { serve(destination * kChannels + kEjection); }

// The head has come through a channel into its buffer.
void Mesh::head_arrives(std::uint64_t argument) {
  const auto index = static_cast<std::uint32_t>(argument);
  Worm& worm = worms_[index];
  worm.arrived = queue_.now();
  Channel& channel = channel_at(worm, worm.head - 1u);
  if (channel.front != kNone) return append(channel.behind, index);
  channel.front = index;
  stand_at_next(index);
}

void Mesh::stand_at_next(std::uint32_t worm) {
  const std::uint32_t next = channel_of(worms_[worm], worms_[worm].head);
  append(channels_[next].waiting, worm);
  // If others wait, serve() has been tried for them.
  if (channels_[next].waiting.first == worm) serve(next);
}

// Lets the first who waits for the channel enter, if possible.
void Mesh::serve(std::uint32_t index) {
  Channel& channel = channels_[index];
  if (channel.holder != kNone || channel.waiting.first == kNone) return;
  if (index % kChannels == kEjection) {
    const Parcel& parcel = worms_[channel.waiting.first].parcel;
    if (!client_.reserve(parcel.destination, parcel.bytes)) return;
  }
  enter(remove_first(channel.waiting));
}

void Mesh::enter(std::uint32_t index) {
  Worm& worm = worms_[index];
  const std::uint32_t position = worm.head++;
  Channel& channel = channel_at(worm, position);
  channel.holder = index;
  channel.end = queue_.now() + time_of(worm.parcel.bytes);
  counters_.blocked_ps += queue_.now() - worm.arrived;
  hold_back_tail(worm, position);
  if (position < worm.last) {
    if (position > 0) ++counters_.hops;
    channel.filled += worm.parcel.bytes;
    queue_.after<&Mesh::head_arrives>(hop_, *this, index);
  }
  settle(index, position);
}

// The head enters the channel at `position` only now: bytes for which there was no room up to here
// cross the channels before it accordingly later. If that makes no difference at one of them, because
// the bytes were held back longer there, then it makes none at those before.
void Mesh::hold_back_tail(const Worm& worm, std::uint32_t position) {
  const std::uint32_t farthest = std::min<std::uint32_t>(worm.spans, position);
  for (std::uint32_t k = 1; k <= farthest; ++k) {
    Channel& channel = channel_at(worm, position - k);
    const Time end = queue_.now() + time_of(worm.parcel.bytes - k * buffer_bytes_);
    if (end <= channel.end) return;
    channel.end = end;
  }
}

// What comes after `position` does not change the `end` of those that it no longer spans. The tail
// crosses them one after the other: one event at a time.
void Mesh::settle(std::uint32_t index, std::uint32_t position) {
  Worm& worm = worms_[index];
  const bool under_way = worm.tail < worm.settled;
  if (position == worm.last) {
    worm.settled = static_cast<std::uint16_t>(position + 1);
  } else if (position >= worm.spans) {
    worm.settled = static_cast<std::uint16_t>(position - worm.spans + 1);
  }
  if (under_way || worm.tail == worm.settled) return;
  const Time end = channel_at(worm, worm.tail).end;
  queue_.at<&Mesh::tail_crosses>(std::max(end, queue_.now()), *this, index);
}

// It is time for the tail to have crossed its channel, if there is room in the buffer.
void Mesh::tail_crosses(std::uint64_t argument) {
  const auto index = static_cast<std::uint32_t>(argument);
  Worm& worm = worms_[index];
  const std::uint32_t position = worm.tail;
  const std::uint32_t number = channel_of(worm, position);
  Channel& channel = channels_[number];
  channel.tail_waits = channel.front != index && channel.filled > buffer_bytes_;
  if (channel.tail_waits) return;
  channel.holder = kNone;
  ++worm.tail;
  if (worm.tail < worm.settled) {
    const Time end = channel_at(worm, worm.tail).end;
    queue_.at<&Mesh::tail_crosses>(std::max(end, queue_.now()), *this, index);
  }
  const Parcel parcel = worm.parcel;
  const std::uint32_t before = position == 0 ? kNone : channel_of(worm, position - 1);
  // The node hears of the end of a parcel before it is asked to make room for the next one.
  if (position == worm.last) end_of(index);
  if (before == kNone) {
    client_.injected(parcel.source);
  } else {
    leave_buffer(channels_[before], parcel.bytes);
  }
  serve(number);
}

// The tail of the front parcel has left the buffer at the end of the channel.
void Mesh::leave_buffer(Channel& channel, std::uint32_t bytes) {
  channel.filled -= bytes;
  channel.front = kNone;
  if (channel.tail_waits) queue_.after<&Mesh::tail_crosses>(0, *this, channel.holder);
  channel.tail_waits = false;
  if (channel.behind.first == kNone) return;
  channel.front = remove_first(channel.behind);
  stand_at_next(channel.front);
}

void Mesh::end_of(std::uint32_t index) {
  const Parcel parcel = worms_[index].parcel;
  worms_[index].next = unused_;
  unused_ = index;
  ++counters_.parcels;
  client_.arrived(parcel);
}

}  // namespace vmmc::nicsim::parts
