// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/trap_capture.h"

#if defined(__x86_64__)

#include <memory>

#include "platform/system_calls.h"
#include "vmmc/internal/automatic/trap/capture_state.h"
#include "vmmc/internal/automatic/trap/captured_fault.h"
#include "vmmc/internal/automatic/trap/instruction_runner.h"
#include "vmmc/internal/memory/fault_guard.h"

namespace vmmc::internal {
namespace {

using Error = std::optional<platform::SystemError>;

CaptureState capture;
// Held by those who change the table, while they do. Not a mutex: a forked child takes it over.
OwnedSpinLock changing;

bool capture_store(const siginfo_t* info, void* context) {
  return capture_fault(capture, info, context);
}

class Changing {
 public:
  Changing() { (void)changing.lock(); }  // never held by this thread already: signals are blocked
  ~Changing() { changing.unlock(); }

 private:
  SignalsBlocked blocked_;
};

// The table in force while nobody else can change it.
const WatchTable& present_table() {
  static const WatchTable none;
  const WatchTable* table = capture.table.load();
  return table != nullptr ? *table : none;
}

// Runs `change` (no allocation) under the handler's lock, and puts `table` in force if it succeeds.
template <typename Change>
Error replace_table(std::unique_ptr<const WatchTable> table, Change change) {
  std::unique_ptr<const WatchTable> old;
  (void)capture.lock.lock();
  Error error = change();
  if (!error) old.reset(capture.table.exchange(table.release()));
  capture.lock.unlock();
  return error;
}

Error protect(PageRange pages, int protection) {
  if (platform::system_calls().mprotect(pages.data(), pages.bytes(), protection) == 0)
    return std::nullopt;
  return platform::last_system_error("mprotect");
}

void widen_bounds(PageRange pages) {
  if (pages.begin < capture.lowest.load()) capture.lowest.store(pages.begin);
  if (pages.end > capture.highest.load()) capture.highest.store(pages.end);
}

// What the handler calls must have been looked up by the dynamic linker before: its first call would
// otherwise take the linker's lock, which the interrupted thread may hold.
void rehearse() {
  constexpr std::uint8_t kStoreOfEcx[] = {0x89, 0x08};  // mov [rax], ecx
  const StoreInstruction store = decode_store(kStoreOfEcx, sizeof kStoreOfEcx);
  std::uint32_t word = 0;
  Registers registers;
  (void)capture.lock.lock();
  run_instruction(store, reinterpret_cast<std::uintptr_t>(&word), registers, {});
  capture.lock.unlock();
}

Error prepare() {
  if (!has_vector_state()) return platform::SystemError{"watch_stores", ENOTSUP};
  if (Error error = prepare_runner()) return error;
  rehearse();
  if (Error error = install_fault_guard()) return error;
  capture_stores_with(&capture_store);
  return std::nullopt;
}

}  // namespace

Error watch_stores(PageRange pages, std::byte* alias, StoreSink& sink) {
  if (pages.begin >= pages.end || alias == nullptr ||
      reinterpret_cast<std::uintptr_t>(alias) % wire::kPageSize != 0)
    return platform::SystemError{"watch_stores", EINVAL};
  const Changing alone;
  if (Error error = prepare()) return error;
  if (present_table().overlaps(pages)) return platform::SystemError{"watch_stores", EEXIST};
  auto table = std::make_unique<const WatchTable>(present_table().with({pages, alias, &sink}));
  widen_bounds(pages);
  // Under one lock: a processor that still takes the pages for writable stores there directly until
  // mprotect() has returned. Captured stores wait for that.
  return replace_table(std::move(table), [&] {
    expect_late_faults(pages);
    return protect(pages, PROT_READ);
  });
}

Error unwatch_stores(PageRange pages) {
  const Changing alone;
  if (!present_table().has(pages)) return platform::SystemError{"unwatch_stores", ENOENT};
  auto table = std::make_unique<const WatchTable>(present_table().without(pages));
  // Under one lock: from the first store that is made directly on, none is reported.
  return replace_table(std::move(table), [&] { return protect(pages, PROT_READ | PROT_WRITE); });
}

void forget_watches_after_fork() {
  // Another thread of the parent may have held either lock; what it did, it does in the parent.
  changing.unlock();
  capture.lock.unlock();
  capture.table.store(nullptr);  // not freed: the other thread may have been about to
}

}  // namespace vmmc::internal

#else

namespace vmmc::internal {

std::optional<platform::SystemError> watch_stores(PageRange, std::byte*, StoreSink&) {
  return platform::SystemError{"watch_stores", ENOTSUP};
}
std::optional<platform::SystemError> unwatch_stores(PageRange) {
  return platform::SystemError{"unwatch_stores", ENOENT};
}
void forget_watches_after_fork() {}

}  // namespace vmmc::internal

#endif
