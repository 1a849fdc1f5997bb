// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface of vmmc/redirection.h.

#include "vmmc/redirection.h"

#include "vmmc/internal/c_interface.h"

using vmmc::internal::Attachment;
using vmmc::internal::connected;
using vmmc::internal::null_pointer;

extern "C" {

int vmmc_redirect(uint32_t buffer_id, size_t offset, size_t length, void* destination,
                  size_t* copied) {
  return connected([&](Attachment& held) {
    if (destination == nullptr) return null_pointer("destination");
    const int status = held.exports().check_redirection(buffer_id, offset, length);
    if (status != VMMC_OK) return status;
    return held.redirections().add(buffer_id, offset, length, destination, copied);
  });
}

int vmmc_end_redirection(uint32_t buffer_id, size_t offset, size_t* arrived) {
  return connected([&](Attachment& held) {
    const int status = held.exports().check_known(buffer_id);
    return status != VMMC_OK ? status : held.redirections().remove(buffer_id, offset, arrived);
  });
}

}  // extern "C"
