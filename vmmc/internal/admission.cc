// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/admission.h"

#include "vmmc/internal/error.h"

namespace vmmc::internal {

[[gnu::cold]] int Admission::refuse(const char* what, const void* local, const void* proxy,
                                    std::size_t length, std::uint32_t access) const {
  if (waiter_.nicsim_gone()) {
    return fail(VMMC_ERR_NICSIM_GONE, "%s", status_sentence(VMMC_ERR_NICSIM_GONE));
  }
  if (length == 0) return fail(VMMC_ERR_ZERO_LENGTH, "a %s of zero bytes", what);
  if (reinterpret_cast<std::uintptr_t>(local) > UINTPTR_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu bytes from %p go past the end of the address space",
                length, local);
  }
  const auto import = space_.resolve(proxy);
  const std::uint64_t offset = space_.offset_of(proxy);
  if (!import || offset < import->first || offset - import->first >= import->length) {
    return fail(VMMC_ERR_OUTSIDE_PROXY, "%p is in no proxy of this process", proxy);
  }
  if (length > import->length - (offset - import->first)) {
    return fail(VMMC_ERR_OUTSIDE_PROXY,
                "%zu bytes from %p go past the end of the proxy of buffer %u of process (%u, %u)",
                length, proxy, import->buffer_id, import->exporter.node, import->exporter.process);
  }
  return refuse_import(*import, access);
}

// What nicsim has said about the import so far.
int Admission::refuse_import(const Import& import, std::uint32_t access) const {
  const std::uint32_t missing = access & ~import.access;
  if (missing != 0) {
    const bool write = (missing & VMMC_WRITE) != 0;
    return fail(write ? VMMC_ERR_NOT_WRITABLE : VMMC_ERR_NOT_READABLE,
                "buffer %u of process (%u, %u) was imported without %s", import.buffer_id,
                import.exporter.node, import.exporter.process, write ? "VMMC_WRITE" : "VMMC_READ");
  }
  const std::uint32_t state = channel_.import_states[import.slot].load(std::memory_order_acquire);
  if (wire::import_phase(state) == wire::ImportPhase::kPeerDead) {
    return fail(VMMC_ERR_PEER_DEAD, "process (%u, %u), which exported buffer %u, has ended",
                import.exporter.node, import.exporter.process, import.buffer_id);
  }
  return fail(VMMC_ERR_UNEXPORTED, "process (%u, %u) has taken buffer %u back",
              import.exporter.node, import.exporter.process, import.buffer_id);
}

}  // namespace vmmc::internal
