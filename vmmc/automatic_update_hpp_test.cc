// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// That the C++ interface calls the C one as it should: the latter is a stand-in here, which notes
// what it is called with.

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "vmmc/automatic_update.hpp"

namespace {

std::string calls;
int answer = VMMC_OK;
vmmc_binding* const kHandle = reinterpret_cast<vmmc_binding*>(0x1000);

template <typename Word>
int note_store(vmmc_binding* handle, Word* address, Word value) {
  calls += "store" + std::to_string(8 * sizeof(Word)) + " ";
  if (handle != kHandle) return VMMC_ERR_BAD_HANDLE;
  if (answer == VMMC_OK) *address = value;
  return answer;
}

}  // namespace

// No import of a fake is open to the host executor.
namespace vmmc::host_executor {
record& record_of(const void*) {
  static constinit record closed;
  return closed;
}
void ring_and_leave(record&, std::uint64_t, std::uint64_t, std::uint32_t) {}
}  // namespace vmmc::host_executor

extern "C" {
int vmmc_bind(void*, void*, size_t, const vmmc_bind_options* options, vmmc_binding** handle) {
  calls += "bind" + std::to_string(options->combining) + " ";
  *handle = kHandle;
  return answer;
}
int vmmc_unbind(vmmc_binding*) {
  calls += "unbind ";
  return answer;
}
int vmmc_binding_capture(const vmmc_binding*) { return answer != VMMC_OK ? answer : 3; }
int vmmc_flush(void) {
  calls += "flush ";
  return answer;
}
int vmmc_au_store8(vmmc_binding* b, uint8_t* a, uint8_t v) { return note_store(b, a, v); }
int vmmc_au_store16(vmmc_binding* b, uint16_t* a, uint16_t v) { return note_store(b, a, v); }
int vmmc_au_store32(vmmc_binding* b, uint32_t* a, uint32_t v) { return note_store(b, a, v); }
int vmmc_au_store64(vmmc_binding* b, uint64_t* a, uint64_t v) { return note_store(b, a, v); }
int vmmc_au_copy(vmmc_binding*, void* address, const void* source, size_t length) {
  calls += "copy" + std::to_string(length) + " ";
  if (answer == VMMC_OK) std::memcpy(address, source, length);
  return answer;
}
int vmmc_import(vmmc_identity, uint32_t, const vmmc_import_options*, void** proxy, size_t* length) {
  *proxy = nullptr;
  *length = 4096;
  return VMMC_OK;
}
int vmmc_unimport(void*) { return VMMC_OK; }
const char* vmmc_strerror(int) { return "an error"; }
}

namespace {

struct Bound {
  alignas(8) std::byte memory[64] = {};
  vmmc::proxy remote = vmmc::proxy::import({0, 0}, 1).value();
  vmmc::binding bound = vmmc::binding::bind(memory, remote).value();

  Bound() {
    calls.clear();
    answer = VMMC_OK;
  }
  ~Bound() { answer = VMMC_OK; }
  template <typename T>
  vmmc::au_span<T> as() {
    return bound.as<T>().value();
  }
};

struct Triple {
  std::uint32_t a, b, c;
};
enum class Colour : std::uint16_t { kRed = 7 };

}  // namespace

TEST_CASE("an assignment is a store of the type's width") {
  Bound bound;
  bound.as<std::uint8_t>()[1] = std::uint8_t{1};
  bound.as<Colour>()[1] = Colour::kRed;
  bound.as<float>()[1] = 1.5f;
  bound.as<double>()[1] = 2.5;
  bound.as<Triple>()[1] = Triple{1, 2, 3};
  CHECK(calls == "store8 store16 store32 store64 copy12 ");
  CHECK(bound.as<std::uint8_t>()[1] == 1);
  CHECK(bound.as<Colour>()[1] == Colour::kRed);
  CHECK(bound.as<float>()[1] == 1.5f);
  CHECK(bound.as<Triple>()[1].load().c == 3);
}

TEST_CASE("from one element to another") {
  Bound bound;
  const auto words = bound.as<std::uint64_t>();
  words[0] = 5u;
  words[1] = words[0];
  words.subspan(2)[0] = words[1] + 1;
  CHECK(words[1] == 5);
  CHECK(words[2] == 6);
  CHECK(words.size() == 8);
  CHECK(calls == "store64 store64 store64 ");
  const std::uint64_t source[2] = {8, 9};
  CHECK(words.copy_from(source, 6));
  CHECK(words[7] == 9);
}

TEST_CASE("an error is a value of store() and an exception of an assignment") {
  Bound bound;
  const auto words = bound.as<std::uint32_t>();
  answer = VMMC_ERR_INTERRUPTED_SEND;
  CHECK(words[0].store(1).error() == VMMC_ERR_INTERRUPTED_SEND);
  CHECK_THROWS_AS(words[0] = 1u, boost::system::system_error);
  CHECK(words.copy_from(std::span<const std::uint32_t>(words.data() + 1, 2)).error() ==
        VMMC_ERR_INTERRUPTED_SEND);
  CHECK(bound.bound.capture().error() == VMMC_ERR_INTERRUPTED_SEND);
  CHECK(vmmc::flush().error() == VMMC_ERR_INTERRUPTED_SEND);
  CHECK(words[0] == 0);
}

TEST_CASE("places that T cannot have") {
  Bound bound;
  CHECK(bound.bound.as<std::uint32_t>(2).error() == VMMC_ERR_MISALIGNED);
  CHECK(bound.bound.as<std::uint32_t>(68).error() == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(bound.bound.as<std::uint32_t>(64).value().empty());
  CHECK(bound.bound.as<std::uint32_t>(56).value().size() == 2);
}

TEST_CASE("a binding ends once, with its last owner") {
  calls.clear();
  {
    Bound bound;
    CHECK(bound.bound.capture().value() == VMMC_CAPTURE_TYPED);
    vmmc::binding moved = std::move(bound.bound);
    CHECK(bound.bound.handle() == nullptr);
    CHECK(bound.bound.bytes().empty());
    CHECK(moved.bytes().size() == 64);
    CHECK(calls.empty());
  }
  CHECK(calls == "unbind ");
  {
    Bound bound;
    CHECK(bound.bound.unbind());
    CHECK(vmmc::flush());
  }
  CHECK(calls == "unbind flush ");
  answer = VMMC_ERR_ALREADY_BOUND;
  const vmmc::proxy remote = vmmc::proxy::import({0, 0}, 1).value();
  const vmmc_bind_options options = {VMMC_CAPTURE_TYPED, VMMC_COMBINE_OFF, 0, 0};
  std::byte memory[8];
  CHECK(vmmc::binding::bind(memory, remote, 0, options).error() == VMMC_ERR_ALREADY_BOUND);
  CHECK(calls == "unbind flush bind3 ");
  answer = VMMC_OK;
}
