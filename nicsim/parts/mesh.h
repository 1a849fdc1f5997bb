// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The backplane of a SHRIMP machine: a 2-D mesh of routers as in the Paragon, one for each node.
//
//                     to and from row - 1
//                            |   ^
//                            v   |
//                        +---B------+           B: the buffer of an input. Node n's router stands in
//   to and from      --->B          |--->          row n / columns, column n % columns.
//   column - 1       <---|  router  B<---       to and from column + 1
//                        +------B---+
//                          |    ^ ^ |
//                 ejection |    | | +--->       to and from row + 1
//                          v    | +------
//                         node -+ injection
//
// Routing is by dimension: first along the row to the destination's column, then along the column.
// Between a router and its neighbour there is a channel in each direction; injection and ejection are
// channels, too, of the same bandwidth. Each but the ejection ends in a buffer of its own.
//
// Switching is by wormhole, computed for whole parcels. Let a(i) be the time at which the parcel's head
// enters the i-th channel of its way, L its bytes, B those of a buffer, and t(n) the time of n bytes on
// a link.
//   - The head stands at channel i + 1 at a(i) + hop_ns, or when the parcel before it has left the
//     buffer, if that is later. It enters when the channel is free; those who wait for a channel enter
//     it in the order in which they came to stand there. At the ejection, the node must have room for
//     the whole parcel, too.
//   - The tail has crossed channel i when every byte has, and a byte can only cross if the buffer has
//     room: at max over k of a(i + k) + t(L - k * B), k = 0, 1, ... while L > k * B. Until then the
//     channel belongs to the parcel.
//   - If parcels before it are still in the buffer, and it does not fit in with them, then its tail has
//     not crossed before they have left. (Their last bytes and its first ones share the buffer; that
//     moment is at most t(B) later than if bytes were followed one by one.)
// Alone, a parcel over a distance of d routers arrives (d + 1) * hop_ns + t(L) after its injection. A
// byte follows the one before it without a gap; that is so in a machine if a buffer holds what a link
// carries in hop_ns.
//
// Why no deadlock: number the channels in the order injections, those along rows in the direction of
// their travel, those along columns likewise, ejections. A parcel holds channels and buffers that it
// has entered, and waits for a channel with a higher number, or in a buffer for a parcel that does so.
// So whoever has come furthest by number waits for nobody but a node with too little room. REQUIRES of
// the client: a node makes room for what has arrived even if it cannot inject.
//
// Memory: so many bytes for each node, and for each parcel under way; of these there are at most as
// many as fit into the buffers. None is allocated once there have been as many parcels under way.
//
// Threads: one. Callbacks may call inject() and room_freed(), except that reserve() may not.
// `parameters`: link_mb_per_s 0: bytes take no time. buffer_bytes 0: a parcel holds its whole way
// until its tail is at the destination.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/backplane_port.h"
#include "nicsim/parts/event_queue.h"

namespace vmmc::nicsim::parts {

class Mesh final : public BackplanePort {
 public:
  // At most 32,767 rows or columns. The client may be under construction.
  Mesh(EventQueue& queue, const model::BackplaneParameters& parameters, std::uint32_t rows,
       std::uint32_t columns, BackplaneClient& client);

  void inject(const Parcel& parcel) override;
  void room_freed(std::uint32_t destination) override;
  const Counters& counters() const override { return counters_; }

  // Of memory that it has allocated.
  std::size_t bytes() const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  // A list of worms; each is in one at most: where its head stands.
  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  struct Channel {
    Time end = 0;                  // when its holder's tail has crossed it, as far as is known
    std::uint32_t holder = kNone;  // whose tail has not crossed it
    List waiting;                  // for the channel
    // Of the buffer at its end:
    std::uint32_t front = kNone;  // who is next to leave it, or is leaving it
    List behind;                  // others whose heads have arrived in it
    std::uint32_t filled = 0;  // bytes of all who have entered the channel and not left the buffer
    bool tail_waits = false;   // the holder's, for room in the buffer
  };

  // A parcel under way. Positions count the channels of its way.
  struct Worm {
    Parcel parcel;
    Time arrived;         // the head, where it stands
    std::uint32_t next;   // in a List, or in the pool
    std::int32_t x_step;  // from router to router
    std::int32_t y_step;  // the same
    std::uint16_t x_hops;
    std::uint16_t last;     // position of the ejection
    std::uint16_t spans;    // how many channels after one may still hold its tail back
    std::uint16_t head;     // position of the channel to enter
    std::uint16_t tail;     // ... to be crossed by the tail
    std::uint16_t settled;  // all before this one have their final `end`
  };

  std::uint32_t channel_of(const Worm& worm, std::uint32_t position) const;
  Channel& channel_at(const Worm& worm, std::uint32_t position) {
    return channels_[channel_of(worm, position)];
  }
  Time time_of(std::uint32_t bytes) const { return time_of_bytes(bytes, mb_per_s_); }
  std::uint32_t new_worm(const Parcel& parcel);
  void append(List& list, std::uint32_t worm);
  std::uint32_t remove_first(List& list);

  void head_arrives(std::uint64_t worm);
  void stand_at_next(std::uint32_t worm);
  void serve(std::uint32_t channel);
  void enter(std::uint32_t worm);
  void hold_back_tail(const Worm& worm, std::uint32_t position);
  void settle(std::uint32_t worm, std::uint32_t position);
  void tail_crosses(std::uint64_t worm);
  void leave_buffer(Channel& channel, std::uint32_t bytes);
  void end_of(std::uint32_t worm);

  EventQueue& queue_;
  BackplaneClient& client_;
  const std::int32_t columns_;
  const Time hop_;
  const double mb_per_s_;
  const std::uint32_t buffer_bytes_;
  std::vector<Channel> channels_;  // six of each router
  std::vector<Worm> worms_;
  std::uint32_t unused_ = kNone;  // worms
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
