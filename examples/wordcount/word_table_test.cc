// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/wordcount/word_table.h"

#include <doctest/doctest.h>

#include <string>

namespace examples::wordcount {
namespace {

const std::string kText = "The cat, the DOG and the bird: a cat's tale.\nThe end";

TEST_CASE("words are runs of letters, without regard to case") {
  const WordTable table = count_words(kText);
  CHECK(table.at("the") == 4);
  CHECK(table.at("cat") == 2);
  CHECK(table.at("s") == 1);
  CHECK(table.at("end") == 1);
  CHECK(total_words(table) == 13);
  CHECK(count_words("").empty());
  CHECK(count_words("...").empty());
}

TEST_CASE("shares put together are the text, and cut no word, for any number of parts") {
  for (std::uint32_t parts = 1; parts <= kText.size() + 3; ++parts) {
    CAPTURE(parts);
    std::string joined;
    WordTable sum;
    for (std::uint32_t part = 0; part < parts; ++part) {
      const std::string_view share = share_of_text(kText, part, parts);
      joined += share;
      for (const auto& [word, count] : count_words(share)) sum[word] += count;
    }
    CHECK(joined == kText);
    CHECK(sum == count_words(kText));
  }
}

TEST_CASE("packed tables come back whole, each word from its owner") {
  const WordTable table = count_words(kText);
  const auto packed = pack_by_owner(table, 3);
  WordTable merged;
  for (std::uint32_t owner = 0; owner < 3; ++owner) {
    WordTable part;
    REQUIRE(add_packed(packed[owner], part));
    for (const auto& [word, count] : part) CHECK(owner_of(word, 3) == owner);
    REQUIRE(add_packed(packed[owner], merged));
  }
  CHECK(merged == table);
}

TEST_CASE("bytes that are no packed table are refused") {
  const auto packed = pack_by_owner(count_words("word"), 1);
  for (std::size_t bytes = 1; bytes < packed[0].size(); ++bytes) {
    WordTable table;
    CHECK_FALSE(add_packed(std::string_view(packed[0]).substr(0, bytes), table));
  }
}

TEST_CASE("the most frequent words are in order, equals by alphabet") {
  const auto words = most_frequent(count_words("b a c b c d"), 3);
  REQUIRE(words.size() == 3);
  CHECK(words[0].first == "b");
  CHECK(words[1].first == "c");
  CHECK(words[2].first == "a");
  CHECK(most_frequent({}, 10).empty());
}

}  // namespace
}  // namespace examples::wordcount
