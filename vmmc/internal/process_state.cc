// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/process_state.h"

#include <pthread.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

std::mutex lifecycle;
std::atomic<bool> forked{false};
// In a forked child: what was the parent's. Kept so that leak checkers find it.
Attachment* inherited = nullptr;

void before_fork() {
  lifecycle.lock();
  if (Attachment* const held = current_attachment.load()) held->before_fork();
}

void after_fork_in_parent() {
  if (Attachment* const held = current_attachment.load()) held->after_fork_in_parent();
  lifecycle.unlock();
}

void after_fork_in_child() {
  if (Attachment* const held = current_attachment.exchange(nullptr)) {
    held->abandon_in_child();
    inherited = held;
    forked.store(true);
  }
  lifecycle.unlock();
}

void watch_forks() {
  static const int ignored =
      ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  (void)ignored;
}

}  // namespace

int refuse_unattached() {
  const int status = forked.load() ? VMMC_ERR_FORKED : VMMC_ERR_NOT_ATTACHED;
  return fail(status, "%s", status_sentence(status));
}

int attach(const vmmc_init_options& options) {
  watch_forks();
  const std::lock_guard lock(lifecycle);
  if (current_attachment.load() != nullptr) {
    return fail(VMMC_ERR_ALREADY_ATTACHED,
                "the process is attached already, as process %u of node %u",
                current_attachment.load()->self().process, current_attachment.load()->self().node);
  }
  std::unique_ptr<Attachment> made;
  const int status = Attachment::attach(options, made);
  if (status != VMMC_OK) return status;
  forked.store(false);
  current_attachment.store(made.release(), std::memory_order_release);
  return VMMC_OK;
}

int detach() {
  // Before the lock: whoever holds it may be waiting for this handler.
  Attachment* const held = attachment();
  if (held != nullptr && held->notifications().in_handler()) {
    return fail(VMMC_ERR_IN_HANDLER, "a notification handler cannot end the attachment");
  }
  const std::lock_guard lock(lifecycle);
  const std::unique_ptr<Attachment> ending(current_attachment.exchange(nullptr));
  return ending == nullptr ? refuse_unattached() : ending->detach();
}

Job job() {
  Job job{0, 1};
  if (number_from_environment("VMMC_RANK", 0, &job.rank) != VMMC_OK ||
      number_from_environment("VMMC_SIZE", 1, &job.size) != VMMC_OK || job.rank >= job.size) {
    return {0, 1};
  }
  return job;
}

}  // namespace vmmc::internal
