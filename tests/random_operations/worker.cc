// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/random_operations/worker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "tests/random_operations/arena.h"
#include "tests/random_operations/command.h"
#include "tests/random_operations/command_socket.h"
#include "tests/random_operations/handler_log.h"
#include "tests/random_operations/words.h"

namespace vmmc::testing::random_operations {
namespace {

class Worker {
 public:
  Worker(unsigned number, const std::string& nicsim, int socket)
      : number_(number), nicsim_(nicsim), socket_(socket) {
    attach();
  }

  [[noreturn]] void serve() {
    for (;;) {
      const Command command = receive_command(socket_);
      payload_.clear();
      const Answer answer = carry_out(command);
      send_answer(socket_, answer, payload_);
    }
  }

 private:
  void attach() {
    vmmc_init_options options = VMMC_INIT_DEFAULTS;
    options.socket = nicsim_.c_str();
    options.node = number_ % 2;
    options.process = number_;
    options.never_start = 1;
    options.delivery = static_cast<int>(number_ % 3);
    int status = VMMC_ERR_PROCESS_ID_IN_USE;
    while (status == VMMC_ERR_PROCESS_ID_IN_USE) status = vmmc_init(&options);
    demand(status == VMMC_OK, "vmmc_init");
    void* memory = nullptr;
    demand(vmmc_alloc(kAllocatedBytes, &memory) == VMMC_OK, "vmmc_alloc");
    arena_.set_allocated(memory);
  }

  unsigned char* at(std::uint64_t offset) const { return arena_.at(offset); }

  unsigned char* remote(const Command& c) { return proxies_.at(c.handle) + c.remote; }

  static void handle(const vmmc_notification* n, void* argument) {
    Worker& worker = *static_cast<Worker*>(argument);
    worker.log_.append(worker.notice_of(*n));
  }

  Notice notice_of(const vmmc_notification& n) const {
    return {n.buffer_id,   n.immediate,     arena_.offset_of(n.buffer), n.offset, n.length,
            n.sender.node, n.sender.process};
  }

  Answer carry_out(const Command& c) {
    switch (c.verb) {
      case Verb::kReset:
        return reset(c);
      case Verb::kExport:
        return export_buffer(c);
      case Verb::kUnexport:
        return unexport(c);
      case Verb::kImporters:
        return importers(c);
      case Verb::kImport:
        return import(c, 0);
      case Verb::kImportWaiting:
        return import(c, 30 * kSecond);
      case Verb::kImportStart:
        return start_import(c);
      case Verb::kImportTest:
        return test_import(c);
      case Verb::kImportCancel:
        return cancel_import(c);
      case Verb::kUnimport:
        return unimport(c);
      case Verb::kLog:
        return report_log(c);
      case Verb::kHash:
        return {0, 0, arena_.hash(), 0};
      case Verb::kRead:
        payload_ = arena_.bytes();
        return {};
      default:
        return carry_out_locally(c);
    }
  }

  Answer carry_out_locally(const Command& c) {
    switch (c.verb) {
      case Verb::kRedirect:
        return redirect(c);
      case Verb::kEndRedirection:
        return end_redirection(c);
      case Verb::kRegister:
        return register_memory(c);
      case Verb::kUnregister:
        return unregister_memory(c);
      case Verb::kBlock:
        return {vmmc_block_notifications()};
      case Verb::kUnblock:
        return {std::min(vmmc_unblock_notifications(), 1)};
      case Verb::kAccept:
        return {vmmc_accept_notifications(c.buffer_id, c.flag != 0)};
      case Verb::kWaitNotification:
        return wait_notification(c);
      case Verb::kUnbind:
        return unbind(c);
      case Verb::kStore:
        return store(c);
      case Verb::kFence:
        return fence();
      default:
        return transfer(c);
    }
  }

  Answer transfer(const Command& c) {
    unsigned char* const local = at(c.offset);
    unsigned char* const proxy = remote(c);
    switch (c.verb) {
      case Verb::kSend:
        return {vmmc_send(local, proxy, c.length)};
      case Verb::kSendNotify:
        return {vmmc_send_notify(local, proxy, c.length, static_cast<std::uint32_t>(c.operand))};
      case Verb::kSendStart:
        return start_send(c);
      case Verb::kGather:
        return gather(c);
      case Verb::kStrided:
        return {
            vmmc_send_strided(local, c.local_stride, proxy, c.remote_stride, c.length, c.count)};
      case Verb::kFetch:
        return {vmmc_fetch(local, proxy, c.length)};
      case Verb::kBind:
        return bind(c);
      case Verb::kFetchStart:
        return fetch_started(c);
      case Verb::kAtomic:
        return change_word(c, proxy);
      default:
        give_up("unknown command");
    }
  }

  Answer reset(const Command& c) {
    if (c.flag != 0) {
      demand(vmmc_finalize() == VMMC_OK, "vmmc_finalize");
      attach();
    } else {
      give_everything_up();
    }
    bindings_.clear();
    proxies_.clear();
    imports_.clear();
    exports_.clear();
    registrations_.clear();
    requests_.clear();
    (void)log_.take();
    arena_.fill(c.operand);
    return {};
  }

  void give_everything_up() {
    for (const auto& [number, binding] : bindings_) {
      demand(vmmc_unbind(binding) == VMMC_OK, "unbind at the end");
    }
    for (const std::uint32_t id : exports_) demand(vmmc_unexport(id) == VMMC_OK, "unexport");
    for (void* const proxy : imports_) demand(vmmc_unimport(proxy) == VMMC_OK, "unimport");
    for (const auto& [number, request] : requests_) {
      demand(vmmc_import_cancel(request) == VMMC_OK, "cancel");
    }
    for (const std::uint64_t offset : registrations_) {
      demand(vmmc_unregister(at(offset)) == VMMC_OK, "unregister");
    }
    while (vmmc_unblock_notifications() == 0) continue;
  }

  Answer export_buffer(const Command& c) {
    vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
    options.access = c.access;
    options.process = c.peer;
    options.executor = c.executor;
    options.redirectable = c.flag != 0;
    if (c.handler != 0) {
      options.handler = handle;
      options.handler_argument = this;
    }
    const int status = vmmc_export(at(c.offset), c.length, c.buffer_id, &options);
    if (status == VMMC_OK) exports_.insert(c.buffer_id);
    return {status};
  }

  Answer unexport(const Command& c) {
    const int status = vmmc_unexport(c.buffer_id);
    if (status == VMMC_OK) exports_.erase(c.buffer_id);
    return {status};
  }

  Answer unimport(const Command& c) {
    const int status = vmmc_unimport(proxies_.at(c.handle));
    if (status == VMMC_OK) imports_.erase(proxies_.at(c.handle));
    return {status};
  }

  Answer register_memory(const Command& c) {
    const int status = vmmc_register(at(c.offset), c.length);
    if (status == VMMC_OK) registrations_.insert(c.offset);
    return {status};
  }

  Answer unregister_memory(const Command& c) {
    const int status = vmmc_unregister(at(c.offset));
    if (status == VMMC_OK) registrations_.erase(c.offset);
    return {status};
  }

  static Answer importers(const Command& c) {
    std::size_t count = 0;
    const int status = vmmc_importers(c.buffer_id, nullptr, 0, &count);
    return {status, 0, count, 0};
  }

  Answer keep(int status, const Command& c, void* proxy, std::size_t length) {
    if (status != VMMC_OK) return {status};
    proxies_[c.handle] = static_cast<unsigned char*>(proxy);
    imports_.insert(proxies_[c.handle]);
    return {status, 0, length, reinterpret_cast<std::uintptr_t>(proxy)};
  }

  static vmmc_identity exporter(const Command& c) { return {c.peer % 2, c.peer}; }

  Answer import(const Command& c, std::uint64_t timeout) {
    const vmmc_import_options options{c.access, c.executor, timeout};
    void* proxy = nullptr;
    std::size_t length = 0;
    const int status = vmmc_import(exporter(c), c.buffer_id, &options, &proxy, &length);
    return keep(status, c, proxy, length);
  }

  Answer start_import(const Command& c) {
    const vmmc_import_options options{c.access, c.executor, 0};
    vmmc_import_request request = 0;
    const int status = vmmc_import_start(exporter(c), c.buffer_id, &options, &request);
    if (status == VMMC_OK) requests_[c.number] = request;
    return {status};
  }

  Answer test_import(const Command& c) {
    void* proxy = nullptr;
    std::size_t length = 0;
    int status = VMMC_PENDING;
    do {
      status = vmmc_import_test(requests_.at(c.number), &proxy, &length);
    } while (status == VMMC_PENDING && c.flag != 0);
    if (status != VMMC_PENDING) requests_.erase(c.number);
    return keep(status, c, proxy, length);
  }

  Answer cancel_import(const Command& c) {
    const vmmc_import_request request = requests_.at(c.number);
    requests_.erase(c.number);
    return {vmmc_import_cancel(request)};
  }

  Answer start_send(const Command& c) {
    vmmc_send_handle handle = 0;
    const int status = vmmc_send_start(at(c.offset), remote(c), c.length, &handle);
    if (status == VMMC_OK) started_.push_back(handle);
    return {status};
  }

  Answer fence() {
    const int status = vmmc_fence();
    for (const vmmc_send_handle handle : started_) {
      demand(vmmc_send_test(handle) == VMMC_OK, "a started send after the fence");
    }
    started_.clear();
    return {status};
  }

  Answer gather(const Command& c) {
    std::vector<vmmc_piece> pieces;
    for (const Piece& piece : pieces_of(c)) pieces.push_back({at(piece.offset), piece.length});
    return {vmmc_send_gather(pieces.data(), pieces.size(), remote(c))};
  }

  Answer fetch_started(const Command& c) {
    vmmc_send_handle handle = 0;
    int status = vmmc_fetch_start(at(c.offset), remote(c), c.length, &handle);
    if (status == VMMC_OK) status = vmmc_send_wait(handle);
    return {status};
  }

  Answer redirect(const Command& c) {
    std::size_t copied = 0;
    const int status = vmmc_redirect(c.buffer_id, c.remote, c.length, at(c.offset), &copied);
    return {status, 0, copied, 0};
  }

  static Answer end_redirection(const Command& c) {
    std::size_t arrived = 0;
    const int status = vmmc_end_redirection(c.buffer_id, c.remote, &arrived);
    return {status, 0, arrived, 0};
  }

  Answer bind(const Command& c) {
    const vmmc_bind_options options{static_cast<int>(c.kind), static_cast<int>(c.combining), 50'000,
                                    static_cast<int>(c.flag)};
    vmmc_binding* binding = nullptr;
    const int status = vmmc_bind(at(c.offset), remote(c), c.length, &options, &binding);
    if (status == VMMC_OK) bindings_[c.number] = binding;
    return {status};
  }

  Answer unbind(const Command& c) {
    const int status = vmmc_unbind(bindings_.at(c.number));
    if (status == VMMC_OK) bindings_.erase(c.number);
    return {status};
  }

  Answer store(const Command& c) {
    if (c.number == 0) return store_plainly(c, at(c.offset));
    return store_typed(c, bindings_.at(c.number), at(c.offset));
  }

  void append(const void* bytes, std::size_t length) {
    const auto* first = static_cast<const unsigned char*>(bytes);
    payload_.insert(payload_.end(), first, first + length);
  }

  Answer wait_notification(const Command& c) {
    vmmc_notification n{};
    const int status = vmmc_wait_notification(c.buffer_id, c.flag != 0 ? 20 * kSecond : 0, &n);
    const Notice notice = status == VMMC_OK ? notice_of(n) : Notice{};
    if (status == VMMC_OK) append(&notice, sizeof notice);
    return {status};
  }

  // Waits until as many have come as are expected; what came beyond is reported too.
  Answer report_log(const Command& c) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    for (;;) {
      if (number_ % 3 == VMMC_DELIVER_BY_DISPATCH) {
        demand(vmmc_dispatch(0) >= 0, "vmmc_dispatch");
      }
      if (log_.waiting() >= c.count || Clock::now() > deadline) break;
      ::usleep(20);
    }
    const std::vector<Notice> notices = log_.take();
    append(notices.data(), notices.size() * sizeof(Notice));
    return {};
  }

  const unsigned number_;
  const std::string nicsim_;
  const int socket_;
  Arena arena_;
  std::map<std::uint32_t, unsigned char*> proxies_;  // those given up, too
  std::set<unsigned char*> imports_;
  std::set<std::uint32_t> exports_;
  std::set<std::uint64_t> registrations_;
  std::map<std::uint32_t, vmmc_import_request> requests_;
  std::map<std::uint32_t, vmmc_binding*> bindings_;
  std::vector<vmmc_send_handle> started_;
  HandlerLog log_;
  Bytes payload_;
};

}  // namespace

void run_worker(unsigned number, const std::string& nicsim, int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  static Worker* const worker = new Worker(number, nicsim, socket);
  worker->serve();
}

}  // namespace vmmc::testing::random_operations
