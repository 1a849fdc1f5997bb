// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface of vmmc/registration.h.

#include "vmmc/registration.h"

#include "vmmc/internal/c_interface.h"

using vmmc::internal::attached;
using vmmc::internal::Attachment;

extern "C" {

int vmmc_register(const void* address, size_t length) {
  return attached([&](Attachment& held) { return held.registrations().add(address, length); });
}

int vmmc_unregister(const void* address) {
  return attached([&](Attachment& held) { return held.registrations().remove(address); });
}

int vmmc_set_pin_limit(size_t bytes) {
  return attached([&](Attachment& held) {
    held.registrations().set_limit(bytes);
    return static_cast<int>(VMMC_OK);
  });
}

}  // extern "C"
