// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface: checks pointers, finds the attachment, and hands over to vmmc/internal/.

#include "vmmc/vmmc.h"

#include <atomic>
#include <cstring>
#include <iterator>

#include "nicsim/wire/version.h"
#include "vmmc/internal/c_interface.h"
#include "vmmc/internal/word_wait.h"

namespace {

using vmmc::internal::attached;
using vmmc::internal::Attachment;
using vmmc::internal::connected;
using vmmc::internal::DeliberateUpdate;
using vmmc::internal::fail;
using vmmc::internal::guarded;
using vmmc::internal::HostExecutor;
using vmmc::internal::null_pointer;
using vmmc::internal::unguarded;

constexpr const char* kStrategyNames[] = {"adaptive", "spin", "pause", "yield", "block"};
constexpr int kStrategies = static_cast<int>(std::size(kStrategyNames));

bool is_strategy(vmmc_wait_strategy strategy) {
  return static_cast<int>(strategy) >= 0 && static_cast<int>(strategy) < kStrategies;
}

// Neither null nor in between two words.
template <typename Word>
bool is_aligned(const Word* word) {
  return word != nullptr && reinterpret_cast<std::uintptr_t>(word) % sizeof(Word) == 0;
}

// The same while nicsim records: it is told of the wait, also of one for what holds already.
template <typename Word>
[[gnu::noinline]] int wait_and_mark(Attachment& attachment, const Word* word,
                                    vmmc_comparison comparison, Word value,
                                    vmmc_wait_strategy strategy, std::uint64_t timeout) {
  const auto place = attachment.segments().find(word, sizeof(Word));
  auto mark = vmmc::wire::make_mark(vmmc::wire::MarkKind::kWaitForWord, place ? place->offset : 0);
  mark.comparison = static_cast<std::uint8_t>(comparison);
  mark.width = sizeof(Word);
  mark.value = value;
  mark.segment = place ? place->segment : 0;
  return attachment.queue().marked(mark, [&] {
    return vmmc::internal::wait_for_word(attachment.waiter(), attachment.segments(), word,
                                         comparison, value, strategy, timeout);
  });
}

template <typename Word>
int wait_for_word(const Word* word, vmmc_comparison comparison, Word value,
                  vmmc_wait_strategy strategy, std::uint64_t timeout) {
  Attachment* const attachment = vmmc::internal::attachment();
  if (attachment == nullptr) return vmmc::internal::refuse_unattached();
  if (static_cast<unsigned>(comparison) > VMMC_AT_LEAST || !is_strategy(strategy)) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "comparison %d or wait strategy %d does not exist",
                static_cast<int>(comparison), static_cast<int>(strategy));
  }
  if (attachment->queue().marks()) [[unlikely]] {
    return wait_and_mark(*attachment, word, comparison, value, strategy, timeout);
  }
  // What holds already is most of what a receiver that is behind asks for.
  if (is_aligned(word) && vmmc::internal::holds(__atomic_load_n(word, __ATOMIC_ACQUIRE), comparison,
                                                value)) [[likely]] {
    return VMMC_OK;
  }
  return vmmc::internal::wait_for_word(attachment->waiter(), attachment->segments(), word,
                                       comparison, value, strategy, timeout);
}

// Apart, so that a word needs no registers saved.

[[gnu::noinline]] int send_by_any(const void* source, void* proxy, std::size_t length) {
  return unguarded([&](Attachment& held) {
    if (source == nullptr) return null_pointer("source");
    return held.deliberate_update().send(source, proxy, length);
  });
}

[[gnu::noinline]] int send_here(const void* source, void* proxy, std::size_t length) {
  return HostExecutor::try_send(source, proxy, length) ? VMMC_OK
                                                       : send_by_any(source, proxy, length);
}

}  // namespace

extern "C" {

const char* vmmc_strerror(int status) { return vmmc::internal::status_sentence(status); }
const char* vmmc_status_name(int status) { return vmmc::internal::status_name(status); }
const char* vmmc_last_error(void) { return vmmc::internal::last_error(); }

int vmmc_init(const vmmc_init_options* options) {
  const vmmc_init_options defaults = VMMC_INIT_DEFAULTS;
  return guarded([&] { return vmmc::internal::attach(options == nullptr ? defaults : *options); });
}

int vmmc_finalize(void) {
  return guarded([] { return vmmc::internal::detach(); });
}

vmmc_identity vmmc_self(void) {
  Attachment* const attachment = vmmc::internal::attachment();
  return attachment == nullptr ? vmmc_identity{VMMC_ANY, VMMC_ANY} : attachment->self();
}

uint32_t vmmc_nodes(void) {
  Attachment* const attachment = vmmc::internal::attachment();
  return attachment == nullptr ? 0 : attachment->nodes();
}

uint32_t vmmc_rank(void) { return vmmc::internal::job().rank; }
uint32_t vmmc_size(void) { return vmmc::internal::job().size; }

// vmmcrun gives ranks to nodes in turn, and each process its rank as its id.
int vmmc_identity_of_rank(uint32_t rank, vmmc_identity* identity) {
  return attached([&](const Attachment& attachment) {
    if (identity == nullptr) return null_pointer("identity");
    const std::uint32_t size = vmmc_size();
    if (rank >= size) {
      return fail(VMMC_ERR_NO_JOB, "there is no rank %u in a job of %u", rank, size);
    }
    const bool alone = size == 1;  // then vmmcrun need not have started it
    *identity = alone ? attachment.self() : vmmc_identity{rank % attachment.nodes(), rank};
    return static_cast<int>(VMMC_OK);
  });
}

size_t vmmc_page_size(void) { return vmmc::wire::kPageSize; }
size_t vmmc_word_size(void) { return vmmc::wire::kWordSize; }

int vmmc_alloc(size_t length, void** memory) {
  return connected([&](Attachment& attachment) {
    return memory == nullptr ? null_pointer("memory") : attachment.allocate(length, memory);
  });
}

int vmmc_free(void* memory) {
  return attached([&](Attachment& attachment) { return attachment.free(memory); });
}

int vmmc_export(void* address, size_t length, uint32_t buffer_id,
                const vmmc_export_options* options) {
  const vmmc_export_options defaults = VMMC_EXPORT_DEFAULTS;
  return connected([&](Attachment& attachment) {
    return attachment.exports().add(address, length, buffer_id,
                                    options == nullptr ? defaults : *options);
  });
}

int vmmc_unexport(uint32_t buffer_id) {
  return connected([&](Attachment& attachment) { return attachment.exports().remove(buffer_id); });
}

int vmmc_importers(uint32_t buffer_id, vmmc_identity* importers, size_t most, size_t* count) {
  return connected([&](Attachment& attachment) {
    if (count == nullptr) return null_pointer("count");
    if (importers == nullptr && most > 0) return null_pointer("importers");
    return attachment.exports().list_importers(buffer_id, importers, most, count);
  });
}

int vmmc_import(vmmc_identity exporter, uint32_t buffer_id, const vmmc_import_options* options,
                void** proxy, size_t* length) {
  const vmmc_import_options defaults = VMMC_IMPORT_DEFAULTS;
  return connected([&](Attachment& attachment) {
    if (proxy == nullptr) return null_pointer("proxy");
    return attachment.imports().import(exporter, buffer_id,
                                       options == nullptr ? defaults : *options, proxy, length);
  });
}

int vmmc_import_start(vmmc_identity exporter, uint32_t buffer_id,
                      const vmmc_import_options* options, vmmc_import_request* request) {
  const vmmc_import_options defaults = VMMC_IMPORT_DEFAULTS;
  return connected([&](Attachment& attachment) {
    if (request == nullptr) return null_pointer("request");
    return attachment.imports().start(exporter, buffer_id, options == nullptr ? defaults : *options,
                                      request);
  });
}

int vmmc_import_test(vmmc_import_request request, void** proxy, size_t* length) {
  return connected([&](Attachment& attachment) {
    if (proxy == nullptr) return null_pointer("proxy");
    return attachment.imports().test(request, proxy, length);
  });
}

int vmmc_import_cancel(vmmc_import_request request) {
  return connected([&](Attachment& attachment) { return attachment.imports().cancel(request); });
}

int vmmc_unimport(void* proxy) {
  return connected([&](Attachment& attachment) {
    // Stores that are still being combined go first.
    const int status = attachment.automatic_update().flush();
    if (status != VMMC_OK) return status;
    return attachment.imports().remove(
        proxy, [&](const auto& import) { return attachment.automatic_update().let_go(import); });
  });
}

// The data path throws nothing.
int vmmc_send(const void* source, void* proxy, size_t length) {
  if (!HostExecutor::is_recent(proxy)) return send_by_any(source, proxy, length);
  if (length == sizeof(std::uint64_t) && HostExecutor::try_send_word(source, proxy)) [[likely]] {
    return VMMC_OK;
  }
  return send_here(source, proxy, length);
}

int vmmc_send_start(const void* source, void* proxy, size_t length, vmmc_send_handle* handle) {
  return unguarded([&](Attachment& held) {
    if (source == nullptr) return null_pointer("source");
    if (handle == nullptr) return null_pointer("handle");
    if (length <= DeliberateUpdate::kStagedBytes && HostExecutor::is_recent(proxy) &&
        HostExecutor::try_send(source, proxy, length)) {
      *handle = held.completion().handle_of_delivered();
      return static_cast<int>(VMMC_OK);
    }
    return held.deliberate_update().start(source, proxy, length, handle);
  });
}

int vmmc_send_test(vmmc_send_handle handle) {
  return unguarded([&](Attachment& held) { return held.completion().test(handle); });
}

int vmmc_send_wait(vmmc_send_handle handle) {
  return unguarded([&](Attachment& held) { return held.completion().wait(handle); });
}

int vmmc_fence(void) {
  return unguarded([](Attachment& held) { return held.fence(); });
}

int vmmc_wait_32(const uint32_t* word, enum vmmc_comparison comparison, uint32_t value,
                 enum vmmc_wait_strategy strategy, uint64_t timeout) {
  return wait_for_word(word, comparison, value, strategy, timeout);
}

int vmmc_wait_64(const uint64_t* word, enum vmmc_comparison comparison, uint64_t value,
                 enum vmmc_wait_strategy strategy, uint64_t timeout) {
  return wait_for_word(word, comparison, value, strategy, timeout);
}

const char* vmmc_wait_strategy_name(enum vmmc_wait_strategy strategy) {
  return is_strategy(strategy) ? kStrategyNames[strategy] : "unknown";
}

int vmmc_wait_strategy_from_name(const char* name) {
  for (int i = 0; name != nullptr && i < kStrategies; ++i) {
    if (std::strcmp(name, kStrategyNames[i]) == 0) return i;
  }
  return -1;
}

int vmmc_set_wait_strategy(enum vmmc_wait_strategy strategy) {
  return attached([&](Attachment& attachment) {
    if (!is_strategy(strategy)) {
      return fail(VMMC_ERR_INVALID_ARGUMENT, "wait strategy %d does not exist",
                  static_cast<int>(strategy));
    }
    attachment.set_wait_strategy(strategy);
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_get_counters(vmmc_counters* counters) {
  return attached([&](Attachment& attachment) {
    if (counters == nullptr) return null_pointer("counters");
    attachment.read_counters(*counters);
    return static_cast<int>(VMMC_OK);
  });
}

}  // extern "C"
