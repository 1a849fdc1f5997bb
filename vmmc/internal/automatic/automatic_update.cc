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

// In simulated time the model's packetizer combines, with the model's timer: it has to see each store.
void leave_combining_to_nicsim(Binding& binding) {
  if (binding.unit != PacketUnit::kRun) return;
  binding.unit = PacketUnit::kStore;
  binding.combining = binding.timer != 0 ? wire::kCombineTimer : wire::kCombineBlock;
  binding.timer = 0;
}

// What takes effect of the options, whoever combines.
BindingDeclaration declaration_of(const Binding& binding, const vmmc_bind_options& options) {
  BindingDeclaration result{.import_slot = binding.import_slot,
                            .import_generation = binding.import_generation,
                            .offset = binding.buffer_offset,
                            .length = binding.pages.bytes(),
                            .address = binding.pages.begin,
                            .options = options};
  result.options.capture = binding.capture;
  if (binding.notify || binding.capture == VMMC_CAPTURE_SHARED) {
    result.options.combining = VMMC_COMBINE_OFF;
  }
  if (result.options.combining != VMMC_COMBINE_TIMER) result.options.timer = 0;
  return result;
}

}  // namespace

void AutomaticUpdate::Unmap::operator()(Packetizer* packetizer) const {
  packetizer->~Packetizer();
  platform::system_calls().munmap(packetizer, kPacketizerBytes);
}

// ---- bind

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

int AutomaticUpdate::bind(void* local, void* proxy, std::size_t length,
                          const vmmc_bind_options& options, vmmc_binding** handle) {
  if (const int status = BindingChecks::options(options); status != VMMC_OK) return status;
  const auto first = reinterpret_cast<std::uintptr_t>(local);
  if (const int status = BindingChecks::pages(first, proxy, length); status != VMMC_OK)
    return status;
  const PageRange pages{first, first + length};
  std::unique_lock lock(mutex_);
  // With the lock: see let_go().
  std::optional<Import> import;
  if (const int status = checks_.find_target(proxy, length, import); status != VMMC_OK)
    return status;
  if (const int status = check_unbound(pages); status != VMMC_OK) return status;
  // What can fail for want of memory comes first: there is no way back later.
  ended_.reserve(ended_.size() + bindings_.size() + 1);
  const auto entry = bindings_.emplace(first, Bound{std::make_unique<Binding>(), {}, {}}).first;
  entry->second.binding->pages = pages;
  const int status = make_binding(pages, proxy, *import, options, entry);
  if (status != VMMC_OK) {
    ended_.push_back(std::move(entry->second.binding));
    bindings_.erase(entry);
    return status;
  }
  Binding& binding = *entry->second.binding;
  *handle = handle_of(&binding);
  const bool by_timer = binding.timer != 0;
  const BindingDeclaration declaration = declaration_of(binding, options);
  lock.unlock();
  // Nobody can end the binding before this function returns.
  binding.declared = declarer_.declare(declaration);
  if (by_timer) host_.expect_threads(*import);  // the timer's thread posts, too
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
  binding.capture = options.capture == VMMC_CAPTURE_AUTO ? VMMC_CAPTURE_TRAP : options.capture;
  if (binding.unit == PacketUnit::kRun && options.combining == VMMC_COMBINE_TIMER &&
      binding.capture != VMMC_CAPTURE_SHARED) {
    binding.timer = options.timer;
  }
  if (waiter_.time().on()) leave_combining_to_nicsim(binding);
  binding.import_slot = import.slot;
  binding.import_generation = import.generation;
  binding.destination = space_.offset_of(proxy);
  binding.buffer_offset = binding.destination - import.first;
  if (binding.capture == VMMC_CAPTURE_SHARED) return share_pages(bound, import);
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

int AutomaticUpdate::share_pages(Bound& bound, const Import& import) {
  Binding& binding = *bound.binding;
  if (waiter_.nicsim_gone()) return fail_nicsim_gone();
  if ((import.access & VMMC_READ) == 0) {
    return fail(VMMC_ERR_CAPTURE_UNAVAILABLE,
                "shared pages show the remote ones, and buffer %u of process (%u, %u) was imported "
                "without VMMC_READ",
                import.buffer_id, import.exporter.node, import.exporter.process);
  }
  std::byte* const remote = host_.mapping_of(import);
  if (remote == nullptr) {
    return fail(VMMC_ERR_CAPTURE_UNAVAILABLE,
                "shared capture needs the host executor, which may not serve this import of buffer "
                "%u of process (%u, %u)",
                import.buffer_id, import.exporter.node, import.exporter.process);
  }
  const SegmentVerdict verdict = segments_.replace_unshared(binding.pages, [&]() -> SegmentVerdict {
    auto shared = SharedPages::take(binding.pages, remote + binding.buffer_offset,
                                    remote + round_up_to_page(import.length));
    if (!shared.ok()) return cannot_make(binding.pages, "the remote pages", shared.error());
    bound.shared = std::move(shared.value());
    return {};
  });
  if (!verdict.ok()) {
    const bool in_use = verdict.status == VMMC_ERR_IN_USE;
    return fail(in_use ? VMMC_ERR_CAPTURE_UNAVAILABLE : verdict.status,
                "%zu bytes from %p cannot be bound%s: %s", binding.pages.bytes(),
                binding.pages.data(), in_use ? " by shared capture" : "", verdict.detail.c_str());
  }
  host_.note_shown(import);
  binding.bell.store(bound.shared.bell(), std::memory_order_release);
  binding.packetizer->add(binding);
  binding.mark.store(Binding::kLive, std::memory_order_release);
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
  std::unique_lock lock(mutex_);
  const auto entry = find(handle);
  if (entry == bindings_.end()) {
    return fail(VMMC_ERR_BAD_HANDLE, "%p is no binding of this process",
                static_cast<void*>(handle));
  }
  Bound& bound = entry->second;
  if (const int status = end_capture(bound); status != VMMC_OK) return status;
  if (const int status = end_binding(bound); status != VMMC_OK) return status;
  const std::uint32_t declared = bound.binding->declared;
  ended_.push_back(std::move(bound.binding));
  bindings_.erase(entry);
  lock.unlock();
  declarer_.end(declared);
  return VMMC_OK;
}

int AutomaticUpdate::let_go(const Import& import) {
  const std::lock_guard lock(mutex_);
  for (auto& [begin, bound] : bindings_) {
    Binding& binding = *bound.binding;
    if (binding.import_slot != import.slot || binding.import_generation != import.generation)
      continue;
    if (const int status = make_private(bound); status != VMMC_OK) return status;
    binding.bell.store(nullptr, std::memory_order_release);
  }
  return VMMC_OK;
}

int AutomaticUpdate::make_private(Bound& bound) {
  const auto error = bound.shared.give_back();
  return error ? fail_system("shared pages cannot be made private again", *error) : VMMC_OK;
}

// After an error it goes on.
int AutomaticUpdate::end_capture(Bound& bound) {
  if (const int status = make_private(bound); status != VMMC_OK) return status;
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
  if (binding.capture == VMMC_CAPTURE_SHARED) return VMMC_OK;
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
    // The kernel has no memory to change the pages. Trapped stores to them are still captured, and
    // come to nothing; shared pages stay the remote ones until their exporter takes them back.
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
  if (status == VMMC_OK && waiter_.time().on()) status = poster_.post_flush();
  return status == VMMC_OK ? status : fail(status, "%s", status_sentence(status));
}

std::uint64_t AutomaticUpdate::look(std::uint64_t now) {
  std::uint64_t due = PacketTimer::kNever;
  for (Packetizer* each = packetizing_.first.load(std::memory_order_acquire); each != nullptr;
       each = each->next) {
    const std::uint64_t next = each->look(now);
    if (next < due) due = next;
  }
  waiter_.time().give_back();  // the thread sleeps outside of simulated time
  return due;
}

}  // namespace vmmc::internal
