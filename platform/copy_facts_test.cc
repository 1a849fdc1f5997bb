// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/copy_facts.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>

namespace vmmc::platform {
namespace {

TEST_CASE("a processor without facilities copies with 16-byte vectors at every length") {
  const CopyRules rules = rules_for({});
  CHECK(rules.wide_from == kNeverThisWay);
  CHECK(choose_long_copy(rules, 0, 4096, SIZE_MAX - 1) == LongCopy::kVectors);
  CHECK(choose_long_copy(rules, 4097, 4096, SIZE_MAX - 1) == LongCopy::kVectors);
}

TEST_CASE("the processor's own loop, where it is fast, from its length on and to any length") {
  const CopyRules rules = rules_for({.fast_string = true, .shared_cache = 1 << 20});
  CHECK(choose_long_copy(rules, 0, 0x5008, rules.string_from - 1) == LongCopy::kVectors);
  CHECK(choose_long_copy(rules, 0, 0x5008, rules.string_from) == LongCopy::kString);
  CHECK(choose_long_copy(rules, 0, 0x5008, std::size_t{1} << 40) == LongCopy::kString);
  CHECK(choose_long_copy(rules, 0x5008, 0x1000, std::size_t{1} << 40) == LongCopy::kString);
}

TEST_CASE("where that loop suffers from aliases, long copies avoid it there and only there") {
  const CopyRules rules = rules_for({.fast_string = true, .string_aliases = true});
  const std::size_t from = rules.aliased_stream_from;
  CHECK(choose_long_copy(rules, 0x5008, 0x1000, from - 1) == LongCopy::kString);
  CHECK(choose_long_copy(rules, 0x5008, 0x1000, from) == LongCopy::kStream);
  CHECK(choose_long_copy(rules, 0x5000, 0x1000, from) == LongCopy::kString);
}

TEST_CASE("without that loop what exceeds most of the shared cache goes past it") {
  const CopyRules rules = rules_for({.shared_cache = 1 << 20});
  CHECK(choose_long_copy(rules, 0, 64, 3 << 18) == LongCopy::kStream);
  CHECK(choose_long_copy(rules, 0, 64, (3 << 18) - 1) == LongCopy::kVectors);
}

TEST_CASE("a destination aliases if it lies 1 to 63 bytes behind the source within a page") {
  for (const std::uintptr_t page : {0x1000, 0x7000}) {
    for (const std::uintptr_t source : {0x1000, 0x1003, 0x1fff}) {
      CHECK_FALSE(destinations_alias(page + source, source));
      CHECK(destinations_alias(page + source + 1, source));
      CHECK(destinations_alias(page + source + 63, source));
      CHECK_FALSE(destinations_alias(page + source + 64, source));
      CHECK_FALSE(destinations_alias(page + source - 1, source));
    }
  }
  CHECK(destinations_alias(0x1001, 0x5000));  // the source behind the destination
}

TEST_CASE("the rules in force are those of this processor's facts") {
  const CopyRules rules = rules_for(read_copy_facts());
  CHECK(copy_rules.wide_from == rules.wide_from);
  CHECK(copy_rules.string_from == rules.string_from);
  CHECK(copy_rules.stream_from == rules.stream_from);
  CHECK(copy_rules.aliased_stream_from == rules.aliased_stream_from);
}

}  // namespace
}  // namespace vmmc::platform
