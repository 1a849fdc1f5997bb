// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A whole nicsim, put together: the machine behind its control server, the loop that it runs in, the
// instruments, and who looks at them.
//
// Threads: everything happens in the one that calls run().
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "nicsim/control_server.h"
#include "nicsim/end_signals.h"
#include "nicsim/frames/frame_rings.h"
#include "nicsim/inspect/snapshot.h"
#include "nicsim/instruments.h"
#include "nicsim/loop.h"
#include "nicsim/observers.h"
#include "nicsim/options.h"
#include "nicsim/recording/file_recorder.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

class Extension;

// The files that nicsim writes, open and empty; those that are not asked for are not valid.
struct OutputFiles {
  platform::FileDescriptor record;
  platform::FileDescriptor trace;
};

class Assembly {
 public:
  // `listener` listens already.
  Assembly(const Options& options, platform::FileDescriptor listener, OutputFiles files);
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  // False, and why is logged: there is no memory for the trace that is asked for.
  bool begin_trace();
  // Until a signal, the last client or the extension ends it.
  void run(Extension* extension);

 private:
  ControlServer::Events events();
  Observers::Services services();
  void make_loop();

  const Options& options_;
  platform::FileDescriptor trace_file_;                // until begin_trace()
  std::unique_ptr<recording::FileRecorder> recorder_;  // nullptr: nothing is recorded
  Instruments instruments_;
  boost::asio::io_context context_{1};
  std::unique_ptr<Loop> loop_;
  ControlServer server_;
  FrameRings rings_;
  Observed observed_;
  Observers observers_;
  EndSignals end_signals_;
};

}  // namespace vmmc::nicsim
