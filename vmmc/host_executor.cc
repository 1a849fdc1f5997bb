// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/host_executor.hpp"

#include "vmmc/internal/process_state.h"

namespace vmmc::host_executor {
namespace {

constinit record no_record;

}  // namespace

record& record_of(const void* proxy) {
  const internal::Attachment* const attachment = internal::attachment();
  record* const found = attachment == nullptr ? nullptr : attachment->host_executor().find(proxy);
  return found == nullptr ? no_record : *found;
}

}  // namespace vmmc::host_executor
