// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/keyvalue/store.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/processes/run_processes.h"

using namespace vmmc::testing;

namespace examples::keyvalue {
namespace {

// Part 0 exports the table and waits for the others, who get a store each. The parts meet
// when the table is there, and at the end; what they do between is theirs.
struct Table {
  explicit Table(const Layout& layout)
      : memory(vmmc::memory::allocate(layout.bytes()).value()),
        buffer(vmmc::receive_buffer::export_memory(memory.bytes().first(layout.bytes()),
                                                   Store::kBufferId)
                   .value()) {
    layout.prepare(memory.bytes().data());
  }
  vmmc::memory memory;
  vmmc::receive_buffer buffer;
};

// One process with the table and two clients of it.
template <typename Body>
void with_two_clients(std::uint32_t slots, Body body) {
  NicsimProcess nicsim;
  run_processes(nicsim, {[&](Part&) {
                  const auto attached = vmmc::attachment::attach().value();
                  const Layout layout(slots, 2, 128);
                  const Table table(layout);
                  Store first(layout, vmmc::self(), 0);
                  Store second(layout, vmmc::self(), 1);
                  body(first, second);
                }});
}

bool is(const Reply& reply, Status status, std::uint64_t version, std::string_view value = {}) {
  return reply.status == status && reply.version == version && reply.value == value;
}

TEST_CASE("what one client puts and removes, both get") {
  with_two_clients(64, [](Store& first, Store& second) {
    EXPECT(is(first.get("a"), Status::kAbsent, 0));
    EXPECT(is(first.remove("a"), Status::kAbsent, 0));
    EXPECT(is(first.put("a", "one"), Status::kDone, 1));
    EXPECT(is(first.get("a"), Status::kDone, 1, "one"));
    EXPECT(is(second.get("a"), Status::kDone, 1, "one"));
    EXPECT(is(second.put("a", ""), Status::kDone, 2));
    EXPECT(is(first.get("a"), Status::kDone, 2, ""));
    EXPECT(is(first.remove("a"), Status::kDone, 3));
    EXPECT(is(second.get("a"), Status::kAbsent, 3));
    EXPECT(is(second.remove("a"), Status::kAbsent, 3));
    EXPECT(is(second.put("a", "again"), Status::kDone, 4));
    EXPECT(is(first.get("a"), Status::kDone, 4, "again"));
  });
}

TEST_CASE("a record that fills its block is taken, a longer one is not") {
  with_two_clients(64, [](Store& first, Store& second) {
    const std::string longest(128 - sizeof(RecordHeader) - 1, 'v');
    EXPECT(is(first.put("a", longest), Status::kDone, 1));
    EXPECT(is(second.get("a"), Status::kDone, 1, longest));
    EXPECT(is(first.put("a", longest + "v"), Status::kTooLong, 0));
    EXPECT(is(first.put("a", "short"), Status::kDone, 2));
    EXPECT(is(second.get("a"), Status::kDone, 2, "short"));
    EXPECT(is(first.get(std::string(200, 'k')), Status::kAbsent, 0));
    EXPECT(is(first.remove(std::string(200, 'k')), Status::kAbsent, 0));
  });
}

// The block that the second client looks at, by what it has last seen, has long been another key's.
TEST_CASE("a client that has not looked for long gets the current record all the same") {
  with_two_clients(64, [](Store& first, Store& second) {
    EXPECT(is(first.put("a", "a1"), Status::kDone, 1));
    EXPECT(is(second.get("a"), Status::kDone, 1, "a1"));
    EXPECT(is(first.put("a", "a2"), Status::kDone, 2));
    EXPECT(is(first.put("b", "b1"), Status::kDone, 1));
    EXPECT(second.stale_looks() == 1);
    EXPECT(is(second.get("a"), Status::kDone, 2, "a2"));
    EXPECT(second.stale_looks() == 2);
    EXPECT(is(second.get("a"), Status::kDone, 2, "a2"));
    EXPECT(second.stale_looks() == 2);
  });
}

TEST_CASE("in a full table all keys are found, a new one has no room, and deleting makes none") {
  with_two_clients(8, [](Store& first, Store& second) {
    for (int i = 0; i < 8; ++i) {
      const std::string key = "key" + std::to_string(i);
      EXPECT(is((i % 2 == 0 ? first : second).put(key, key + "!"), Status::kDone, 1));
    }
    EXPECT(is(first.put("new", "value"), Status::kFull, 0));
    EXPECT(is(first.get("new"), Status::kAbsent, 0));
    EXPECT(is(second.remove("new"), Status::kAbsent, 0));
    EXPECT(is(first.remove("key3"), Status::kDone, 2));
    EXPECT(is(first.put("new", "value"), Status::kFull, 0));
    EXPECT(is(second.put("key3", "back"), Status::kDone, 3));
    for (int i = 0; i < 8; ++i) {
      const std::string key = "key" + std::to_string(i);
      const Reply reply = second.get(key);
      EXPECT(reply.status == Status::kDone);
      EXPECT(reply.value == (i == 3 ? "back" : key + "!"));
    }
  });
}

// Each process works on a store of the same table, exported by process 0.
void with_processes(std::uint32_t slots,
                    const std::vector<std::function<void(Part&, Store&)>>& clients) {
  const Layout layout(slots, static_cast<std::uint32_t>(clients.size()), 128);
  std::vector<std::function<void(Part&)>> parts{[&](Part& part) {
    const auto attached = vmmc::attachment::attach().value();
    const Table table(layout);
    part.meet();
    part.meet();
  }};
  for (const auto& client : clients) {
    parts.push_back([&](Part& part) {
      const auto attached = vmmc::attachment::attach().value();
      part.meet();
      Store store(layout, vmmc::identity_of_rank(0).value(), part.number() - 1);
      client(part, store);
      part.meet();
    });
  }
  NicsimProcess nicsim;
  run_processes(nicsim, parts);
}

// A key that got two slots would leave none for another key.
TEST_CASE("clients that put the same new keys at once share their slots, and no put is lost") {
  constexpr std::uint32_t kKeys = 128;
  const auto client = [](Part& part, Store& store) {
    for (std::uint32_t i = 0; i < kKeys; ++i) {
      EXPECT(store.put("key" + std::to_string(i), std::to_string(part.number())).status ==
             Status::kDone);
    }
    part.value(0).fetch_add(1);
    while (part.value(0) < 3) EXPECT(store.get("key0").status == Status::kDone);
    for (std::uint32_t i = 0; i < kKeys; ++i) {
      EXPECT(store.get("key" + std::to_string(i)).version == 3);
    }
  };
  with_processes(kKeys, {client, client, client});
}

// The first client dies with half of a record written. It is the owner of the block it writes to.
TEST_CASE("a client killed while it writes a record hinders nobody, and nobody sees the half") {
  const auto killed = [](Part& part, Store& store) {
    EXPECT(store.put("a", "whole").status == Status::kDone);
    // What put does, up to the middle of the record.
    const Layout& layout = store.layout();
    std::vector<std::byte> record(layout.record_bytes());
    const std::size_t bytes = encode({"a", "never to be seen", false}, record);
    const std::uint32_t slot = layout.slot_of(hash_of("a"), 0);
    const std::uint32_t spare = layout.first_head(slot).block;  // exchanged by the put
    const auto half = std::span(record).first(bytes / 2);
    EXPECT(store.table().send(half, layout.record_at(spare)).has_value());
    EXPECT(vmmc::fence().has_value());
    part.value(0) = 1;
    part.die();
  };
  const auto survivor = [](Part& part, Store& store) {
    while (part.value(0) == 0) EXPECT(store.get("a").value != "never to be seen");
    EXPECT(is(store.get("a"), Status::kDone, 1, "whole"));
    EXPECT(is(store.put("a", "newer"), Status::kDone, 2));
    EXPECT(is(store.remove("a"), Status::kDone, 3));
    EXPECT(is(store.put("a", "newest"), Status::kDone, 4));
    EXPECT(is(store.get("a"), Status::kDone, 4, "newest"));
  };
  with_processes(64, {killed, survivor});
}

}  // namespace
}  // namespace examples::keyvalue
