// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/binding_checks.h"

#include "vmmc/internal/error.h"

namespace vmmc::internal {

int BindingChecks::options(const vmmc_bind_options& options) {
  if (options.capture < VMMC_CAPTURE_AUTO || options.capture > VMMC_CAPTURE_TYPED) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "capture %d does not exist", options.capture);
  }
  if (options.combining < VMMC_COMBINE_TIMER || options.combining > VMMC_COMBINE_OFF) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "combining %d does not exist", options.combining);
  }
  if (options.combining == VMMC_COMBINE_TIMER && options.timer == 0) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "a combining timer of 0 ns");
  }
  if (options.capture == VMMC_CAPTURE_SHARED && options.notify != 0) {
    return fail(VMMC_ERR_CAPTURE_UNAVAILABLE,
                "shared capture cannot notify: nobody sees the stores");
  }
  return VMMC_OK;
}

int BindingChecks::pages(std::uintptr_t local, const void* proxy, std::size_t length) {
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

int BindingChecks::find_target(const void* proxy, std::size_t length,
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
int BindingChecks::refuse_ended(const Import& import) const {
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

}  // namespace vmmc::internal
