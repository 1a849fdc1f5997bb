// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/wordcount/word_table.h"

#include <algorithm>
#include <cstring>

namespace examples::wordcount {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The first place at or after `place` that is not in the middle of a word.
std::size_t word_boundary(std::string_view text, std::size_t place) {
  while (place > 0 && place < text.size() && is_letter(text[place - 1]) && is_letter(text[place])) {
    ++place;
  }
  return place;
}

// A packed table is a row of entries: count (8 bytes), length of the word (4 bytes), the word.
struct EntryHeader {
  std::uint64_t count;
  std::uint32_t length;
};
constexpr std::size_t kEntryHeaderBytes = 12;

void append_entry(std::string_view word, std::uint64_t count, std::string& packed) {
  const auto length = static_cast<std::uint32_t>(word.size());
  packed.append(reinterpret_cast<const char*>(&count), sizeof count);
  packed.append(reinterpret_cast<const char*>(&length), sizeof length);
  packed.append(word);
}

}  // namespace

std::string_view share_of_text(std::string_view text, std::uint32_t part, std::uint32_t parts) {
  const std::size_t begin = word_boundary(text, text.size() * part / parts);
  const std::size_t end = word_boundary(text, text.size() * (part + 1) / parts);
  return text.substr(begin, end - begin);
}

WordTable count_words(std::string_view text) {
  WordTable table;
  std::string word;
  for (const char c : text) {
    if (is_letter(c)) {
      word.push_back(to_lower(c));
    } else if (!word.empty()) {
      ++table[word];
      word.clear();
    }
  }
  if (!word.empty()) ++table[word];
  return table;
}

std::uint32_t owner_of(std::string_view word, std::uint32_t owners) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return static_cast<std::uint32_t>((hash >> 32) % owners);
}

std::vector<std::string> pack_by_owner(const WordTable& table, std::uint32_t owners) {
  std::vector<std::string> packed(owners);
  for (const auto& [word, count] : table) append_entry(word, count, packed[owner_of(word, owners)]);
  return packed;
}

bool add_packed(std::string_view packed, WordTable& table) {
  while (!packed.empty()) {
    if (packed.size() < kEntryHeaderBytes) return false;
    EntryHeader entry{};
    std::memcpy(&entry.count, packed.data(), sizeof entry.count);
    std::memcpy(&entry.length, packed.data() + sizeof entry.count, sizeof entry.length);
    packed.remove_prefix(kEntryHeaderBytes);
    if (packed.size() < entry.length) return false;
    table[std::string(packed.substr(0, entry.length))] += entry.count;
    packed.remove_prefix(entry.length);
  }
  return true;
}

std::uint64_t total_words(const WordTable& table) {
  std::uint64_t total = 0;
  for (const auto& [word, count] : table) total += count;
  return total;
}

std::vector<std::pair<std::string, std::uint64_t>> most_frequent(const WordTable& table,
                                                                 std::size_t count) {
  std::vector<std::pair<std::string, std::uint64_t>> words(table.begin(), table.end());
  const std::size_t kept = std::min(count, words.size());
  std::partial_sort(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(kept), words.end(),
                    [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  words.resize(kept);
  return words;
}

}  // namespace examples::wordcount
