// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Receive buffers: export, unexport, and the receiver's own looks at its memory.

#include <cstring>

#include "lab/actor/table.h"
#include "lab/actor/waits.h"

namespace vmmc::lab {
namespace {

constexpr std::uint64_t kMostShown = 64;  // bytes

void note_call(const vmmc_notification* notification, void* argument) {
  auto& noted = *static_cast<HandlerCalls*>(argument);
  const bool nested = noted.running.fetch_add(1) > 0;
  {
    const std::lock_guard lock(noted.mutex);
    if (noted.calls.size() < HandlerCalls::kMostKept)
      noted.calls.push_back({*notification, nested});
  }
  noted.running.fetch_sub(1);
}

vmmc_export_options options_of(Actor& actor, const Command& command) {
  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
  options.access = access_of(command, "rw");
  options.executor = VMMC_EXECUTOR_NIC;  // so that nicsim shows every transfer
  options.redirectable = command.flag("redirectable", false) ? 1 : 0;
  if (command.has("for")) {
    const vmmc_identity admitted = command.identity("for");
    options.node = admitted.node;
    options.process = admitted.process;
  }
  if (command.flag("handler", false)) {
    options.handler = note_call;
    options.handler_argument = &actor.handler_calls;
  }
  return options;
}

Answer export_buffer(Actor& actor, const Command& command) {
  const auto id = static_cast<std::uint32_t>(command.number("buffer", 0, UINT32_MAX));
  const std::uint64_t bytes = command.number("pages", 1, kMostPages, 1) * kPage;
  const vmmc_export_options options = options_of(actor, command);
  if (actor.buffers.size() >= kMost) throw Nonsense("there are 16 buffers already");
  Answer answer{
      print("vmmc_export(buffer, %llu, %u, &options)", static_cast<unsigned long long>(bytes), id),
      VMMC_OK,
      {}};
  void* memory = nullptr;
  answer.status = vmmc_alloc(bytes, &memory);
  if (answer.status != VMMC_OK) return answer;
  answer.status = vmmc_export(memory, bytes, id, &options);
  if (answer.status == VMMC_OK) {
    actor.buffers[id] = {id, static_cast<unsigned char*>(memory), bytes};
    answer.members["bytes"] = bytes;
  } else {
    const std::string why = vmmc_last_error();
    (void)vmmc_free(memory);
    answer.members["sentence"] = why;
  }
  return answer;
}

bool is_bound(const Actor& actor, const Buffer& buffer) {
  for (const auto& [name, binding] : actor.bindings) {
    if (binding.memory == buffer.memory) return true;
  }
  return false;
}

Answer unexport(Actor& actor, const Command& command) {
  const Buffer buffer = actor.buffer(command);
  if (is_bound(actor, buffer)) throw Nonsense("the buffer's pages are bound: unbind them first");
  Answer answer{print("vmmc_unexport(%u)", buffer.id), vmmc_unexport(buffer.id), {}};
  if (answer.status != VMMC_OK) return answer;
  actor.buffers.erase(buffer.id);
  (void)vmmc_free(buffer.memory);
  return answer;
}

void show(Answer& answer, const unsigned char* memory, std::uint64_t bytes) {
  char content[kMostShown];
  std::memcpy(content, memory, bytes);
  answer.members["hex"] = hex_of(content, bytes);
  answer.members["text"] = text_of(content, bytes);
}

Answer read_own(Actor& actor, const Command& command) {
  const Buffer& buffer = actor.buffer(command);
  const std::uint64_t offset = command.number("offset", 0, buffer.bytes, 0);
  const std::uint64_t bytes = command.number("bytes", 1, kMostShown, kMostShown);
  check_inside(offset, bytes, buffer.bytes);
  Answer answer{
      print("memcpy(content, buffer + %llu, %llu)", static_cast<unsigned long long>(offset),
            static_cast<unsigned long long>(bytes)),
      VMMC_OK,
      {}};
  show(answer, buffer.memory + offset, bytes);
  return answer;
}

// With `bytes`: what stands at `look_at` at the moment at which the wait ends.
Answer wait_for_word(Actor& actor, const Command& command) {
  const AwaitedWord awaited = awaited_word(actor, command);
  const Buffer& buffer = actor.buffer(command);
  const std::uint64_t at = command.number("look_at", 0, buffer.bytes, 0);
  const std::uint64_t bytes = command.number("bytes", 1, kMostShown, 1);
  check_inside(at, bytes, buffer.bytes);
  Answer answer{awaited.as_call(), awaited.wait(), {}};
  answer.members["found"] = awaited.found();
  if (command.has("bytes")) show(answer, buffer.memory + at, bytes);
  return answer;
}

}  // namespace

std::uint32_t access_of(const Command& command, std::string_view fallback) {
  static const std::vector<std::string_view> kWords{"r", "w", "rw"};
  const std::size_t index = fallback == "rw" ? 2 : 1;
  return static_cast<std::uint32_t>(command.choice("access", kWords, index) + 1);
}

Table buffer_commands() {
  return {{"export", export_buffer},
          {"unexport", unexport},
          {"read", read_own},
          {"wait", wait_for_word}};
}

}  // namespace vmmc::lab
