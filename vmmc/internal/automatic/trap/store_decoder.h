// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a machine instruction that stores will store, and where; and the same instruction rewritten
// so that one register alone says where. x86-64, 64-bit mode.
//
// An instruction that names its memory as [base + index * scale + displacement] is rewritten to name
// it as [register], with a register that the instruction uses for nothing else. Whoever runs the
// rewritten one, with that register set to the address of another place and all others as they
// were, has the same operation, atomic if it was, made in the other place.
//
// Threads: pure functions; async-signal-safe, no memory allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vmmc::internal {

// The integer registers of a thread. Numbered as the processor does: rax, rcx, rdx, rbx, rsp, rbp,
// rsi, rdi, r8 .. r15.
struct Registers {
  std::array<std::uint64_t, 16> general{};
  std::uint64_t instruction = 0;  // rip
  std::uint64_t flags = 0;        // rflags
};
inline constexpr std::uint8_t kRax = 0;
inline constexpr std::uint8_t kRcx = 1;
inline constexpr std::uint8_t kRsp = 4;
inline constexpr std::uint8_t kRsi = 6;
inline constexpr std::uint8_t kRdi = 7;

inline constexpr std::uint64_t kZeroFlag = 0x40;
inline constexpr std::uint64_t kTrapFlag = 0x100;
inline constexpr std::uint64_t kDirectionFlag = 0x400;
inline constexpr std::uint64_t kResumeFlag = 0x10000;
inline constexpr std::uint64_t kVirtualModeFlag = 0x20000;
// Carry, parity, adjust, zero, sign, overflow: what an instruction that stores may read or change.
inline constexpr std::uint64_t kStatusFlags = 0x8d5;

// segment base + base + index * scale + displacement
struct MemoryOperand {
  static constexpr std::uint8_t kNoRegister = 0xff;
  static constexpr std::uint8_t kNextInstruction = 0xfe;  // as base: the address after this one
  enum class Segment : std::uint8_t { kFlat, kFs, kGs };

  std::uint8_t base = kNoRegister;
  std::uint8_t index = kNoRegister;
  std::uint8_t scale = 0;
  Segment segment = Segment::kFlat;
  bool narrow = false;  // only the low 32 bits of the sum count
  std::int64_t displacement = 0;
};

struct StoreInstruction {
  static constexpr std::size_t kLongest = 15;  // bytes
  static constexpr std::size_t kWidest = 512;  // bytes stored by one instruction

  enum class Form : std::uint8_t {
    kRefused,  // not to be handled; `refusal` says why
    kMovable,  // `code` makes the same store at [address_register]
    kString,   // movs, stos: `width` bytes from [rsi] or rax to [rdi], once or rcx times
    kPush,     // push, call: `width` bytes below rsp
  };
  enum class Pushed : std::uint8_t { kRegister, kConstant, kMemory, kFlags };

  Form form = Form::kRefused;
  std::uint8_t length = 0;  // of the instruction, in bytes; 0 if it could not be decoded
  std::uint16_t width = 0;  // bytes
  const char* refusal = "";

  // kMovable: where it stores. kPush of memory: where it loads from.
  MemoryOperand operand;

  // kMovable
  std::array<std::uint8_t, kLongest + 1> code{};
  std::uint8_t code_length = 0;
  std::uint8_t address_register = 0;
  bool loads = false;            // what it stores depends on what was there
  bool partial = false;          // a mask says which of the `width` bytes it stores
  bool locked = false;           // one atomic operation for all processors
  bool compares = false;         // stores only if the zero flag is set afterwards (cmpxchg)
  bool uses_vectors = false;     // anything but integer registers and flags
  bool changes_vectors = false;  // and leaves it changed
  bool converts = false;         // floating point numbers, and may raise an exception for them
  std::uint8_t bit_offset_register = MemoryOperand::kNoRegister;  // bts and its like, see address

  // kString
  bool repeated = false;
  bool copies = false;  // movs

  // kPush
  Pushed pushed = Pushed::kConstant;
  std::uint8_t pushed_register = 0;
  std::int64_t constant = 0;  // of a call: what to add to the address after it
  bool calls = false;         // goes to what is "pushed", and stores the address after the call
};

// Decodes the instruction in the first of `available` bytes. `length` is 0 in the result if there is
// none or if it has more bytes than that.
StoreInstruction decode_store(const std::uint8_t* bytes, std::size_t available);

// The address that `operand` of `instruction` names.
std::uintptr_t address_of(const StoreInstruction& instruction, const Registers& registers,
                          std::uintptr_t segment_base);

// Bytes from the address that the operand names to the first one stored: not 0 only if a register
// holds the number of a bit that may lie far from the operand's address.
std::intptr_t distance_to_store(const StoreInstruction& instruction, const Registers& registers);

}  // namespace vmmc::internal
