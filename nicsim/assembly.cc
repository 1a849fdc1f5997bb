// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/assembly.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "nicsim/engine_loop.h"
#include "nicsim/extension.h"
#include "nicsim/frames/make_source.h"
#include "nicsim/inspect/hardware_counters.h"
#include "nicsim/log.h"
#include "nicsim/simulated/simulated_loop.h"
#include "platform/clock.h"

namespace vmmc::nicsim {
namespace {

// A program that starts a nicsim connects within milliseconds, unless it has died.
constexpr std::chrono::seconds kPatienceForFirstClient{5};

void say_ready(int fd) {
  if (fd < 0) return;
  (void)!::write(fd, "r", 1);
  ::close(fd);
}

std::variant<platform::FileDescriptor, wire::Status> read_trace(const Trace& trace) {
  if (trace.capacity() == 0) return wire::Status::kTraceIsOff;
  platform::FileDescriptor ring = trace.readable_copy();
  if (!ring.valid()) return wire::Status::kOutOfMemory;
  return ring;
}

std::unique_ptr<recording::FileRecorder> make_recorder(const Options& options,
                                                       platform::FileDescriptor file) {
  if (!file.valid()) return nullptr;
  return std::make_unique<recording::FileRecorder>(std::move(file), options.record,
                                                   options.shape.rows, options.shape.columns);
}

// Started when the machine and its loop exist, stopped before they go, however that comes about.
class RunningExtension {
 public:
  RunningExtension(Extension* extension, const Extension::Surroundings& surroundings)
      : extension_(extension) {
    if (extension_ != nullptr) extension_->start(surroundings);
  }
  ~RunningExtension() {
    if (extension_ != nullptr) extension_->stop();
  }
  RunningExtension(const RunningExtension&) = delete;
  RunningExtension& operator=(const RunningExtension&) = delete;

 private:
  Extension* extension_;
};

}  // namespace

Assembly::Assembly(const Options& options, platform::FileDescriptor listener, OutputFiles files)
    : options_(options),
      trace_file_(std::move(files.trace)),
      recorder_(make_recorder(options, std::move(files.record))),
      server_(context_, std::move(listener), options.shape.nodes(), options.any_user, events()),
      rings_(context_, server_.machine(), make_source),
      observed_{.machine = server_.machine(),
                .instruments = instruments_,
                .socket = options.socket,
                .rows = options.shape.rows,
                .columns = options.shape.columns,
                .model = options.model_name,
                .clock_ns = platform::ns_since_1970,
                .rings = &rings_,
                .observers = [this] { return server_.observers(); }},
      observers_(services()),
      end_signals_(context_) {
  if (recorder_ != nullptr) server_.machine().record(*recorder_);
  server_.machine().observe(instruments_);
  server_.machine().real_time().limit(options.real_time);
  server_.serve_observers(observers_);
  server_.serve_rings(rings_);
  if (options.leave_with_last_client) server_.expect_client_within(kPatienceForFirstClient);
  make_loop();
  end_signals_.wait([this] { loop_->stop(); });
}

ControlServer::Events Assembly::events() {
  return {
      .attached = [this](Process& process) { loop_->attached(process); },
      .doorbell = [this](Process& process) { loop_->doorbell(process); },
      .leaving =
          [this](Process& process) {
            rings_.leave(process);
            loop_->leaving(process);
          },
      .last_left =
          [this] {
            if (options_.leave_with_last_client) loop_->stop();
          },
      .asked = [this](Process& process, const Loop::Asked& asked) { loop_->asked(process, asked); },
      .answered = [this](Process& process,
                         std::uint32_t request) { loop_->answered(process, request); }};
}

Observers::Services Assembly::services() {
  return {
      .snapshot = [this] { return take_snapshot(observed_); },
      .start_trace =
          [this](std::uint64_t records) {
            return server_.machine().start_trace(records == 0 ? Trace::kDefaultRecords : records);
          },
      .stop_trace = [this] { return server_.machine().stop_trace(); },
      .read_trace = [this] { return read_trace(instruments_.trace); }};
}

// In real time, or as the timing model says; and what there is to see of it.
void Assembly::make_loop() {
  Trace::Machine traced{.clock = wire::kRealTime,
                        .rows = options_.shape.rows,
                        .columns = options_.shape.columns,
                        .model = options_.model_name,
                        .now = nullptr};
  if (!options_.model) {
    auto loop = std::make_unique<EngineLoop>(context_, server_.machine());
    loop->serve(rings_);
    loop_ = std::move(loop);
  } else {
    server_.machine().use_simulated_time();
    auto loop = std::make_unique<simulated::SimulatedLoop>(
        context_, server_.machine(), *options_.model,
        parts::MachineShape{options_.shape.rows, options_.shape.columns},
        options_.expected_processes);
    observed_.clock_ns = [&simulated = *loop] { return simulated.now() / 1000; };
    observed_.hardware = [&simulated = *loop](std::uint32_t node) {
      return hardware_counters(simulated.hardware(), node);
    };
    observed_.stalled_on = [&simulated = *loop](const Process& process) {
      return simulated.stalled_on(process);
    };
    traced.clock = wire::kSimulatedTime;
    traced.now = [&simulated = *loop] { return simulated.now(); };
    loop_ = std::move(loop);
  }
  instruments_.trace.describe(std::move(traced));
}

bool Assembly::begin_trace() {
  if (!trace_file_.valid()) return true;
  if (server_.machine().start_trace(options_.trace_records, std::move(trace_file_)) ==
      wire::Status::kOk) {
    return true;
  }
  log(LogLevel::kError, "no memory for a trace of so many records");
  return false;
}

void Assembly::run(Extension* extension) {
  const RunningExtension running(extension, {.context = context_,
                                             .machine = server_.machine(),
                                             .loop = *loop_,
                                             .options = options_,
                                             .observed = observed_});
  say_ready(options_.ready_fd);
  loop_->run();
}

}  // namespace vmmc::nicsim
