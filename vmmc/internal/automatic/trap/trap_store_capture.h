// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The trap capture, as automatic update uses it. There is one in a process, whoever asks.
#pragma once

#include "vmmc/internal/automatic/store_capture.h"
#include "vmmc/internal/automatic/trap/trap_capture.h"

namespace vmmc::internal {

class TrapStoreCapture : public StoreCapture {
 public:
  std::optional<platform::SystemError> watch(PageRange pages, std::byte* alias,
                                             StoreSink& sink) override {
    return watch_stores(pages, alias, sink);
  }
  std::optional<platform::SystemError> unwatch(PageRange pages) override {
    return unwatch_stores(pages);
  }
  void abandon_in_child() override { forget_watches_after_fork(); }
};

}  // namespace vmmc::internal
