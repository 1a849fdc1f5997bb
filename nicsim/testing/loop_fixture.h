// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: nicsim's loop in a thread of its own, without sockets, and clients that play
// their half in the test's thread.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "nicsim/engine_loop.h"
#include "nicsim/testing/fake_client.h"

namespace vmmc::nicsim::testing {

// Threads: the machine is the loop's alone while it runs; everything that touches it goes through
// inside().
struct LoopFixture : MachineFixture {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  EngineLoop loop{context, machine};
  std::thread thread;

  LoopFixture() {
    ::alarm(50);  // whatever waits for ever
    attend = [this](Process& process) { loop.doorbell(process); };
    thread = std::thread([this] { loop.run(); });
  }
  ~LoopFixture() {
    inside([this] { loop.stop(); });
    thread.join();
    ::alarm(0);
  }

  // Does it in the loop's thread, as the control server would.
  template <typename Function>
  std::invoke_result_t<Function> inside(Function function) {
    using Task = std::packaged_task<std::invoke_result_t<Function>()>;
    const auto task = std::make_shared<Task>(std::move(function));
    auto result = task->get_future();
    boost::asio::post(context, [task] { (*task)(); });
    return result.get();
  }

  std::unique_ptr<FakeClient> client(std::uint32_t node, std::uint32_t segment_pages = 16) {
    return inside([&] {
      auto result = std::make_unique<FakeClient>(machine, node, segment_pages);
      loop.attached(*result->process);
      return result;
    });
  }
  void leave(FakeClient& leaver) {
    inside([&] {
      loop.leaving(*leaver.process);
      machine.detach(*leaver.process);
    });
  }

  // A buffer of the exporter that notifies, imported.
  wire::ImportReply connect(FakeClient& exporter, FakeClient& importer, std::uint32_t id,
                            std::uint64_t offset, std::uint64_t length) {
    return inside([&] {
      auto request = exporter.export_request(id, offset, length);
      request.flags = wire::kExportNotifies;
      request.cookie = id;
      REQUIRE(machine.export_buffer(*exporter.process, request) == wire::Status::kOk);
      return machine.import(*importer.process, importer.import_request(exporter, id))->reply;
    });
  }

  // What a client does after it has published.
  void ring_if_asked(FakeClient& sender) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sender.channel().doorbell.nic_sleeps.exchange(0) == 1) ring(sender);
  }
  void ring(FakeClient& ringer) {
    boost::asio::post(context, [this, process = ringer.process] { loop.doorbell(*process); });
  }
  void notify(FakeClient& sender, const wire::ImportReply& import, std::uint32_t immediate) {
    await([&] { return sender.tickets() - completed(sender) < wire::kSendSlots; });
    sender.post_notify(import, 0, "n", immediate);
    ring_if_asked(sender);
  }
  // Takes one as the library would.
  std::optional<wire::Notification> take(FakeClient& receiver) {
    const auto notification = receiver.take_notification();
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (receiver.must_ring_for_room()) ring(receiver);
    return notification;
  }

  static std::uint64_t completed(FakeClient& client) {
    return client.channel().send_status.completed.load();
  }
  static std::uint64_t stalls(FakeClient& client) {
    return client.channel().counters.notification_stalls.load();
  }

  // Ends by the alarm if it never comes true.
  template <typename Condition>
  static void await(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
};

}  // namespace vmmc::nicsim::testing
