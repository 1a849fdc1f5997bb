// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/completion.h"

#include "vmmc/internal/error.h"

namespace vmmc::internal {

namespace {

int fail_transfer(int status, vmmc_send_handle handle) {
  return fail_refused(static_cast<wire::Status>(status), "the transfer of handle %llu",
                      static_cast<unsigned long long>(handle));
}

}  // namespace

int Completion::test(vmmc_send_handle handle) {
  if (is_delivered(handle)) return VMMC_OK;
  if (!is_handle(handle)) return fail_transfer(VMMC_ERR_BAD_HANDLE, handle);
  int status = outcome_of(handle - 1);
  if (status == VMMC_PENDING && waiter_.time().on()) {
    waiter_.time().pause();
    status = outcome_of(handle - 1);
  }
  return status == VMMC_OK || status == VMMC_PENDING ? status : fail_transfer(status, handle);
}

int Completion::wait(vmmc_send_handle handle) {
  if (is_delivered(handle)) return VMMC_OK;
  if (!is_handle(handle)) return fail_transfer(VMMC_ERR_BAD_HANDLE, handle);
  const int status = wait_for(handle - 1);
  return status == VMMC_OK ? status : fail_transfer(status, handle);
}

int Completion::wait_for(std::uint64_t ticket) {
  const int status = queue_.wait_completed(ticket + 1);
  return status == VMMC_OK ? outcome_of(ticket) : status;
}

int Completion::wait_for_source(std::uint64_t ticket) {
  if (const int status = queue_.wait_sources_free(ticket + 1); status != VMMC_OK) return status;
  const int status = outcome_of(ticket);
  return status == VMMC_PENDING ? VMMC_OK : status;  // a failure is the next fence's
}

int Completion::outcome_of(std::uint64_t ticket) {
  const int status = queue_.test(ticket);
  return status == VMMC_PENDING && waiter_.nicsim_gone() ? VMMC_ERR_NICSIM_GONE : status;
}

int Completion::fence() {
  if (const int status = queue_.wait_completed(queue_.posted()); status != VMMC_OK) {
    return fail_plainly(status);
  }
  if (waiter_.nicsim_gone()) return fail_plainly(VMMC_ERR_NICSIM_GONE);
  const SendQueue::Failure failure = queue_.take_failure();
  if (failure.status == VMMC_OK) return VMMC_OK;
  return fail_refused(static_cast<wire::Status>(failure.status), "an earlier send to %p failed",
                      space_.address_of(failure.destination));
}

}  // namespace vmmc::internal
