// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Counting words: the part of the example that knows nothing of processes.
//
// A word is a longest run of ASCII letters; 'The' and 'the' are the same word. Threads: no shared
// state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace examples::wordcount {

using WordTable = std::unordered_map<std::string, std::uint64_t>;

// The share of `part` (of `parts`) of the text. The shares are consecutive, together they are the
// whole text, and no word is cut: a word belongs to the share in which it begins.
std::string_view share_of_text(std::string_view text, std::uint32_t part, std::uint32_t parts);

WordTable count_words(std::string_view text);

// Which of `owners` keeps the final count of `word`; the same in every process and on every
// machine.
std::uint32_t owner_of(std::string_view word, std::uint32_t owners);

// The table as bytes for a message, one string for each owner.
std::vector<std::string> pack_by_owner(const WordTable& table, std::uint32_t owners);

// Adds the counts of a packed table to `table`. False, and nothing is promised of `table`, if the
// bytes are no packed table.
bool add_packed(std::string_view packed, WordTable& table);

std::uint64_t total_words(const WordTable& table);

// The `count` most frequent words, the most frequent first, equals in alphabetical order.
std::vector<std::pair<std::string, std::uint64_t>> most_frequent(const WordTable& table,
                                                                 std::size_t count);

}  // namespace examples::wordcount
