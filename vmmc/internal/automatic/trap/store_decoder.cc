// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/store_decoder.h"

#if defined(__x86_64__)

#include <Zydis/Zydis.h>

#include <algorithm>

namespace vmmc::internal {
namespace {

using Form = StoreInstruction::Form;
using Pushed = StoreInstruction::Pushed;

struct Decoded {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

StoreInstruction& refuse(StoreInstruction& store, const char* why) {
  store.form = Form::kRefused;
  store.refusal = why;
  return store;
}

bool is_general(ZydisRegister which) {
  const ZydisRegisterClass kind = ZydisRegisterGetClass(which);
  return kind == ZYDIS_REGCLASS_GPR8 || kind == ZYDIS_REGCLASS_GPR16 ||
         kind == ZYDIS_REGCLASS_GPR32 || kind == ZYDIS_REGCLASS_GPR64;
}

// The number of the 64-bit register that `which` is or is a part of.
std::uint8_t number_of(ZydisRegister which) {
  if (which == ZYDIS_REGISTER_NONE) return MemoryOperand::kNoRegister;
  if (which == ZYDIS_REGISTER_RIP || which == ZYDIS_REGISTER_EIP)
    return MemoryOperand::kNextInstruction;
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, which);
  return static_cast<std::uint8_t>(ZydisRegisterGetId(whole));
}

MemoryOperand operand_from(const ZydisDecodedOperand& memory, const Decoded& decoded) {
  MemoryOperand operand;
  operand.base = number_of(memory.mem.base);
  operand.index = number_of(memory.mem.index);
  operand.scale = memory.mem.scale;
  if (memory.mem.segment == ZYDIS_REGISTER_FS) operand.segment = MemoryOperand::Segment::kFs;
  if (memory.mem.segment == ZYDIS_REGISTER_GS) operand.segment = MemoryOperand::Segment::kGs;
  operand.narrow = decoded.instruction.address_width == 32;
  operand.displacement = memory.mem.disp.has_displacement != 0 ? memory.mem.disp.value : 0;
  return operand;
}

// ---- rewriting

bool is_segment_prefix(std::uint8_t byte) {
  return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 ||
         byte == 0x65;
}
bool is_other_prefix(std::uint8_t byte) {
  return byte == 0x66 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3;
}
constexpr std::uint8_t kNarrowAddress = 0x67;

bool is_rex(std::uint8_t byte) { return (byte & 0xf0) == 0x40; }

class CodeWriter {
 public:
  explicit CodeWriter(StoreInstruction& store) : store_(store) {}
  void add(std::uint8_t byte) { store_.code[store_.code_length++] = byte; }
  void add(const std::uint8_t* from, const std::uint8_t* to) {
    while (from != to) add(*from++);
  }

 private:
  StoreInstruction& store_;
};

// Copies the prefixes but for those that say how an address is formed; returns where the rest
// begins. Of a REX prefix, X and B belong to the address.
const std::uint8_t* copy_prefixes(const std::uint8_t* byte, CodeWriter& code) {
  for (;; ++byte) {
    if (is_other_prefix(*byte)) {
      code.add(*byte);
    } else if (is_rex(*byte)) {
      const std::uint8_t next = byte[1];
      const bool heeded = !is_segment_prefix(next) && !is_other_prefix(next) &&
                          next != kNarrowAddress && !is_rex(next);
      if (heeded) code.add(*byte & 0xfc);
    } else if (!is_segment_prefix(*byte) && *byte != kNarrowAddress) {
      return byte;
    }
  }
}

// The opcode with its VEX, EVEX or XOP prefix, in which X and B stand inverted.
void copy_opcode(const std::uint8_t* begin, const std::uint8_t* end,
                 ZydisInstructionEncoding encoding, CodeWriter& code) {
  const bool has_inverted_bits = encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
                                 encoding == ZYDIS_INSTRUCTION_ENCODING_XOP ||
                                 (encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && *begin == 0xc4);
  if (has_inverted_bits) {
    code.add(*begin++);
    code.add(*begin++ | 0x60);
  }
  code.add(begin, end);
}

void rewrite(const std::uint8_t* bytes, const Decoded& decoded, StoreInstruction& store) {
  const auto& raw = decoded.instruction.raw;
  CodeWriter code(store);
  const std::uint8_t* rest = copy_prefixes(bytes, code);
  const std::uint8_t* modrm = bytes + raw.modrm.offset;
  copy_opcode(rest, modrm, decoded.instruction.encoding, code);
  code.add((*modrm & 0x38) | store.address_register);  // mod 0: [register]
  const bool has_index_byte = raw.modrm.mod != 3 && raw.modrm.rm == 4;
  rest = modrm + 1 + (has_index_byte ? 1 : 0) + raw.disp.size / 8;
  code.add(rest, bytes + decoded.instruction.length);
}

// mov [constant], al/ax/eax/rax has no register in its address to replace: it becomes the common mov.
void rewrite_accumulator_move(const std::uint8_t* bytes, StoreInstruction& store) {
  CodeWriter code(store);
  const std::uint8_t* opcode = copy_prefixes(bytes, code);
  code.add(*opcode == 0xa2 ? 0x88 : 0x89);
  code.add(store.address_register);
}

// Of the eight registers that need no prefix, one that the instruction does not use otherwise; not
// rsp and rbp, whose numbers mean something else in this place.
std::uint8_t free_register(const Decoded& decoded, const ZydisDecodedOperand* stored) {
  std::uint32_t used = 0;
  const auto use = [&](ZydisRegister which) {
    if (is_general(which)) used |= 1U << number_of(which);
  };
  for (int i = 0; i < decoded.instruction.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) use(operand.reg.value);
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || &operand == stored) continue;
    use(operand.mem.base);
    use(operand.mem.index);
  }
  for (std::uint8_t candidate : {7, 6, 3, 1, 2, 0}) {
    if ((used & (1U << candidate)) == 0) return candidate;
  }
  return MemoryOperand::kNoRegister;
}

// ---- what the processor does with more than integers

constexpr ZydisOperandActions kWrites = ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE;

void note_vectors(const Decoded& decoded, StoreInstruction& store) {
  const ZydisInstructionCategory category = decoded.instruction.meta.category;
  // The x87 and MMX units have state that operands do not show; conversions raise flags.
  store.converts = category == ZYDIS_CATEGORY_CONVERT;
  store.changes_vectors = category == ZYDIS_CATEGORY_X87_ALU || store.converts;
  if (category == ZYDIS_CATEGORY_SSE) store.uses_vectors = true;
  for (int i = 0; i < decoded.instruction.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const ZydisRegisterClass kind = ZydisRegisterGetClass(operand.reg.value);
    if (is_general(operand.reg.value) || kind == ZYDIS_REGCLASS_FLAGS ||
        kind == ZYDIS_REGCLASS_IP || kind == ZYDIS_REGCLASS_SEGMENT)
      continue;
    store.uses_vectors = true;
    if (kind == ZYDIS_REGCLASS_MMX || kind == ZYDIS_REGCLASS_X87 ||
        (operand.actions & kWrites) != 0)
      store.changes_vectors = true;
  }
  store.uses_vectors |= store.changes_vectors;
}

bool is_byte_masked_move(ZydisMnemonic mnemonic) {
  return mnemonic == ZYDIS_MNEMONIC_MASKMOVQ || mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU ||
         mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU;
}
bool is_masked(const Decoded& decoded) {
  switch (decoded.instruction.mnemonic) {
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
      return true;
    default:
      return decoded.instruction.avx.mask.mode > ZYDIS_MASK_MODE_DISABLED ||
             is_byte_masked_move(decoded.instruction.mnemonic);
  }
}

bool is_compare_and_exchange(ZydisMnemonic mnemonic) {
  return mnemonic == ZYDIS_MNEMONIC_CMPXCHG || mnemonic == ZYDIS_MNEMONIC_CMPXCHG8B ||
         mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B;
}

bool is_bit_store(ZydisMnemonic mnemonic) {
  return mnemonic == ZYDIS_MNEMONIC_BTS || mnemonic == ZYDIS_MNEMONIC_BTR ||
         mnemonic == ZYDIS_MNEMONIC_BTC;
}

// ---- the forms

StoreInstruction& decode_movable(const std::uint8_t* bytes, const Decoded& decoded,
                                 const ZydisDecodedOperand& stored, StoreInstruction& store) {
  const ZydisDecodedInstruction& instruction = decoded.instruction;
  if (instruction.meta.category == ZYDIS_CATEGORY_XSAVE ||
      instruction.meta.category == ZYDIS_CATEGORY_XSAVEOPT ||
      store.width > StoreInstruction::kWidest)
    return refuse(store, "saves the processor's state");
  store.operand = operand_from(stored, decoded);
  // pop counts rsp up before it forms the address.
  if (instruction.mnemonic == ZYDIS_MNEMONIC_POP && store.operand.base == kRsp)
    store.operand.displacement += store.width;
  store.loads = (stored.actions & (ZYDIS_OPERAND_ACTION_READ | ZYDIS_OPERAND_ACTION_CONDREAD)) != 0;
  store.partial = is_masked(decoded);
  store.locked = (instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0 ||
                 instruction.mnemonic == ZYDIS_MNEMONIC_XCHG;
  store.compares = is_compare_and_exchange(instruction.mnemonic);
  if (is_bit_store(instruction.mnemonic) && decoded.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
    store.bit_offset_register = number_of(decoded.operands[1].reg.value);
  note_vectors(decoded, store);

  store.address_register = free_register(decoded, &stored);
  if (is_byte_masked_move(instruction.mnemonic)) {
    store.address_register = kRdi;
    CodeWriter code(store);
    code.add(copy_prefixes(bytes, code), bytes + instruction.length);
  } else if (stored.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM &&
             store.address_register != MemoryOperand::kNoRegister) {
    rewrite(bytes, decoded, store);
  } else if (stored.encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64) {
    rewrite_accumulator_move(bytes, store);
  } else {
    return refuse(store, "does not name its memory in a way that can be replaced");
  }
  store.form = Form::kMovable;
  return store;
}

StoreInstruction& decode_string(const Decoded& decoded, StoreInstruction& store) {
  if (decoded.instruction.address_width != 64)
    return refuse(store, "is a string instruction with 32-bit addresses");
  if ((decoded.instruction.attributes &
       (ZYDIS_ATTRIB_HAS_SEGMENT_FS | ZYDIS_ATTRIB_HAS_SEGMENT_GS)) != 0)
    return refuse(store, "is a string instruction with a segment");
  constexpr ZydisInstructionAttributes kRepeats =
      ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
  store.repeated = (decoded.instruction.attributes & kRepeats) != 0;
  store.form = Form::kString;
  return store;
}

StoreInstruction& decode_push(const Decoded& decoded, StoreInstruction& store) {
  const ZydisDecodedInstruction& instruction = decoded.instruction;
  store.calls = instruction.mnemonic == ZYDIS_MNEMONIC_CALL;
  if (store.calls && (store.width != 8 || instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
                      instruction.operand_width == 16))
    return refuse(store, "is a far call");
  const ZydisDecodedOperand& what = decoded.operands[0];
  if (instruction.mnemonic == ZYDIS_MNEMONIC_PUSHFQ ||
      instruction.mnemonic == ZYDIS_MNEMONIC_PUSHF) {
    store.pushed = Pushed::kFlags;
  } else if (what.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
    store.pushed = Pushed::kConstant;
    store.constant = what.imm.value.s;
  } else if (what.type == ZYDIS_OPERAND_TYPE_MEMORY && what.mem.type == ZYDIS_MEMOP_TYPE_MEM) {
    store.pushed = Pushed::kMemory;
    store.operand = operand_from(what, decoded);
  } else if (what.type == ZYDIS_OPERAND_TYPE_REGISTER && is_general(what.reg.value)) {
    store.pushed = Pushed::kRegister;
    store.pushed_register = number_of(what.reg.value);
  } else {
    return refuse(store, "pushes a segment register");
  }
  store.form = Form::kPush;
  return store;
}

// The only memory that the instruction stores to, or null.
const ZydisDecodedOperand* stored_operand(const Decoded& decoded) {
  const ZydisDecodedOperand* found = nullptr;
  for (int i = 0; i < decoded.instruction.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || (operand.actions & kWrites) == 0) continue;
    if (found != nullptr) return nullptr;
    found = &operand;
  }
  return found;
}

StoreInstruction& classify(const std::uint8_t* bytes, const Decoded& decoded,
                           StoreInstruction& store) {
  const ZydisDecodedOperand* stored = stored_operand(decoded);
  if (stored == nullptr || stored->size == 0)
    return refuse(store, "stores in a way that is not described");
  store.width = stored->size / 8;
  if (stored->mem.type == ZYDIS_MEMOP_TYPE_VSIB) return refuse(store, "scatters");
  if (stored->mem.type != ZYDIS_MEMOP_TYPE_MEM)
    return refuse(store, "stores in a way that is not described");
  switch (decoded.instruction.mnemonic) {
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVSQ:
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_STOSW:
    case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ:
      // movsd is also a move of a floating point number, which is no string instruction.
      if (decoded.instruction.meta.category != ZYDIS_CATEGORY_STRINGOP) break;
      store.copies = decoded.operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY;
      return decode_string(decoded, store);
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_CALL:
      return decode_push(decoded, store);
    default:
      break;
  }
  return decode_movable(bytes, decoded, *stored, store);
}

}  // namespace

StoreInstruction decode_store(const std::uint8_t* bytes, std::size_t available) {
  StoreInstruction store;
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  Decoded decoded;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes,
                                           std::min(available, StoreInstruction::kLongest),
                                           &decoded.instruction, decoded.operands)))
    return refuse(store, "is not known");
  store.length = decoded.instruction.length;
  return classify(bytes, decoded, store);
}

std::uintptr_t address_of(const StoreInstruction& instruction, const Registers& registers,
                          std::uintptr_t segment_base) {
  const MemoryOperand& operand = instruction.operand;
  auto address = static_cast<std::uintptr_t>(operand.displacement);
  if (operand.base == MemoryOperand::kNextInstruction) {
    address += registers.instruction + instruction.length;
  } else if (operand.base != MemoryOperand::kNoRegister) {
    address += registers.general[operand.base];
  }
  if (operand.index != MemoryOperand::kNoRegister)
    address += registers.general[operand.index] * operand.scale;
  if (operand.narrow) address &= 0xffffffff;
  return address + segment_base;
}

std::intptr_t distance_to_store(const StoreInstruction& instruction, const Registers& registers) {
  if (instruction.bit_offset_register == MemoryOperand::kNoRegister) return 0;
  const std::uint64_t whole = registers.general[instruction.bit_offset_register];
  const auto width = static_cast<std::intptr_t>(instruction.width);
  std::int64_t bit = static_cast<std::int64_t>(whole);
  if (width == 4) bit = static_cast<std::int32_t>(whole);
  if (width == 2) bit = static_cast<std::int16_t>(whole);
  // The word that holds the bit, rounded towards lower addresses also for negative numbers.
  const int shift = width == 8 ? 6 : (width == 4 ? 5 : 4);
  return (bit >> shift) * width;
}

}  // namespace vmmc::internal

#endif
