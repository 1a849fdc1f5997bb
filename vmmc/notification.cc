// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface of vmmc/notification.h.

#include "vmmc/notification.h"

#include "vmmc/internal/c_interface.h"

using vmmc::internal::Attachment;
using vmmc::internal::connected;
using vmmc::internal::null_pointer;
using vmmc::internal::unguarded;

extern "C" {

int vmmc_send_notify(const void* source, void* proxy, size_t length, uint32_t immediate) {
  return unguarded([&](Attachment& held) {
    if (source == nullptr) return null_pointer("source");
    return held.deliberate_update().send_notify(source, proxy, length, immediate);
  });
}

int vmmc_block_notifications(void) {
  return unguarded([](Attachment& held) { return held.notifications().block(); });
}

int vmmc_unblock_notifications(void) {
  return unguarded([](Attachment& held) { return held.notifications().unblock(); });
}

int vmmc_accept_notifications(uint32_t buffer_id, int accept) {
  return connected([&](Attachment& held) {
    return held.exports().accept_notifications(buffer_id, accept != 0);
  });
}

int vmmc_wait_notification(uint32_t buffer_id, uint64_t timeout, vmmc_notification* notification) {
  return connected([&](Attachment& held) {
    return held.exports().wait_notification(buffer_id, timeout, notification);
  });
}

int vmmc_notification_fd(void) {
  return unguarded([](Attachment& held) { return held.notifications().descriptor(); });
}

// The handlers run in here: what they throw is the program's.
int vmmc_dispatch(size_t most) {
  return unguarded([&](Attachment& held) { return held.notifications().dispatch(most); });
}

}  // extern "C"
