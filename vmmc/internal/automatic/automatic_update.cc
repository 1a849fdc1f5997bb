// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/automatic_update.h"

#include <sys/mman.h>

#include <cerrno>
#include <new>
#include <utility>

#include "platform/system_calls.h"
#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

constexpr std::size_t kPacketizerBytes = round_up_to_page(sizeof(Packetizer));

vmmc_binding* handle_of(Binding* binding) { return reinterpret_cast<vmmc_binding*>(binding); }

// What ends when bind() does, unless it succeeds.
class Cover {
 public:
  Cover(SharedSegments& segments, Waiter& waiter, PageRange pages)
      : segments_(segments), waiter_(waiter), pages_(pages) {
    result_ = segments_.cover(pages_.data(), pages_.bytes());
    waiter_.announce_move();
  }
  ~Cover() {
    if (!result_.verdict.ok() || kept_) return;
    segments_.release(pages_.data(), pages_.bytes());
    waiter_.announce_move();
  }
  Cover(const Cover&) = delete;
  Cover& operator=(const Cover&) = delete;

  const SegmentVerdict& verdict() const { return result_.verdict; }
  const std::vector<wire::Extent>& extents() const { return result_.extents; }
  void keep() { kept_ = true; }

 private:
  SharedSegments& segments_;
  Waiter& waiter_;
  const PageRange pages_;
  SharedSegments::Cover result_;
  bool kept_ = false;
};

PacketUnit unit_of(const vmmc_bind_options& options) {
  if (options.notify != 0) return PacketUnit::kWord;
  switch (options.combining) {
    case VMMC_COMBINE_SINGLE:
      return PacketUnit::kStore;
    case VMMC_COMBINE_OFF:
      return PacketUnit::kWord;
    default:
      return PacketUnit::kRun;
  }
}

}  // namespace

void AutomaticUpdate::Unmap::operator()(Packetizer* packetizer) const {
  packetizer->~Packetizer();
  platform::system_calls().munmap(packetizer, kPacketizerBytes);
}

// ---- what is refused

int AutomaticUpdate::check_options(const vmmc_bind_options& options) {
  if (options.capture < VMMC_CAPTURE_AUTO || options.capture > VMMC_CAPTURE_TYPED) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "capture %d does not exist", options.capture);
  }
  if (options.combining < VMMC_COMBINE_TIMER || options.combining > VMMC_COMBINE_OFF) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "combining %d does not exist", options.combining);
  }
  if (options.combining == VMMC_COMBINE_TIMER && options.timer == 0) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "a combining timer of 0 ns");
  }
  if (options.capture == VMMC_CAPTURE_SHARED) {
    return fail(VMMC_ERR_CAPTURE_UNAVAILABLE,
                "shared capture needs the host executor, which this version does not have");
  }
  return VMMC_OK;
}

int AutomaticUpdate::check_pages(std::uintptr_t local, const void* proxy, std::size_t length) {
  if (length == 0) return fail(VMMC_ERR_ZERO_LENGTH, "a binding of zero bytes");
  if (local % wire::kPageSize != 0) {
    return fail(VMMC_ERR_MISALIGNED, "0x%zx is not the start of a page of %u bytes", local,
                wire::kPageSize);
  }
  if (length % wire::kPageSize != 0) {
    return fail(VMMC_ERR_MISALIGNED, "%zu bytes are not whole pages of %u", length,
                wire::kPageSize);
  }
  if (local > UINTPTR_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW,
                "%zu bytes from 0x%zx go past the end of the address space", length, local);
  }
  if (reinterpret_cast<std::uintptr_t>(proxy) % wire::kPageSize != 0) {
    return fail(VMMC_ERR_MISALIGNED,
                "the proxy address %p is not the start of a page: nor are these bytes in their "
                "exporter's memory",
                proxy);
  }
  return VMMC_OK;
}

int AutomaticUpdate::find_target(const void* proxy, std::size_t length,
                                 std::optional<Import>& import) const {
  import = space_.resolve(proxy);
  const std::uint64_t offset = space_.offset_of(proxy);
  if (!import || offset < import->first || offset - import->first >= import->length) {
    return fail(VMMC_ERR_OUTSIDE_PROXY, "%p is in no proxy of this process", proxy);
  }
  if (length > import->length - (offset - import->first)) {
    return fail(VMMC_ERR_OUTSIDE_PROXY,
                "%zu bytes from %p go past the end of the proxy of buffer %u of process (%u, %u)",
                length, proxy, import->buffer_id, import->exporter.node, import->exporter.process);
  }
  if ((import->access & VMMC_WRITE) == 0) {
    return fail(VMMC_ERR_NOT_WRITABLE,
                "buffer %u of process (%u, %u) was imported without VMMC_WRITE", import->buffer_id,
                import->exporter.node, import->exporter.process);
  }
  return refuse_ended(*import);
}

// What nicsim has said about the import so far.
int AutomaticUpdate::refuse_ended(const Import& import) const {
  const std::uint32_t state = channel_.import_states[import.slot].load(std::memory_order_acquire);
  switch (wire::import_phase(state)) {
    case wire::ImportPhase::kPeerDead:
      return fail(VMMC_ERR_PEER_DEAD, "process (%u, %u), which exported buffer %u, has ended",
                  import.exporter.node, import.exporter.process, import.buffer_id);
    case wire::ImportPhase::kUnexported:
      return fail(VMMC_ERR_UNEXPORTED, "process (%u, %u) has taken buffer %u back",
                  import.exporter.node, import.exporter.process, import.buffer_id);
    default:
      return VMMC_OK;
  }
}

int AutomaticUpdate::check_unbound(PageRange pages) const {
  for (const auto& [begin, bound] : bindings_) {
    const PageRange& taken = bound.binding->pages;
    if (!taken.overlaps(pages)) continue;
    return fail(VMMC_ERR_ALREADY_BOUND,
                "%zu bytes from %p overlap a binding, which has %zu bytes from %p", pages.bytes(),
                pages.data(), taken.bytes(), taken.data());
  }
  return VMMC_OK;
}

// ---- bind

int AutomaticUpdate::bind(void* local, void* proxy, std::size_t length,
                          const vmmc_bind_options& options, vmmc_binding** handle) {
  if (const int status = check_options(options); status != VMMC_OK) return status;
  const auto first = reinterpret_cast<std::uintptr_t>(local);
  if (const int status = check_pages(first, proxy, length); status != VMMC_OK) return status;
  std::optional<Import> import;
  if (const int status = find_target(proxy, length, import); status != VMMC_OK) return status;
  const PageRange pages{first, first + length};
  const std::lock_guard lock(mutex_);
  if (const int status = check_unbound(pages); status != VMMC_OK) return status;
  // What can fail for want of memory comes first: there is no way back later.
  ended_.reserve(ended_.size() + bindings_.size() + 1);
  const auto entry = bindings_.emplace(first, Bound{std::make_unique<Binding>(), {}}).first;
  entry->second.binding->pages = pages;
  const int status = make_binding(pages, proxy, *import, options, entry);
  if (status != VMMC_OK) {
    ended_.push_back(std::move(entry->second.binding));
    bindings_.erase(entry);
    return status;
  }
  *handle = handle_of(entry->second.binding.get());
  return VMMC_OK;
}

int AutomaticUpdate::make_binding(PageRange pages, const void* proxy, const Import& import,
                                  const vmmc_bind_options& options, Bindings::iterator entry) {
  Bound& bound = entry->second;
  Binding& binding = *bound.binding;
  binding.packetizer = packetizer_for(import);
  if (binding.packetizer == nullptr) {
    return fail(VMMC_ERR_OUT_OF_MEMORY, "no memory for the packets of a binding");
  }
  binding.unit = unit_of(options);
  binding.notify = options.notify != 0;
  if (binding.unit == PacketUnit::kRun && options.combining == VMMC_COMBINE_TIMER) {
    binding.timer = options.timer;
  }
  binding.capture = options.capture == VMMC_CAPTURE_TYPED ? VMMC_CAPTURE_TYPED : VMMC_CAPTURE_TRAP;
  binding.import_slot = import.slot;
  binding.import_generation = import.generation;
  binding.destination = space_.offset_of(proxy);
  Cover cover(segments_, waiter_, pages);
  if (!cover.verdict().ok()) {
    return fail(cover.verdict().status, "%zu bytes from %p cannot be bound: %s", pages.bytes(),
                pages.data(), cover.verdict().detail.c_str());
  }
  if (const int status = start_timer(binding); status != VMMC_OK) return status;
  binding.packetizer->add(binding);
  binding.mark.store(Binding::kLive, std::memory_order_release);
  if (binding.capture == VMMC_CAPTURE_TRAP) {
    if (const int status = start_capture(bound, cover.extents()); status != VMMC_OK) {
      binding.mark.store(0, std::memory_order_release);
      binding.packetizer->remove(binding);
      return status;
    }
  }
  cover.keep();
  return VMMC_OK;
}

int AutomaticUpdate::start_capture(Bound& bound, const std::vector<wire::Extent>& extents) {
  Binding& binding = *bound.binding;
  auto alias = AliasMapping::make(binding.pages, extents);
  if (!alias.ok()) return fail_system("cannot map bound pages a second time", alias.error());
  bound.alias = std::move(alias.value());
  binding.to_alias = bound.alias.data() - static_cast<std::byte*>(binding.pages.data());
  const auto error = capture_.watch(binding.pages, bound.alias.data(), binding);
  if (!error) return VMMC_OK;
  if (error->number == ENOTSUP || error->number == EACCES || error->number == EPERM) {
    return fail(VMMC_ERR_CAPTURE_UNAVAILABLE, "stores cannot be trapped on this system: %s",
                error->call);
  }
  return fail_system("cannot trap stores to bound pages", *error);
}

// Trapped stores may need it to be posted, whatever the combining.
int AutomaticUpdate::start_timer(const Binding& binding) {
  if (binding.timer == 0 && binding.capture != VMMC_CAPTURE_TRAP) return VMMC_OK;
  const std::uint64_t period = binding.timer == 0 ? PacketTimer::kNever : binding.timer;
  const auto error = timer_.start(period, [this](std::uint64_t now) { return look(now); });
  return error ? fail_system("cannot start the thread that combines", *error) : VMMC_OK;
}

Packetizer* AutomaticUpdate::packetizer_for(const Import& import) {
  const RemoteBuffer wanted{import.exporter, import.buffer_id};
  Packetizer* unused = nullptr;
  for (const OwnedPacketizer& each : packetizers_) {
    if (!each->in_use()) {
      unused = each.get();
    } else if (each->buffer_of_exporter == wanted) {
      return each.get();
    }
  }
  if (unused == nullptr) {
    packetizers_.reserve(packetizers_.size() + 1);
    void* memory = platform::system_calls().mmap(nullptr, kPacketizerBytes, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    packetizers_.emplace_back(new (memory) Packetizer(packetizing_));
    unused = packetizers_.back().get();
    unused->next = packetizing_.first.load(std::memory_order_relaxed);
    packetizing_.first.store(unused, std::memory_order_release);
  }
  unused->buffer_of_exporter = wanted;
  return unused;
}

// ---- the end

AutomaticUpdate::Bindings::iterator AutomaticUpdate::find(const vmmc_binding* handle) {
  auto entry = bindings_.begin();
  while (entry != bindings_.end() && handle_of(entry->second.binding.get()) != handle) ++entry;
  return entry;
}

int AutomaticUpdate::unbind(vmmc_binding* handle) {
  const std::lock_guard lock(mutex_);
  const auto entry = find(handle);
  if (entry == bindings_.end()) {
    return fail(VMMC_ERR_BAD_HANDLE, "%p is no binding of this process",
                static_cast<void*>(handle));
  }
  Bound& bound = entry->second;
  if (const int status = end_capture(bound); status != VMMC_OK) return status;
  if (const int status = end_binding(bound); status != VMMC_OK) return status;
  ended_.push_back(std::move(bound.binding));
  bindings_.erase(entry);
  return VMMC_OK;
}

// After an error it goes on.
int AutomaticUpdate::end_capture(Bound& bound) {
  if (bound.alias.data() == nullptr) return VMMC_OK;
  if (const auto error = capture_.unwatch(bound.binding->pages)) {
    return fail_system("bound pages cannot be made writable again", *error);
  }
  bound.binding->to_alias = 0;
  bound.alias = {};
  return VMMC_OK;
}

// After an error the binding goes on, but nothing is captured for it.
int AutomaticUpdate::end_binding(Bound& bound) {
  Binding& binding = *bound.binding;
  if (const int status = binding.packetizer->remove(binding); status != VMMC_OK) {
    return fail(status, "%s", status_sentence(status));
  }
  binding.mark.store(0, std::memory_order_release);
  segments_.release(binding.pages.data(), binding.pages.bytes());
  waiter_.announce_move();
  return VMMC_OK;
}

int AutomaticUpdate::capture_of(const vmmc_binding* handle) {
  const std::lock_guard lock(mutex_);
  const auto entry = find(handle);
  if (entry != bindings_.end()) return entry->second.binding->capture;
  return fail(VMMC_ERR_BAD_HANDLE, "%p is no binding of this process",
              static_cast<const void*>(handle));
}

void AutomaticUpdate::release_all() {
  const std::lock_guard lock(mutex_);
  for (auto& [begin, bound] : bindings_) {
    const bool captured = end_capture(bound) != VMMC_OK;
    (void)end_binding(bound);
    if (!captured) continue;
    // The kernel has no memory to change the pages. Stores to them are still captured, and come to
    // nothing.
    (void)bound.binding.release();
    (void)new AliasMapping(std::move(bound.alias));
  }
  bindings_.clear();
  timer_.stop();
  packetizing_.first.store(nullptr, std::memory_order_release);
  packetizers_.clear();
  ended_.clear();
}

// ---- at any time

int AutomaticUpdate::flush() {
  int status = VMMC_OK;
  for (Packetizer* each = packetizing_.first.load(std::memory_order_acquire); each != nullptr;
       each = each->next) {
    const int flushed = each->flush();
    if (status == VMMC_OK) status = flushed;
  }
  return status == VMMC_OK ? status : fail(status, "%s", status_sentence(status));
}

std::uint64_t AutomaticUpdate::look(std::uint64_t now) {
  std::uint64_t due = PacketTimer::kNever;
  for (Packetizer* each = packetizing_.first.load(std::memory_order_acquire); each != nullptr;
       each = each->next) {
    const std::uint64_t next = each->look(now);
    if (next < due) due = next;
  }
  return due;
}

}  // namespace vmmc::internal
