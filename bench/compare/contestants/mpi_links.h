// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ways of sending with MPI; contestant.h says what a link and a mesh are.
//
//   SendLink     MPI_Send and MPI_Recv; streams with MPI_Isend and receives that are posted before
//   PutLink      MPI_Put into a window that is locked once; the target looks at the window's memory
//   SharedLink   stores into the other's part of a window from MPI_Win_allocate_shared
//   SendMesh     MPI_Isend and MPI_Irecv among all
//
// Threads and processes: one thread; constructors and destructors are collective.
// Crash: whoever fails ends its process, and the launcher the others.
#pragma once

#include <mpi.h>

#include "bench/compare/contestant.h"

namespace mpi_contestant {

using contestant::Options;

inline constexpr std::size_t kWord = sizeof(std::uint64_t);
inline constexpr std::size_t kWindow =
    64;  // messages of a stream that are posted before they are needed

inline void must(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  contestant::fail(contestant::kPeerRefuses, "%s: %s", what, text);
}

// ------------------------------------------------------------------------------------- memory

// A message's place: the payload and, if it is longer than a word, a flag behind it.
struct Layout {
  std::size_t bytes;
  bool is_word() const { return bytes == kWord; }
  std::size_t stride() const {
    const std::size_t lines = (bytes + contestant::kCacheLine - 1) / contestant::kCacheLine;
    return (lines + (is_word() ? 0 : 1)) * contestant::kCacheLine;
  }
  std::size_t payload(std::size_t slot) const { return slot * stride(); }
  std::size_t flag(std::size_t slot) const {
    return (slot + 1) * stride() - contestant::kCacheLine;
  }
};

inline std::uint64_t load(const std::byte* place) {
  auto& word = *reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(place));
  return std::atomic_ref(word).load(std::memory_order_acquire);
}
inline void store(std::byte* place, std::uint64_t value) {
  std::atomic_ref(*reinterpret_cast<std::uint64_t*>(place)).store(value, std::memory_order_release);
}

// The part of `rank` in memory that all ranks share.
inline std::byte* shared_part(MPI_Win window, int rank) {
  MPI_Aint bytes = 0;
  int unit = 0;
  void* memory = nullptr;
  must(MPI_Win_shared_query(window, rank, &bytes, &unit, &memory), "MPI_Win_shared_query");
  return static_cast<std::byte*>(memory);
}

// A message that is one word has arrived when the word has changed.
class Inbox {
 public:
  Inbox(Layout layout, std::size_t slots) : layout_(layout), seen_(slots) {}

  template <class Progress>
  const std::byte* wait(const std::byte* memory, std::size_t slot, std::uint64_t number,
                        Progress progress) {
    const std::byte* payload = memory + layout_.payload(slot);
    const std::byte* place = layout_.is_word() ? payload : memory + layout_.flag(slot);
    contestant::poll_until([&] {
      const std::uint64_t word = load(place);
      if (layout_.is_word() ? word != seen_[slot] : word >= number) return true;
      progress();
      return false;
    });
    if (layout_.is_word()) seen_[slot] = load(place);
    return payload;
  }

 private:
  Layout layout_;
  std::vector<std::uint64_t> seen_;
};

// -------------------------------------------------------------------------------------- links

class SendLink {
 public:
  SendLink(const Options& options, int rank)
      : bytes_(static_cast<int>(options.bytes)),
        other_(1 - rank),
        slots_(contestant::slots_for(options)),
        streams_(options.measure == "bandwidth" || options.measure == "rate"),
        ahead_(streams_ ? std::min(kWindow, slots_) : 1),
        source_(contestant::private_memory(slots_ * stride())),
        destination_(contestant::private_memory(slots_ * stride())),
        receives_(slots_, MPI_REQUEST_NULL) {}

  std::byte* source(std::size_t slot) { return source_ + slot * stride(); }

  void send(std::size_t slot, std::uint64_t, bool) {
    const void* message = source_ + slot * stride();
    if (!streams_ || bytes_ == kWord) {
      must(MPI_Send(message, bytes_, MPI_BYTE, other_, 0, MPI_COMM_WORLD), "MPI_Send");
      return;
    }
    sends_.push_back(MPI_REQUEST_NULL);
    must(MPI_Isend(message, bytes_, MPI_BYTE, other_, 0, MPI_COMM_WORLD, &sends_.back()),
         "MPI_Isend");
    if (sends_.size() == kWindow) flush();
  }

  void flush() {
    must(MPI_Waitall(static_cast<int>(sends_.size()), sends_.data(), MPI_STATUSES_IGNORE),
         "MPI_Waitall");
    sends_.clear();
  }

  const std::byte* wait(std::size_t slot, std::uint64_t number, bool) {
    std::byte* const message = destination_ + slot * stride();
    if (ahead_ == 1) {
      must(MPI_Recv(message, bytes_, MPI_BYTE, other_, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
           "MPI_Recv");
      return message;
    }
    for (; posted_ < number + ahead_ - 1; ++posted_) {
      post((slot + (posted_ + 1 - number)) % slots_);
    }
    must(MPI_Wait(&receives_[slot], MPI_STATUS_IGNORE), "MPI_Wait");
    return message;
  }

  // What was posted for messages that nobody sends any more.
  ~SendLink() {
    for (MPI_Request& receive : receives_) {
      if (receive == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&receive);
      MPI_Wait(&receive, MPI_STATUS_IGNORE);
    }
  }

 private:
  std::size_t stride() const { return Layout{static_cast<std::size_t>(bytes_)}.stride(); }
  void post(std::size_t slot) {
    must(MPI_Irecv(destination_ + slot * stride(), bytes_, MPI_BYTE, other_, 0, MPI_COMM_WORLD,
                   &receives_[slot]),
         "MPI_Irecv");
  }

  int bytes_;
  int other_;
  std::size_t slots_;
  bool streams_;
  std::size_t ahead_;
  std::byte* source_;
  std::byte* destination_;
  std::vector<MPI_Request> receives_;
  std::vector<MPI_Request> sends_;
  std::uint64_t posted_ = 0;
};

// Where the target's software has a part in a put, it gets its turn here.
inline void make_progress() {
  int found = 0;
  MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE);
}

class PutLink {
 public:
  PutLink(const Options& options, int rank)
      : layout_{options.bytes}, other_(1 - rank), inbox_(layout_, contestant::slots_for(options)) {
    const std::size_t bytes = contestant::slots_for(options) * layout_.stride();
    source_ = contestant::private_memory(bytes);
    flags_ = contestant::private_memory(contestant::slots_for(options) * kWord);
    must(MPI_Win_allocate(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory_,
                          &window_),
         "MPI_Win_allocate");
    std::memset(memory_, 0, bytes);
    must(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
    contestant::while_polling = make_progress;
  }
  ~PutLink() {
    contestant::while_polling = nullptr;
    MPI_Win_unlock_all(window_);
    MPI_Win_free(&window_);
  }

  std::byte* source(std::size_t slot) { return source_ + layout_.payload(slot); }

  // MPI promises no order between puts: the flag follows when the payload is there.
  void send(std::size_t slot, std::uint64_t number, bool announce) {
    put(source(slot), layout_.payload(slot), layout_.bytes);
    if (layout_.is_word() || !announce) return;
    flush();
    std::byte* const flag = flags_ + slot * kWord;
    std::memcpy(flag, &number, kWord);
    put(flag, layout_.flag(slot), kWord);
  }

  void flush() { must(MPI_Win_flush(other_, window_), "MPI_Win_flush"); }

  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    auto* const memory = static_cast<const std::byte*>(memory_);
    if (!announce) return memory + layout_.payload(slot);
    return inbox_.wait(memory, slot, number, [this] { MPI_Win_sync(window_); });
  }

 private:
  void put(const std::byte* from, std::size_t to, std::size_t bytes) {
    must(MPI_Put(from, static_cast<int>(bytes), MPI_BYTE, other_, static_cast<MPI_Aint>(to),
                 static_cast<int>(bytes), MPI_BYTE, window_),
         "MPI_Put");
  }

  Layout layout_;
  int other_;
  Inbox inbox_;
  std::byte* source_ = nullptr;
  std::byte* flags_ = nullptr;
  void* memory_ = nullptr;
  MPI_Win window_ = MPI_WIN_NULL;
};

class SharedLink {
 public:
  SharedLink(const Options& options, int rank)
      : layout_{options.bytes}, inbox_(layout_, contestant::slots_for(options)) {
    const std::size_t bytes = contestant::slots_for(options) * layout_.stride();
    source_ = contestant::private_memory(bytes);
    void* memory = nullptr;
    must(MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, MPI_COMM_WORLD,
                                 &memory, &window_),
         "MPI_Win_allocate_shared");
    mine_ = static_cast<std::byte*>(memory);
    std::memset(mine_, 0, bytes);
    theirs_ = shared_part(window_, 1 - rank);
    must(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
  }
  ~SharedLink() {
    MPI_Win_unlock_all(window_);
    MPI_Win_free(&window_);
  }

  std::byte* source(std::size_t slot) { return source_ + layout_.payload(slot); }

  void send(std::size_t slot, std::uint64_t number, bool announce) {
    std::byte* const place = theirs_ + layout_.payload(slot);
    if (layout_.is_word()) {
      store(place, load(source(slot)));
      return;
    }
    std::memcpy(place, source(slot), layout_.bytes);
    if (announce) store(theirs_ + layout_.flag(slot), number);
  }
  void flush() {}
  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    if (!announce) return mine_ + layout_.payload(slot);
    return inbox_.wait(mine_, slot, number, [] {});
  }

 private:
  Layout layout_;
  Inbox inbox_;
  std::byte* source_ = nullptr;
  std::byte* mine_ = nullptr;
  std::byte* theirs_ = nullptr;
  MPI_Win window_ = MPI_WIN_NULL;
};

// --------------------------------------------------------------------------------- all to all

// Two-sided. Looks with MPI_Test and gives the core away soon: there are more ranks than cores.
class SendMesh {
 public:
  SendMesh(const Options& options, int rank)
      : bytes_(options.bytes),
        rank_(rank),
        slots_(contestant::slots_for(options)),
        memory_(2 * static_cast<std::size_t>(options.processes) * slots_ * bytes_),
        sends_(static_cast<std::size_t>(options.processes) * slots_, MPI_REQUEST_NULL) {}

  void send_to(int peer, std::size_t slot, std::uint64_t number) {
    MPI_Request& request = sends_[place(peer, slot)];
    finish(request);
    std::byte* const message = memory_.data() + 2 * place(peer, slot) * bytes_;
    contestant::fill_pattern(message, bytes_, rank_, number);
    must(MPI_Isend(message, static_cast<int>(bytes_), MPI_BYTE, peer, 0, MPI_COMM_WORLD, &request),
         "MPI_Isend");
  }

  const std::byte* wait_from(int peer, std::size_t slot, std::uint64_t) {
    std::byte* const message = memory_.data() + (2 * place(peer, slot) + 1) * bytes_;
    MPI_Request request = MPI_REQUEST_NULL;
    must(MPI_Irecv(message, static_cast<int>(bytes_), MPI_BYTE, peer, 0, MPI_COMM_WORLD, &request),
         "MPI_Irecv");
    finish(request);
    return message;
  }

  ~SendMesh() {
    for (MPI_Request& request : sends_) finish(request);
  }

 private:
  std::size_t place(int peer, std::size_t slot) const {
    return static_cast<std::size_t>(peer) * slots_ + slot;
  }
  static void finish(MPI_Request& request) {
    contestant::poll_until([&] {
      int done = 0;
      must(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      return done != 0;
    });
  }

  std::size_t bytes_;
  int rank_;
  std::size_t slots_;
  std::vector<std::byte> memory_;
  std::vector<MPI_Request> sends_;
};

}  // namespace mpi_contestant
