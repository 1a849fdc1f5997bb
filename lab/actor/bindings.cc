// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Automatic update: bind, store, stores, flush, unbind.

#include "lab/actor/bindings.h"

#include "lab/actor/table.h"
#include "lab/actor/waits.h"

namespace vmmc::lab {
namespace {

constexpr std::uint64_t kMicrosecond = 1000;
constexpr std::uint64_t kLongestText = 4096;
// So long `stores` leaves a packet alone, and looks that often.
constexpr std::uint64_t kLeftAlone = 1'000'000;
constexpr std::uint64_t kBetweenLooks = 100;

template <typename Word>
void plain_store(unsigned char* place, std::uint64_t value) {
  *reinterpret_cast<volatile Word*>(place) = static_cast<Word>(value);
}

const std::vector<std::string_view> kCaptures{"trap", "shared", "typed"};
const std::vector<std::string_view> kCombinings{"timer", "block", "single", "off"};
static_assert(VMMC_CAPTURE_TRAP == 1 && VMMC_CAPTURE_SHARED == 2 && VMMC_CAPTURE_TYPED == 3);
static_assert(VMMC_COMBINE_TIMER == 0 && VMMC_COMBINE_BLOCK == 1 && VMMC_COMBINE_SINGLE == 2 &&
              VMMC_COMBINE_OFF == 3);

vmmc_bind_options options_of(const Command& command) {
  vmmc_bind_options options = VMMC_BIND_DEFAULTS;
  options.capture = static_cast<int>(command.choice("capture", kCaptures, 0)) + 1;
  options.combining = static_cast<int>(command.choice("combining", kCombinings, 0));
  options.timer = command.number("timer_us", 1, kMostWait * kMicrosecond, 50) * kMicrosecond;
  return options;
}

// Of `bind`: pages of a buffer of the actor's own, so that they can be looked at, or new ones.
int find_memory(Actor& actor, const Command& command, Binding& binding) {
  binding.bytes = command.number("pages", 1, kMostPages, 1) * kPage;
  if (command.has("buffer")) {
    const Buffer& buffer = actor.buffer(command);
    check_inside(0, binding.bytes, buffer.bytes);
    binding.memory = buffer.memory;
    binding.own_memory = false;
    return VMMC_OK;
  }
  void* memory = nullptr;
  const int status = vmmc_alloc(binding.bytes, &memory);
  binding.memory = static_cast<unsigned char*>(memory);
  return status;
}

Answer bind(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const vmmc_bind_options options = options_of(command);
  Binding binding;
  binding.name = command.name("as");
  if (actor.bindings.contains(binding.name)) throw Nonsense("there is such a binding already");
  if (actor.bindings.size() >= kMost) throw Nonsense("there are 16 bindings already");
  Answer answer;
  answer.status = find_memory(actor, command, binding);
  answer.call = print("vmmc_bind(pages, %s, %llu, &options, &%s)", proxy.name.c_str(),
                      static_cast<unsigned long long>(binding.bytes), binding.name.c_str());
  if (answer.status != VMMC_OK) return answer;
  answer.status =
      vmmc_bind(binding.memory, proxy.address, binding.bytes, &options, &binding.handle);
  if (answer.status != VMMC_OK) {
    answer.members["sentence"] = vmmc_last_error();
    if (binding.own_memory) (void)vmmc_free(binding.memory);
    return answer;
  }
  binding.capture = vmmc_binding_capture(binding.handle);
  answer.members["capture"] = kCaptures[static_cast<std::size_t>(binding.capture - 1)];
  actor.bindings[binding.name] = binding;
  return answer;
}

Answer store_text(const Binding& binding, std::uint64_t offset, const std::string& text) {
  check_inside(offset, text.size(), binding.bytes);
  Answer answer{
      "for (each character) pages[" + std::to_string(offset) + " + i] = text[i]", VMMC_OK, {}};
  for (std::size_t i = 0; i < text.size() && answer.status == VMMC_OK; ++i) {
    answer.status = store_to(binding, offset + i, static_cast<unsigned char>(text[i]), 1);
  }
  return answer;
}

std::uint64_t size_of(const Command& command) {
  const std::uint64_t size = command.number("size", 1, 8, 4);
  if ((size & (size - 1)) != 0) throw Nonsense("\"size\" is none of 1, 2, 4, 8");
  return size;
}

void check_store(const Binding& binding, std::uint64_t offset, std::uint64_t size) {
  check_inside(offset, size, binding.bytes);
  if (offset % size != 0) throw Nonsense("the offset is not a multiple of the size");
}

Answer store(Actor& actor, const Command& command) {
  const Binding& binding = actor.binding(command);
  const std::uint64_t offset = command.number("offset", 0, binding.bytes, 0);
  if (command.has("text") == command.has("value")) throw Nonsense("say \"text\" or \"value\"");
  if (command.has("text")) return store_text(binding, offset, command.text("text", kLongestText));
  const std::uint64_t size = size_of(command);
  check_store(binding, offset, size);
  const std::uint64_t value = command.number("value", 0, UINT64_MAX);
  return {print("*(%s + %llu) = %llu", binding.name.c_str(),
                static_cast<unsigned long long>(offset), static_cast<unsigned long long>(value)),
          store_to(binding, offset, value, size),
          {}};
}

// What the bound stores have been sent in so far.
struct Sent {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};
int count_sent(Sent& sent) {
  vmmc_counters counted{};
  const int status = vmmc_get_counters(&counted);
  sent = {counted.automatic_updates, counted.bytes_sent};
  return status;
}

// Until all of it has arrived by itself; false: some of it is still being combined.
bool leave_alone(std::uint64_t bytes) {
  const std::uint64_t end = vmmc_clock() + kLeftAlone;
  for (;;) {
    Sent sent;
    if (count_sent(sent) != VMMC_OK || sent.bytes >= bytes) return true;
    if (vmmc_clock() >= end) return false;
    (void)vmmc_compute(kBetweenLooks);
  }
}

struct Run {
  std::uint64_t offset, count, stride, size;
  bool flush;
};

int store_run(const Binding& binding, const Run& run) {
  int status = VMMC_OK;
  for (std::uint64_t i = 0; i < run.count && status == VMMC_OK; ++i) {
    const std::uint64_t room = (binding.bytes - run.offset - run.size) / run.stride + 1;
    status = store_to(binding, run.offset + i % room * run.stride, i + 1, run.size);
  }
  return status;
}

Answer measure_stores(const Binding& binding, const Run& run) {
  Answer answer{
      print("for (i < %llu) pages[%llu + i * %llu] = i; %svmmc_fence()",
            static_cast<unsigned long long>(run.count), static_cast<unsigned long long>(run.offset),
            static_cast<unsigned long long>(run.stride), run.flush ? "vmmc_flush(); " : ""),
      VMMC_OK,
      {}};
  answer.status = vmmc_fence();  // nothing of earlier stores is counted
  Sent before;
  if (answer.status == VMMC_OK) answer.status = count_sent(before);
  const std::uint64_t began = vmmc_clock();
  if (answer.status == VMMC_OK) answer.status = store_run(binding, run);
  const std::uint64_t stored = vmmc_clock();
  if (answer.status == VMMC_OK && run.flush) answer.status = vmmc_flush();
  const bool alone = run.flush || leave_alone(before.bytes + run.count * run.size);
  if (answer.status == VMMC_OK) answer.status = vmmc_fence();
  const std::uint64_t ended = vmmc_clock();
  Sent after;
  if (answer.status == VMMC_OK) answer.status = count_sent(after);
  if (answer.status != VMMC_OK) return answer;
  answer.members["packets"] = after.packets - before.packets;
  answer.members["ns_per_store"] = (stored - began) / run.count;
  answer.members["last_store_ns"] = ended - stored;
  answer.members["left_by_itself"] = alone;
  return answer;
}

Answer stores(Actor& actor, const Command& command) {
  const Binding& binding = actor.binding(command);
  const Run run{command.number("offset", 0, binding.bytes, 0),
                command.number("count", 1, kMostCount), command.number("stride", 1, kPage, 4),
                size_of(command), command.flag("flush", true)};
  check_store(binding, run.offset, run.size);
  if (run.stride % run.size != 0) throw Nonsense("the stride is not a multiple of the size");
  return measure_stores(binding, run);
}

Answer flush(Actor&, const Command&) { return {"vmmc_flush()", vmmc_flush(), {}}; }

Answer unbind(Actor& actor, const Command& command) {
  const Binding binding = actor.binding(command);
  Answer answer{"vmmc_unbind(" + binding.name + ")", vmmc_unbind(binding.handle), {}};
  if (answer.status != VMMC_OK) return answer;
  actor.bindings.erase(binding.name);
  if (binding.own_memory) (void)vmmc_free(binding.memory);
  return answer;
}

}  // namespace

int store_to(const Binding& binding, std::uint64_t offset, std::uint64_t value,
             std::uint64_t size) {
  unsigned char* const place = binding.memory + offset;
  const bool typed = binding.capture == VMMC_CAPTURE_TYPED;
  switch (size) {
    case 1:
      if (typed) return vmmc_au_store8(binding.handle, place, static_cast<std::uint8_t>(value));
      plain_store<std::uint8_t>(place, value);
      return VMMC_OK;
    case 2:
      if (typed) {
        return vmmc_au_store16(binding.handle, reinterpret_cast<std::uint16_t*>(place),
                               static_cast<std::uint16_t>(value));
      }
      plain_store<std::uint16_t>(place, value);
      return VMMC_OK;
    case 4:
      if (typed) {
        return vmmc_au_store32(binding.handle, reinterpret_cast<std::uint32_t*>(place),
                               static_cast<std::uint32_t>(value));
      }
      plain_store<std::uint32_t>(place, value);
      return VMMC_OK;
    default:
      if (typed) {
        return vmmc_au_store64(binding.handle, reinterpret_cast<std::uint64_t*>(place), value);
      }
      plain_store<std::uint64_t>(place, value);
      return VMMC_OK;
  }
}

Table binding_commands() {
  return {
      {"bind", bind}, {"store", store}, {"stores", stores}, {"flush", flush}, {"unbind", unbind}};
}

}  // namespace vmmc::lab
