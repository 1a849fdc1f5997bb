// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/captured_fault.h"

#if defined(__x86_64__)

#include <ucontext.h>

#include <array>

#include "vmmc/internal/automatic/trap/instruction_runner.h"
#include "vmmc/internal/automatic/trap/refusal.h"
#include "vmmc/internal/automatic/trap/store_decoder.h"
#include "vmmc/internal/automatic/trap/store_executor.h"

namespace vmmc::internal {
namespace {

using Form = StoreInstruction::Form;
using Pushed = StoreInstruction::Pushed;
using Verdict = StoreOutcome::Verdict;

// ---- the interrupted thread

// Where the kernel keeps the registers, in the order of Registers::general.
constexpr std::array<int, 16> kPlaces = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                         REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                         REG_R12, REG_R13, REG_R14, REG_R15};

Registers registers_of(void* context) {
  const auto& saved = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  Registers registers;
  for (std::size_t i = 0; i < kPlaces.size(); ++i)
    registers.general[i] = static_cast<std::uint64_t>(saved[kPlaces[i]]);
  registers.instruction = static_cast<std::uint64_t>(saved[REG_RIP]);
  registers.flags = static_cast<std::uint64_t>(saved[REG_EFL]);
  return registers;
}

void put_back(const Registers& registers, void* context) {
  auto& saved = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  for (std::size_t i = 0; i < kPlaces.size(); ++i)
    saved[kPlaces[i]] = static_cast<greg_t>(registers.general[i]);
  saved[REG_RIP] = static_cast<greg_t>(registers.instruction);
  saved[REG_EFL] = static_cast<greg_t>(registers.flags & ~kResumeFlag);
}

// Reads memory of the program that it could read itself a moment ago. If that has changed since, the
// program's own handler is called for this instruction here, and may mend it.
void read_program(std::byte* to, std::uintptr_t from, std::size_t length) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

// The instruction may be the last before a page that cannot be read.
StoreInstruction decode_at(std::uintptr_t address) {
  const std::size_t on_this_page = wire::kPageSize - address % wire::kPageSize;
  std::array<std::uint8_t, StoreInstruction::kLongest + 1> bytes{};
  auto* to = reinterpret_cast<std::byte*>(bytes.data());
  if (on_this_page < StoreInstruction::kLongest) {
    read_program(to, address, on_this_page);
    const StoreInstruction instruction = decode_store(bytes.data(), on_this_page);
    if (instruction.length != 0) return instruction;
  }
  read_program(to, address, StoreInstruction::kLongest);
  return decode_store(bytes.data(), StoreInstruction::kLongest);
}

// A program that runs one instruction at a time expects a SIGTRAP after this one, too.
void owe_trap() {
  siginfo_t info{};
  info.si_signo = SIGTRAP;
  info.si_code = TRAP_TRACE;
  ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::syscall(SYS_gettid), SIGTRAP, &info);
}

// Stores what is there already, to let it be known whether that can be done.
void store_nothing(std::uintptr_t address) {
  asm volatile("lock orb $0, (%0)" : : "r"(address) : "memory", "cc");
}

// ---- one fault

class CapturedFault {
 public:
  CapturedFault(CaptureState& state, std::uintptr_t fault, void* context)
      : state_(state),
        fault_(fault),
        context_(context),
        registers_(registers_of(context)),
        vectors_(vector_state_of(context)),
        instruction_(decode_at(registers_.instruction)) {}

  bool handle() {
    const StoreOutcome outcome = store();
    switch (outcome.verdict) {
      case Verdict::kStored:
        put_back(registers_, context_);
        if ((registers_.flags & kTrapFlag) != 0) owe_trap();
        return true;
      case Verdict::kNotWatched:
        return false;
      case Verdict::kNotWritable:
        // The instruction is tried again once somebody has made that memory writable.
        store_nothing(outcome.address);
        return true;
      case Verdict::kRefused:
        refuse_store(outcome.why, registers_.instruction, instruction_.length, fault_);
        return true;
    }
    return false;
  }

 private:
  StoreOutcome store() {
    switch (instruction_.form) {
      case Form::kString:
        return store_string();
      case Form::kPush:
        return store_pushed();
      case Form::kMovable:
        return finish(under_lock([&](const WatchTable& table) {
          return execute_movable(instruction_, fault_, table, registers_, vectors_);
        }));
      case Form::kRefused:
        break;
    }
    return under_lock([&](const WatchTable&) {
      return StoreOutcome{Verdict::kRefused, 0, instruction_.refusal};
    });
  }

  StoreOutcome finish(const StoreOutcome& outcome) {
    if (outcome.verdict == Verdict::kStored) registers_.instruction += instruction_.length;
    return outcome;
  }

  // Makes a store, unless the page of the fault is not watched.
  template <typename Store>
  StoreOutcome under_lock(Store store) {
    SignalsBlocked blocked;
    const bool locked = state_.lock.lock();
    // Whether or not this thread has held the lock before, the table stays as it is.
    const WatchTable* table = state_.table.load();
    const bool watched = table != nullptr && table->find(fault_) != nullptr;
    StoreOutcome outcome{Verdict::kNotWatched};
    if (watched && !locked) outcome = {Verdict::kRefused, 0, "is made while a store is reported"};
    if (watched && locked) outcome = store(*table);
    if (locked) state_.lock.unlock();
    if (outcome.verdict == Verdict::kStored) blocked.leave_to_end_of_handler();
    return outcome;
  }

  StoreOutcome store_pushed() {
    const std::uint64_t next = registers_.instruction + instruction_.length;
    std::uint64_t value = pushed_value(next);
    const std::uint64_t target = value;
    if (instruction_.calls) value = next;
    const std::uint64_t top = registers_.general[kRsp] - instruction_.width;
    const StoreOutcome outcome = under_lock([&](const WatchTable& table) {
      return store_bytes(table, top, reinterpret_cast<const std::byte*>(&value),
                         instruction_.width);
    });
    if (outcome.verdict != Verdict::kStored) return outcome;
    registers_.general[kRsp] = top;
    registers_.instruction = instruction_.calls ? target : next;
    return outcome;
  }

  std::uint64_t pushed_value(std::uint64_t next) const {
    switch (instruction_.pushed) {
      case Pushed::kRegister:
        return registers_.general[instruction_.pushed_register];
      case Pushed::kFlags:
        return registers_.flags & ~(kResumeFlag | kVirtualModeFlag);
      case Pushed::kMemory: {
        std::uint64_t value = 0;
        const std::uintptr_t base = segment_base_of(instruction_.operand);
        read_program(reinterpret_cast<std::byte*>(&value),
                     address_of(instruction_, registers_, base), instruction_.width);
        return value;
      }
      case Pushed::kConstant:
        break;
    }
    const auto constant = static_cast<std::uint64_t>(instruction_.constant);
    return instruction_.calls ? next + constant : constant;
  }

  // ---- movs, stos

  // How many elements from `address` on, in the direction of the flag, lie wholly on its page; 1
  // if the first does not.
  std::uint64_t elements_on_page(std::uintptr_t address) const {
    const std::size_t offset = address % wire::kPageSize;
    const std::size_t width = instruction_.width;
    if (offset + width > wire::kPageSize) return 1;
    return backwards() ? offset / width + 1 : (wire::kPageSize - offset) / width;
  }

  bool backwards() const { return (registers_.flags & kDirectionFlag) != 0; }

  // How many elements to do in this signal. Only pages that the instruction itself has found
  // readable are read: those of the first element.
  std::uint64_t elements_to_do() const {
    std::uint64_t count = instruction_.repeated ? registers_.general[kRcx] : 1;
    count = std::min(count, elements_on_page(registers_.general[kRdi]));
    if (instruction_.copies) count = std::min(count, elements_on_page(registers_.general[kRsi]));
    return (registers_.flags & kTrapFlag) != 0 ? std::min(count, std::uint64_t{1}) : count;
  }

  static constexpr std::size_t kPiece = 512;  // bytes: small, for it is on the handler's stack

  // How many elements may be loaded before the first of them is stored: none that is stored to.
  std::uint64_t longest_piece() const {
    const std::uint64_t elements = kPiece / instruction_.width;
    if (!instruction_.copies) return elements;
    const std::uint64_t to = registers_.general[kRdi];
    const std::uint64_t from = registers_.general[kRsi];
    const std::uint64_t distance = to > from ? to - from : from - to;
    return std::clamp(distance / instruction_.width, std::uint64_t{1}, elements);
  }

  // The lowest address of `count` elements, the first of which is at `address`.
  std::uintptr_t lowest_of(std::uintptr_t address, std::uint64_t count) const {
    return backwards() ? address - (count - 1) * instruction_.width : address;
  }

  StoreOutcome store_string() {
    std::uint64_t left = elements_to_do();
    bool any = false;
    while (left > 0) {
      const std::uint64_t count = std::min(left, longest_piece());
      const StoreOutcome outcome = store_piece(count);
      // What has been done stands in the registers; the instruction meets the rest again.
      if (outcome.verdict != Verdict::kStored) return any ? StoreOutcome{} : outcome;
      any = true;
      advance(count);
      left -= count;
    }
    if (!instruction_.repeated || registers_.general[kRcx] == 0)
      registers_.instruction += instruction_.length;
    return {};
  }

  StoreOutcome store_piece(std::uint64_t count) {
    std::array<std::byte, kPiece> bytes;
    const std::size_t length = count * instruction_.width;
    if (instruction_.copies) {
      read_program(bytes.data(), lowest_of(registers_.general[kRsi], count), length);
    } else {
      const auto* element = reinterpret_cast<const std::byte*>(&registers_.general[kRax]);
      for (std::size_t i = 0; i < length; ++i) bytes[i] = element[i % instruction_.width];
    }
    return under_lock([&](const WatchTable& table) {
      return store_bytes(table, lowest_of(registers_.general[kRdi], count), bytes.data(), length);
    });
  }

  void advance(std::uint64_t count) {
    const std::uint64_t length = count * instruction_.width;
    const std::uint64_t step = backwards() ? 0 - length : length;
    registers_.general[kRdi] += step;
    if (instruction_.copies) registers_.general[kRsi] += step;
    if (instruction_.repeated) registers_.general[kRcx] -= count;
  }

  CaptureState& state_;
  std::uintptr_t fault_;
  void* context_;
  Registers registers_;
  VectorState vectors_;
  StoreInstruction instruction_;
};

}  // namespace

bool capture_fault(CaptureState& state, const siginfo_t* info, void* context) {
  const auto fault = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (info->si_code != SEGV_ACCERR || fault < state.lowest.load() || fault >= state.highest.load())
    return false;
  // Not a store: watched pages hold no instructions that may be executed.
  const auto rip =
      static_cast<std::uintptr_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  if (fault - rip < StoreInstruction::kLongest) return false;
  return CapturedFault(state, fault, context).handle();
}

}  // namespace vmmc::internal

#endif
