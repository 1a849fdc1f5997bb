// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Automatic update, the sender's side: which local pages are bound to which remote ones.
//
//   plain store --> StoreCapture ---> Packetizer ---> PacketPoster ---> SendQueue
//   typed store --------------------> (one for each remote buffer)
//                                     ^ PacketTimer, flush(): close packets
//   SharedPages: stores of either kind are in the remote pages at once; flush() wakes their receivers
//
// Threads and processes
//   bind(), unbind(), capture_of(): any thread, one at a time. Typed stores and flush(): any thread
//   and signal handlers. before_fork() comes before SharedSegments::before_fork().
//
// Invariants
//   Bound pages are shared (SharedSegments; but not those of shared capture) from before their stores are captured until after they
//   are not. After an error of bind() nothing is bound, and the memory is as before.
//   Packetizers stay where they are until release_all(), so that flush() needs no lock to find
//   them; so do bindings, so that the handle of an ended one is still known for one.
//
// What a crash at any instruction leaves behind: nothing; see send_queue.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "vmmc/internal/automatic/alias_mapping.h"
#include "vmmc/internal/automatic/binding.h"
#include "vmmc/internal/automatic/binding_checks.h"
#include "vmmc/internal/automatic/binding_declarer.h"
#include "vmmc/internal/automatic/packet_poster.h"
#include "vmmc/internal/automatic/packet_timer.h"
#include "vmmc/internal/automatic/packetizer.h"
#include "vmmc/internal/automatic/shared_pages.h"
#include "vmmc/internal/automatic/store_capture.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class AutomaticUpdate {
 public:
  AutomaticUpdate(wire::Channel& channel, Waiter& waiter, const DestinationSpace& space,
                  SharedSegments& segments, SendQueue& queue, HostExecutor& host,
                  StoreCapture& capture, BindingDeclarer& declarer)
      : waiter_(waiter),
        space_(space),
        segments_(segments),
        host_(host),
        capture_(capture),
        declarer_(declarer),
        checks_(channel, space),
        poster_(channel, waiter, queue, host) {}
  ~AutomaticUpdate() { release_all(); }
  AutomaticUpdate(const AutomaticUpdate&) = delete;
  AutomaticUpdate& operator=(const AutomaticUpdate&) = delete;

  // As vmmc_bind, vmmc_unbind, vmmc_binding_capture and vmmc_flush. flush() also returns
  // VMMC_ERR_INTERRUPTED_SEND: called by a handler that interrupted a send or a typed store, and
  // that has something to wait for; nothing is lost.
  int bind(void* local, void* proxy, std::size_t length, const vmmc_bind_options& options,
           vmmc_binding** handle);
  int unbind(vmmc_binding* handle);
  int capture_of(const vmmc_binding* handle);
  int flush();

  // Stores by shared capture to this import stay local from now on. An error if there is no memory
  // for that. REQUIRES: it cannot be found in the destination space any more.
  int let_go(const Import& import);

  // Ends all bindings, also if nicsim has gone. No other call runs, and none comes after.
  void release_all();

  void before_fork() { mutex_.lock(); }
  void after_fork_in_parent() { mutex_.unlock(); }
  // The object is not used any more, and never destroyed. Handles of the parent that the child still
  // has are handles no more, also when it attaches itself. Async-signal-safe.
  void abandon_in_child() {
    for (auto& [begin, bound] : bindings_) {
      bound.binding->mark.store(0, std::memory_order_release);
      bound.shared.make_private_in_child();
    }
    capture_.abandon_in_child();
  }

  const PacketTimer& timer() const { return timer_; }

 private:
  struct Bound {
    std::unique_ptr<Binding> binding;
    AliasMapping alias;  // trapped stores
    SharedPages shared;
  };
  // By the address of the first page.
  using Bindings = std::map<std::uintptr_t, Bound>;

  // One of these owns pages that cannot be unmapped yet, a whole number of them: so that memory of
  // the program that is exported or bound never lies on the same page.
  struct Unmap {
    void operator()(Packetizer* packetizer) const;
  };
  using OwnedPacketizer = std::unique_ptr<Packetizer, Unmap>;

  int check_unbound(PageRange pages) const;
  int make_binding(PageRange pages, const void* proxy, const Import& import,
                   const vmmc_bind_options& options, Bindings::iterator entry);
  int share_pages(Bound& bound, const Import& import);
  static int make_private(Bound& bound);
  int start_capture(Bound& bound, const std::vector<wire::Extent>& extents);
  int start_timer(const Binding& binding);
  Packetizer* packetizer_for(const Import& import);
  int end_capture(Bound& bound);
  int end_binding(Bound& bound);
  Bindings::iterator find(const vmmc_binding* handle);
  std::uint64_t look(std::uint64_t now);

  Waiter& waiter_;  // is told when words change their segments
  const DestinationSpace& space_;
  SharedSegments& segments_;
  HostExecutor& host_;
  StoreCapture& capture_;
  BindingDeclarer& declarer_;
  const BindingChecks checks_;
  PacketPoster poster_;
  PacketTimer timer_;
  Packetizing packetizing_{poster_, timer_};
  std::mutex mutex_;
  Bindings bindings_;
  std::vector<std::unique_ptr<Binding>> ended_;
  std::vector<OwnedPacketizer> packetizers_;
};

}  // namespace vmmc::internal
