// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface of vmmc/automatic_update.h.

#include "vmmc/automatic_update.h"

#include "vmmc/internal/automatic/typed_store.h"
#include "vmmc/internal/c_interface.h"

using vmmc::internal::attached;
using vmmc::internal::Attachment;
using vmmc::internal::connected;
using vmmc::internal::null_pointer;
using vmmc::internal::typed_copy;
using vmmc::internal::typed_store;
using vmmc::internal::unguarded;

extern "C" {

int vmmc_bind(void* local, void* proxy, size_t length, const vmmc_bind_options* options,
              vmmc_binding** binding) {
  const vmmc_bind_options defaults = VMMC_BIND_DEFAULTS;
  return connected([&](Attachment& held) {
    if (local == nullptr) return null_pointer("local");
    if (binding == nullptr) return null_pointer("binding");
    return held.automatic_update().bind(local, proxy, length,
                                        options == nullptr ? defaults : *options, binding);
  });
}

int vmmc_unbind(vmmc_binding* binding) {
  return attached([&](Attachment& held) { return held.automatic_update().unbind(binding); });
}

int vmmc_binding_capture(const vmmc_binding* binding) {
  return attached([&](Attachment& held) { return held.automatic_update().capture_of(binding); });
}

int vmmc_flush(void) {
  return unguarded([](Attachment& held) {
    if (held.waiter().nicsim_gone()) return vmmc::internal::fail_nicsim_gone();
    return held.automatic_update().flush();
  });
}

int vmmc_au_store8(vmmc_binding* binding, uint8_t* address, uint8_t value) {
  return unguarded([=](Attachment&) { return typed_store(binding, address, value); });
}
int vmmc_au_store16(vmmc_binding* binding, uint16_t* address, uint16_t value) {
  return unguarded([=](Attachment&) { return typed_store(binding, address, value); });
}
int vmmc_au_store32(vmmc_binding* binding, uint32_t* address, uint32_t value) {
  return unguarded([=](Attachment&) { return typed_store(binding, address, value); });
}
int vmmc_au_store64(vmmc_binding* binding, uint64_t* address, uint64_t value) {
  return unguarded([=](Attachment&) { return typed_store(binding, address, value); });
}

int vmmc_au_copy(vmmc_binding* binding, void* address, const void* source, size_t length) {
  return unguarded([=](Attachment&) {
    if (source == nullptr && length > 0) return null_pointer("source");
    return typed_copy(binding, address, source, length);
  });
}

}  // extern "C"
