// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Several clients do everything at random, and memory, results and notifications are at every moment
// what a simple model says.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "nicsim/testing/fake_client.h"
#include "nicsim/testing/operation_model.h"
#include "nicsim/transfer_engine.h"

using namespace vmmc;
using namespace vmmc::nicsim::testing;
using wire::LocalPlace;
using wire::Operation;
using wire::Status;
using Served = nicsim::TransferEngine::Served;

namespace {

// Of each segment: buffers, where redirections lead to, what updates read and fetches write.
constexpr std::uint64_t kBuffersEnd = 8 * wire::kPageSize;
constexpr std::uint64_t kElsewhereEnd = 12 * wire::kPageSize;
constexpr std::uint64_t kLocalEnd = 16 * wire::kPageSize;
constexpr std::uint64_t kOtherBytes = 8192;
constexpr std::uint64_t kLongest = 3000;

struct Client {
  FakeClient real;
  ModelClient model;
  Bytes other = Bytes(kOtherBytes);
  struct Held {
    wire::ImportReply reply;
    std::shared_ptr<ModelImport> model;
  };
  std::vector<Held> imports;

  Client(nicsim::Machine& machine, std::uint32_t node) : real(machine, node, 16) {
    model.id = real.process->id;
    model.segment.resize(kLocalEnd);
    model.staging.resize(kOtherBytes);
    model.other.resize(kOtherBytes);
  }
};

struct RandomOperations : MachineFixture {
  const unsigned seed = std::random_device{}();
  std::mt19937_64 random{seed};
  nicsim::TransferEngine engine{machine.backplane()};
  std::vector<std::unique_ptr<Client>> clients;
  ModelUnexports waiting;
  std::size_t unexported = 0;
  std::uint32_t next_id = 1;
  // So that nobody believes a test in which nothing happens.
  std::map<Status, std::uint64_t> verdicts;
  std::uint64_t stalls = 0;
  std::uint64_t notified = 0;
  std::uint64_t kept = 0;
  std::uint64_t redirected = 0;
  std::uint64_t copied = 0;

  std::uint64_t below(std::uint64_t limit) { return random() % limit; }
  bool one_in(std::uint64_t number) { return below(number) == 0; }
  Client& any() { return *clients[below(clients.size())]; }

  void export_one(Client& client);
  void unexport_one(Client& client);
  void import_one(Client& client);
  void unimport_one(Client& client);
  void redirect_one(Client& client);
  void end_one(Client& client);
  void accept_one(Client& client);
  void post(Client& client);
  void place_local_bytes(ModelOperation& asked);
  void publish(Client& client, const Client::Held& held, const ModelOperation& asked);
  void serve(Client& client);
  void complete_one(Client& client, bool awaited);
  void settle();
  void take(Client& client, std::uint64_t count);
  void replace(std::size_t which);
  void step();
  void check_memory();
};

void RandomOperations::export_one(Client& client) {
  const std::uint64_t area = below(4);  // of two pages; one buffer lives in each
  for (const auto& [id, buffer] : client.model.buffers) {
    if (buffer->first / (2 * wire::kPageSize) == area) return;
  }
  const std::uint64_t offset = 4 * below(1000);
  const std::uint64_t length = 1 + below(2 * wire::kPageSize - offset);
  const std::uint64_t first = area * 2 * wire::kPageSize + offset;
  auto request = client.real.export_request(next_id++, first, length);
  request.flags = static_cast<std::uint32_t>(below(4));
  request.cookie = std::uint64_t{request.buffer_id} << 8;
  REQUIRE(machine.export_buffer(*client.real.process, request) == Status::kOk);
  client.model.buffers[request.buffer_id] = std::make_shared<ModelBuffer>(
      ModelBuffer{&client.model, request.buffer_id, first, length, request.flags});
}

void RandomOperations::unexport_one(Client& client) {
  if (client.model.buffers.empty()) return;
  const auto buffer = std::next(client.model.buffers.begin(),
                                static_cast<std::ptrdiff_t>(below(client.model.buffers.size())))
                          ->second;
  const auto refused = machine.unexport(*client.real.process, {{}, buffer->id, 0});
  REQUIRE(refused.has_value() == buffer->closing);
  if (buffer->closing) return;
  buffer->closing = true;
  waiting.push_back({buffer, {}});
  for (const auto& importer : clients) {
    const bool imports = std::any_of(
        importer->imports.begin(), importer->imports.end(),
        [&](const auto& held) { return held.model->held && held.model->buffer == buffer; });
    // The owner waits for its own transfers, too.
    const bool owns = importer.get() == &client;
    if (imports || owns)
      waiting.back().senders.emplace_back(&importer->model, importer->model.asked());
  }
  settle();
}

void RandomOperations::settle() {
  machine.settle_unexports();
  unexported += settle_model(waiting);
  REQUIRE(late_unexports.size() == unexported);
}

void RandomOperations::import_one(Client& client) {
  Client& exporter = any();
  if (client.imports.size() >= 12 || exporter.model.buffers.empty()) return;
  const auto buffer = std::next(exporter.model.buffers.begin(),
                                static_cast<std::ptrdiff_t>(below(exporter.model.buffers.size())))
                          ->second;
  if (buffer->closing) return;
  const std::uint32_t access = one_in(5) ? 1 + static_cast<std::uint32_t>(below(3)) : 3;
  const auto answer = machine.import(*client.real.process,
                                     client.real.import_request(exporter.real, buffer->id, access));
  REQUIRE(answer.has_value());
  REQUIRE(answer->reply.header.status == Status::kOk);
  client.imports.push_back(
      {answer->reply, std::make_shared<ModelImport>(ModelImport{buffer, access})});
}

void RandomOperations::unimport_one(Client& client) {
  if (client.imports.empty()) return;
  const auto which = client.imports.begin();  // the oldest
  const bool held = which->model->held;
  CHECK(machine.unimport(*client.real.process,
                         {{}, which->reply.import_slot, which->reply.import_generation}) ==
        (held ? Status::kOk : Status::kUnknownImport));
  which->model->held = false;
  if (!held) client.imports.erase(which);  // stale handles are used for a while
}

void RandomOperations::redirect_one(Client& client) {
  if (client.model.buffers.empty()) return;
  ModelBuffer& buffer = *client.model.buffers.begin()->second;
  if (buffer.redirections.size() >= 20) return;
  const std::uint64_t offset = below(buffer.length);
  const std::uint64_t length = 1 + below(std::min<std::uint64_t>(buffer.length - offset, 500));
  const std::uint64_t to = kBuffersEnd + below(kElsewhereEnd - kBuffersEnd - length);
  const auto pages = client.real.export_request(buffer.id, to, length);
  wire::RedirectRequest request{{}, buffer.id, 0, offset, length, pages.page_offset, 1, {}};
  request.extents[0] = pages.extents[0];
  const Status expected = redirect_verdict(buffer, offset, length);
  const auto reply = machine.redirect(*client.real.process, request);
  REQUIRE(reply.header.status == expected);
  if (expected != Status::kOk) return;
  const std::uint64_t had_arrived = redirect(buffer, offset, length, to);
  REQUIRE(reply.copied == had_arrived);
  copied += had_arrived;
}

void RandomOperations::end_one(Client& client) {
  if (client.model.buffers.empty()) return;
  ModelBuffer& buffer = *client.model.buffers.begin()->second;
  if (buffer.redirections.empty()) return;
  const auto first = buffer.redirections.begin();
  const auto reply =
      machine.end_redirection(*client.real.process, {{}, buffer.id, 0, first->first});
  REQUIRE(reply.header.status == (buffer.closing ? Status::kUnknownExport : Status::kOk));
  if (buffer.closing) return;
  REQUIRE(reply.direct == first->second.direct);
  redirected += reply.direct;
  buffer.redirections.erase(first);
}

void RandomOperations::accept_one(Client& client) {
  const bool accept = !one_in(8);
  const bool all = one_in(4);
  if (!all && client.model.buffers.empty()) return;
  const auto buffer = all ? nullptr : client.model.buffers.begin()->second;
  const auto status = machine.accept_notifications(
      *client.real.process, {{}, all ? 0 : buffer->id, all ? wire::kAllBuffers : 0, accept, 0});
  REQUIRE(status == (!all && buffer->closing ? Status::kUnknownExport : Status::kOk));
  if (status == Status::kOk) (all ? client.model.accepts : buffer->accepts) = accept;
}

void RandomOperations::place_local_bytes(ModelOperation& asked) {
  const bool segment = asked.place == LocalPlace::kSegment;
  const std::uint64_t first = segment ? kElsewhereEnd : 0;
  const std::uint64_t end = segment ? kLocalEnd : kOtherBytes;
  asked.local = first + below(end - first - asked.length);
  if (asked.place == LocalPlace::kMemory) return;
  asked.bad_local = one_in(50);
  if (asked.bad_local) asked.local = (segment ? kLocalEnd : wire::kStagingBytes) - asked.length + 1;
}

void RandomOperations::post(Client& client) {
  if (client.imports.empty() || client.model.queue.size() >= wire::kSendSlots) return;
  const Client::Held& held = client.imports[below(client.imports.size())];
  ModelOperation asked;
  asked.import = held.model;
  asked.operation = static_cast<Operation>(1 + below(4));
  const std::uint64_t length = held.model->buffer->length;
  asked.place = LocalPlace::kInline;
  if (asked.operation == Operation::kAtomic) {
    asked.length = one_in(2) ? 4 : 8;
    asked.atomic = {static_cast<wire::AtomicKind>(1 + below(3)),
                    static_cast<std::uint32_t>(asked.length),
                    random(),
                    one_in(2) ? random() : below(2),
                    {}};
  } else {
    const bool fetch = asked.operation == Operation::kFetch;
    asked.place = static_cast<LocalPlace>((fetch ? 2 : 1) + below(fetch ? 3 : 4));
    asked.notify = !fetch && one_in(2);
    asked.immediate = static_cast<std::uint32_t>(random());
    const bool is_inline = asked.place == LocalPlace::kInline;
    asked.length = 1 + below(is_inline ? 36 : kLongest);
    if (!one_in(30)) asked.length = std::min(asked.length, length);
    asked.message_length = is_inline ? asked.length : asked.length + below(2) * below(5000);
    asked.malformed = one_in(60);
    for (std::byte& byte : asked.inline_data) byte = std::byte(random());
    if (!is_inline) place_local_bytes(asked);
  }
  const std::uint64_t most = asked.length < length ? length - asked.length : 0;
  asked.offset = one_in(30) ? below(20'000) : below(most + 1);
  if (asked.operation == Operation::kAtomic && !one_in(10)) {
    const std::uint64_t first = held.model->buffer->first;
    asked.offset = (first + asked.offset + 7) / 8 * 8 - first;
  }
  publish(client, held, asked);
  client.model.queue.push_back(asked);
}

void RandomOperations::publish(Client& client, const Client::Held& held,
                               const ModelOperation& asked) {
  wire::SendDescriptor& slot = client.real.next_slot(held.reply, asked.offset);
  std::uint8_t length = 0;
  if (asked.operation == Operation::kAtomic) {
    slot.atomic = asked.atomic;
  } else if (asked.place == LocalPlace::kInline) {
    length = static_cast<std::uint8_t>(asked.length);
    std::memcpy(slot.inline_data, asked.inline_data, sizeof slot.inline_data);
    if (asked.notify) slot.inline_notify.immediate = asked.immediate;
  } else {
    const bool memory = asked.place == LocalPlace::kMemory;
    const std::uint64_t base = memory ? reinterpret_cast<std::uint64_t>(client.other.data()) : 0;
    slot.local = {
        asked.length,   base + asked.local, client.real.segment, 0, asked.message_length, 0,
        asked.immediate};
  }
  const auto flags =
      static_cast<std::uint8_t>((asked.notify ? wire::kNotify : 0) | (asked.malformed ? 0x40 : 0));
  client.real.publish(slot, asked.place, length, asked.operation, flags);
}

void RandomOperations::complete_one(Client& client, bool awaited) {
  ModelClient& model = client.model;
  ModelOperation& asked = model.queue.front();
  const Status expected = asked.carried_out ? Status::kOk : verdict(asked);
  REQUIRE(client.real.result(model.completed) == expected);
  ++verdicts[expected];
  if (expected == Status::kOk) {
    if (!asked.carried_out) carry_out(model, asked);
    if (asked.operation == Operation::kAtomic) {
      REQUIRE(client.real.previous(model.completed) == asked.previous);
    }
    if (notifies(asked)) {
      const bool room =
          asked.import->buffer->owner->notifications.size() < wire::kNotificationSlots;
      REQUIRE((room || awaited));
      kept += room ? 0 : 1;
      ++notified;
      notify(model, asked);
    }
  }
  ++model.completed;
  model.queue.pop_front();
}

void RandomOperations::serve(Client& client) {
  const bool awaited = is_awaited(waiting, client.model);
  const Served served = engine.serve(*client.real.process);
  while (client.real.completed(client.model.completed)) complete_one(client, awaited);
  if (served == Served::kNothing) REQUIRE(client.model.queue.empty());
  if (served == Served::kStalled) {
    ++stalls;
    REQUIRE_FALSE(awaited);
    REQUIRE_FALSE(client.model.queue.empty());
    ModelOperation& head = client.model.queue.front();
    if (!head.carried_out) {
      REQUIRE(verdict(head) == Status::kOk);
      carry_out(client.model, head);
    }
    REQUIRE(notifies(head));
    REQUIRE(head.import->buffer->owner->notifications.size() >= wire::kNotificationSlots);
  }
  settle();
}

void RandomOperations::take(Client& client, std::uint64_t count) {
  for (; count > 0 && !client.model.notifications.empty(); --count) {
    const auto found = client.real.take_notification();
    REQUIRE(found.has_value());
    const ModelNotification& expected = client.model.notifications.front();
    REQUIRE(found->cookie == expected.cookie);
    REQUIRE(found->offset == expected.offset);
    REQUIRE(found->length == expected.length);
    REQUIRE(found->sender_process == expected.sender);
    REQUIRE(found->immediate == expected.immediate);
    client.model.notifications.pop_front();
    if (client.real.must_ring_for_room()) client.real.process->notifications.refill();
  }
  if (client.model.notifications.empty()) CHECK_FALSE(client.real.take_notification().has_value());
}

// A client ends, and another one comes.
void RandomOperations::replace(std::size_t which) {
  Client& leaver = *clients[which];
  for (const auto& held : leaver.imports) held.model->held = false;
  for (const auto& [id, buffer] : leaver.model.buffers) {
    buffer->state = ModelBuffer::State::kPeerDead;
  }
  waiting.remove_if([&](const auto& wait) { return wait.buffer->owner == &leaver.model; });
  for (ModelUnexport& wait : waiting) {
    std::erase_if(wait.senders, [&](const auto& sender) { return sender.first == &leaver.model; });
  }
  machine.detach(*leaver.real.process);
  settle();
  clients[which] = std::make_unique<Client>(machine, static_cast<std::uint32_t>(which));
}

void RandomOperations::check_memory() {
  for (const auto& client : clients) {
    REQUIRE(std::equal(client->model.segment.begin(), client->model.segment.end(),
                       client->real.memory()));
    REQUIRE(std::equal(client->model.staging.begin(), client->model.staging.end(),
                       client->real.channel().staging));
    REQUIRE(client->model.other == client->other);
  }
}

void RandomOperations::step() {
  Client& client = any();
  const std::uint64_t what = below(1000);
  if (what < 500) return post(client);
  if (what < 850) return serve(client);
  if (what < 890) return import_one(client);
  if (what < 910) return unimport_one(client);
  if (what < 930) return export_one(client);
  if (what < 932) return unexport_one(client);
  if (what < 960) return redirect_one(client);
  if (what < 980) return end_one(client);
  if (what < 990) return accept_one(client);
  if (one_in(200)) return take(client, below(1500));
  if (one_in(200)) replace(below(clients.size()));
}

}  // namespace

TEST_CASE_FIXTURE(RandomOperations, "random operations of random clients do what a model says") {
  MESSAGE("seed " << seed);
  for (std::uint32_t node = 0; node < 4; ++node) {
    clients.push_back(std::make_unique<Client>(machine, node));
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  std::uint64_t steps = 0;
  while (steps < 400'000 || std::chrono::steady_clock::now() < end) {
    step();
    if (++steps % 64 == 0) check_memory();
  }
  for (const auto& client : clients) take(*client, UINT64_MAX);
  check_memory();
  for (const Status status :
       {Status::kOk, Status::kMalformed, Status::kUnknownImport, Status::kOutsideProxy,
        Status::kNotWritable, Status::kNotReadable, Status::kMisaligned, Status::kBadSource,
        Status::kUnexported, Status::kPeerDead}) {
    CAPTURE(static_cast<int>(status));
    CHECK(verdicts[status] > 0);
  }
  for (const std::uint64_t count : {stalls, notified, kept, redirected, copied}) CHECK(count > 0);
  MESSAGE(steps << " steps, " << verdicts[Status::kOk] << " operations, " << notified
                << " notifications, " << stalls << " stalls, " << kept << " kept");
}
