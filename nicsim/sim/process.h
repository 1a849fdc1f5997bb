// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A process of a simulated machine: what its program may do. The calls are those of vmmc/vmmc.h, and
// where simulated time passes they are awaited:
//
//     Buffer flags = self.allocate(4096);
//     co_await self.export_buffer(7, flags);
//     Proxy proxy = co_await self.import(1, 7);
//     co_await self.send(source.data(), proxy + 12, 4);
//     co_await self.wait(&flags.word<std::uint32_t>(12), Comparison::kEqual, 1u);
//
// Processor   Each process has a processor of its own, even if several are on one node: they share
//             the node's network interface, but never wait for each other's instructions. An interrupt
//             of a node holds up all of its processes.
// Time        What the program does between two awaits takes no time; compute() says what it costs.
// Memory      Bytes that are sent are read when the hardware reads them, and are in the receiver's
//             memory from the moment when the hardware lands them: when a polling program sees them.
// Handlers    run one at a time and never nest; while they are blocked or one runs, notifications are
//             queued. The program itself is held up while a handler runs, and goes on afterwards.
// Errors      ProgramError with a sentence, thrown by the await (or by the call, if it is not awaited).
//
// Threads: one.
#pragma once

#include <coroutine>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nicsim/sim/process_operation.h"
#include "nicsim/sim/program.h"

namespace vmmc::nicsim::sim {

class SimulatedMachine;

// An exported buffer, as the machine keeps it.
struct Export {
  Process* owner;
  std::uint32_t id;
  Buffer buffer;
  std::uint32_t first_incoming_page;
  std::uint32_t pages;
  Handler handler;
  bool announced = false;  // may be imported
};

class Process {
 public:
  using Program = std::function<Task<>(Process&)>;

  Process(SimulatedMachine& machine, std::uint32_t number, std::uint32_t node, std::string name,
          Program program);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::uint32_t number() const { return number_; }  // 0, 1, ... in the order of machine.start()
  std::uint32_t node() const { return node_; }
  const std::string& name() const { return name_; }
  double clock() const;  // simulated ns since the start of the machine
  SimulatedMachine& machine() { return machine_; }

  // ------------------------------------------------------------------ memory, export, import

  // Whole pages; costs no time.
  Buffer allocate(std::size_t bytes);

  // Whole pages of the process, as a receive buffer. library.export_ns.
  auto export_buffer(std::uint32_t id, Buffer buffer, ExportOptions options = {}) {
    return awaiting([this, id, buffer, options = std::move(options)](Flow& flow) {
      start_export(flow, id, buffer, options);
    });
  }
  // Waits until the process `exporter` has exported the buffer; then library.import_ns.
  auto import(std::uint32_t exporter, std::uint32_t id) {
    return awaiting([=, this](Flow& flow) { start_import(flow, exporter, id); },
                    [](Flow& flow) { return Proxy{flow.result}; });
  }

  // ------------------------------------------------------------------------ deliberate update

  // Until the source may be reused.
  auto send(const void* source, Proxy destination, std::uint64_t length) {
    return awaiting([=, this](Flow& flow) {
      begin_send(flow, source, destination, length, false, Awaits::kSource);
    });
  }
  // The same, and the receiver's handler runs when the bytes are in its memory.
  auto send_notify(const void* source, Proxy destination, std::uint64_t length) {
    return awaiting([=, this](Flow& flow) {
      begin_send(flow, source, destination, length, true, Awaits::kSource);
    });
  }
  // Until the hardware has taken the request; the source must stay as it is until send_wait().
  auto send_start(const void* source, Proxy destination, std::uint64_t length) {
    return awaiting(
        [=, this](Flow& flow) {
          begin_send(flow, source, destination, length, false, Awaits::kInitiated);
        },
        [](Flow& flow) { return SendHandle{flow.result}; });
  }
  // Until the source of that transfer may be reused.
  auto send_wait(SendHandle handle) {
    return awaiting([=, this](Flow& flow) { await_source(flow, handle); });
  }
  // Until all that was sent and stored has been delivered; what was stored is flushed first.
  auto fence() {
    return awaiting([this](Flow& flow) { begin_fence(flow); });
  }

  // ------------------------------------------------------------------------- automatic update

  // Page-aligned local memory to the pages of a proxy that begins with one. No time.
  Binding bind(Buffer local, Proxy proxy, std::uint64_t length, BindOptions options = {});

  // One store of a word of 4 or 8 bytes, to local memory and, through the interface, to the remote one.
  template <typename Word>
  auto store(Binding at, Word value) {
    static_assert(sizeof(Word) == 4 || sizeof(Word) == 8);
    return awaiting([=, this](Flow& flow) {
      begin_stores(flow, at, reinterpret_cast<const std::byte*>(&value), sizeof value,
                   sizeof value);
    });
  }
  // A copy loop: one store for each word of 4 bytes. The source must stay as it is until it has ended.
  auto store_bytes(Binding at, const void* source, std::uint64_t length) {
    return awaiting([=, this](Flow& flow) {
      begin_stores(flow, at, static_cast<const std::byte*>(source), length, 4);
    });
  }
  // What is being combined leaves. What was stored before arrives before what is sent afterwards.
  auto flush() {
    return awaiting([this](Flow& flow) { begin_flush(flow); });
  }

  // ----------------------------------------------------------------------------- remote access

  // Until the remote bytes are in local memory.
  auto fetch(void* destination, Proxy source, std::uint64_t length) {
    return awaiting([=, this](Flow& flow) { begin_fetch(flow, destination, source, length); });
  }
  // Adds to a remote word of 4 or 8 bytes; the result is what it was before.
  template <typename Word>
  auto fetch_add(Proxy word, Word addend) {
    static_assert(sizeof(Word) == 4 || sizeof(Word) == 8);
    return awaiting([=, this](Flow& flow) { begin_fetch_add(flow, word, addend, sizeof(Word)); },
                    [](Flow& flow) { return static_cast<Word>(flow.result); });
  }

  // ---------------------------------------------------------------------------- waiting, working

  // Until `*word comparison value` holds for a word of this process's memory of 4 or 8 bytes. If it
  // holds already, no time; else until the hardware has landed it, and that includes processor.poll_ns.
  // Words are compared as unsigned ones.
  template <typename Word>
  auto wait(const Word* word, Comparison comparison, std::type_identity_t<Word> value) {
    static_assert(std::is_integral_v<Word> && (sizeof(Word) == 4 || sizeof(Word) == 8));
    // As the word lies in memory: a negative one has no more bits set than it has bits.
    const auto bits = static_cast<std::make_unsigned_t<Word>>(value);
    return awaiting([=, this](Flow& flow) {
      begin_wait(flow, reinterpret_cast<const std::byte*>(word), sizeof(Word), comparison, bits);
    });
  }
  // The program's own work; not negative.
  auto compute(double ns) {
    return awaiting([=, this](Flow& flow) { begin_compute(flow, ns); });
  }
  // A copy of so many bytes from memory to memory, at processor.copy_mb_per_s. Moves no bytes.
  auto copy(std::uint64_t bytes) {
    return awaiting([=, this](Flow& flow) { work(flow, copy_time(bytes)); });
  }

  // ------------------------------------------------------------------------------ notifications

  // Counted: handlers start again when as many calls of unblock have been made.
  void block_notifications() { ++blocked_; }
  void unblock_notifications();

 private:
  friend class SimulatedMachine;
  static constexpr std::uint32_t kDestinationSpacePages = 1u << 30;  // 4 TiB

  // What a flow of control waits for.
  enum class Awaits : std::uint8_t {
    kNothing,    // it runs, or has ended
    kWork,       // its own instructions
    kInitiated,  // of an operation
    kSource,     // of an operation; after kInitiated
    kAnswer,     // of a fetch or an atomic operation
    kDelivery,   // of all operations
    kWord,
    kExport,
  };

  // The program itself, or the handler that runs.
  struct Flow {
    std::coroutine_handle<> continuation;
    Awaits awaits = Awaits::kNothing;
    bool due = false;        // what it waits for happened while a handler had the processor ...
    parts::Time due_at = 0;  // ... at this time
    std::uint64_t result = 0;
    // kInitiated to kAnswer
    std::uint64_t operation = 0;  // its number
    // The stores of a copy loop that are still to be made.
    Binding at;
    const std::byte* from = nullptr;
    std::uint64_t remaining = 0;
    std::uint32_t step = 0;
    // kWord
    const std::byte* word = nullptr;
    std::uint32_t width = 0;
    Comparison comparison = Comparison::kEqual;
    std::uint64_t value = 0;
    bool seen = false;
    // kExport
    std::uint32_t exporter = 0;
    std::uint32_t buffer_id = 0;
  };

  struct NoResult {
    void operator()(Flow&) const {}
  };
  // Suspends the flow and does `start`, which sees to it that the flow goes on some time.
  template <typename Start, typename Take>
  struct [[nodiscard]] Awaiting {
    Process& process;
    Start start;
    Take take;
    Flow* flow = nullptr;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> coroutine) {
      flow = &process.running();
      flow->continuation = coroutine;
      start(*flow);
      return flow->awaits != Awaits::kNothing;  // else it goes on at once
    }
    auto await_resume() { return take(*flow); }
  };
  template <typename Start, typename Take = NoResult>
  Awaiting<Start, Take> awaiting(Start start, Take take = {}) {
    return {*this, std::move(start), std::move(take)};
  }

  // A coroutine that the process itself owns; reports its end.
  struct Root;
  Root run_program();
  Root run_handler(const Handler& handler, Notification notification);

  Flow& running() { return handler_runs_ ? handler_flow_ : program_flow_; }
  void start(std::uint64_t);  // an event
  [[noreturn]] void refuse(const std::string& sentence) const;

  void start_export(Flow& flow, std::uint32_t id, Buffer buffer, const ExportOptions& options);
  void announce_export(std::uint64_t id);  // an event
  void start_import(Flow& flow, std::uint32_t exporter, std::uint32_t id);
  void finish_import(Flow& flow, const Export& exported);
  void begin_send(Flow& flow, const void* source, Proxy destination, std::uint64_t length,
                  bool notify, Awaits awaits);
  void await_source(Flow& flow, SendHandle handle);
  void begin_fence(Flow& flow);
  void begin_stores(Flow& flow, Binding at, const std::byte* from, std::uint64_t length,
                    std::uint32_t step);
  void begin_store(Flow& flow);
  void begin_flush(Flow& flow);
  void begin_fetch(Flow& flow, void* destination, Proxy source, std::uint64_t length);
  void begin_fetch_add(Flow& flow, Proxy word, std::uint64_t addend, std::uint32_t width);
  void begin_wait(Flow& flow, const std::byte* word, std::uint32_t width, Comparison comparison,
                  std::uint64_t value);
  void begin_compute(Flow& flow, double ns);
  void work(Flow& flow, parts::Time time);
  parts::Time copy_time(std::uint64_t bytes) const;

  void check_destination(Proxy destination, std::uint64_t length, const char* what) const;
  SimulatedOperation& new_operation(Flow& flow, parts::OperationKind kind, Proxy destination,
                                    std::uint64_t length);
  void begin(SimulatedOperation& operation);

  // From the machine.
  void initiated(SimulatedOperation& operation);
  void source_free(SimulatedOperation& operation);
  void delivered(SimulatedOperation& operation);
  void memory_changed(const std::byte* first, std::uint64_t length);
  void interrupted(parts::Time cost);
  void notified(std::uint64_t number);
  std::uint64_t queue_notification(const Export& exported, Notification notification);
  void export_appeared(const Export& record);
  std::string what_it_waits_for() const;

  static bool holds(const Flow& flow);
  void look(Flow& flow);
  void wake_later(Flow& flow, parts::Time delay);
  void wake(std::uint64_t of_handler);  // an event
  void proceed(Flow& flow);
  void start_handler();
  void start_handlers_later(std::uint64_t) { start_handler(); }  // an event
  void handler_ended(std::uint64_t);                             // an event

  SimulatedMachine& machine_;
  std::uint32_t number_;
  std::uint32_t node_;
  std::string name_;
  Program program_;
  OutgoingPageTable outgoing_pages_;
  std::uint32_t imports_ = 0;
  std::map<std::uint32_t, std::unique_ptr<Export>> exports_;
  struct PageDeleter {
    void operator()(std::byte* memory) const {
      ::operator delete[](memory, std::align_val_t{4096});
    }
  };
  std::vector<std::unique_ptr<std::byte[], PageDeleter>> memory_;

  Flow program_flow_;
  Flow handler_flow_;
  std::coroutine_handle<> program_root_;
  std::coroutine_handle<> handler_root_;
  bool ended_ = false;
  bool handler_runs_ = false;
  parts::Time handler_since_ = 0;
  std::uint32_t blocked_ = 0;
  struct Queued {
    const Export* exported;
    Notification notification;
  };
  std::map<std::uint64_t, Queued> announced_;  // by token number: interrupt and signal under way
  std::uint64_t last_announced_ = 0;
  std::deque<Queued> notifications_;

  parts::Time stolen_ = 0;             // by interrupts and handlers, from the work under way
  parts::Time processor_free_at_ = 0;  // an interrupt lasts until then
  SimulatedOperation* initiating_ = nullptr;
  std::deque<SimulatedOperation*> begun_meanwhile_;  // by a handler, while one was initiating
  std::uint64_t under_way_ = 0;                      // operations, until they are delivered
  std::vector<std::uint64_t> started_;               // by send_start, the source still in use
  std::uint64_t last_operation_ = 0;
  bool stored_ = false;  // since the last flush
};

}  // namespace vmmc::nicsim::sim
