// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: a transfer engine between two clients.
#pragma once

#include <doctest/doctest.h>

#include <string_view>

#include "nicsim/testing/fake_client.h"
#include "nicsim/transfer_engine.h"

namespace vmmc::nicsim::testing {

struct EngineFixture : MachineFixture {
  static constexpr std::uint32_t kBothRights = wire::kAccessRead | wire::kAccessWrite;

  TransferEngine engine{machine.backplane(), nullptr, &machine.instruments()};
  FakeClient receiver{machine, 0, 1024};
  FakeClient sender{machine, 1, 1024};

  // The sender's import of a new export of the receiver's bytes [offset, offset + length).
  wire::ImportReply connect(std::uint64_t offset, std::uint64_t length, std::uint32_t id = 1,
                            std::uint32_t flags = 0, std::uint32_t access = kBothRights) {
    auto request = receiver.export_request(id, offset, length);
    request.flags = flags;
    request.cookie = std::uint64_t{id} << 32;
    REQUIRE(machine.export_buffer(*receiver.process, request) == wire::Status::kOk);
    return import(id, access);
  }
  wire::ImportReply import(std::uint32_t id, std::uint32_t access = kBothRights) {
    const auto answer =
        machine.import(*sender.process, sender.import_request(receiver, id, access));
    REQUIRE(answer.has_value());
    REQUIRE(answer->reply.header.status == wire::Status::kOk);
    return answer->reply;
  }

  // Until there is nothing to do, or not now.
  TransferEngine::Served serve() {
    for (;;) {
      const auto served = engine.serve(*sender.process);
      if (served != TransferEngine::Served::kWorked) return served;
    }
  }
  // The result of an operation that was posted.
  wire::Status outcome(std::uint64_t ticket) {
    CHECK(serve() == TransferEngine::Served::kNothing);
    REQUIRE(sender.completed(ticket));
    return sender.result(ticket);
  }
  wire::Status send(const wire::ImportReply& import, std::uint64_t offset, std::string_view text) {
    return outcome(sender.post(import, offset, std::as_bytes(std::span(text))));
  }
  std::string_view received(std::uint64_t offset, std::size_t length) {
    return {reinterpret_cast<const char*>(receiver.memory()) + offset, length};
  }
};

}  // namespace vmmc::nicsim::testing
