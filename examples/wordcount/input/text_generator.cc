// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Writes English-looking prose: text_generator BYTES SEED > text.txt
//
// Sentences come from a small grammar. Within each kind of word the k-th is chosen with a
// probability of about 1 / k (Zipf), and rare names are made of syllables, so that the text has
// what makes counting words hard work: a few words that are everywhere and thousands that are seen
// once. The same arguments write the same bytes on every machine: only integers are used, and no
// distribution of the standard library, whose results differ between libraries.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace {

using Words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 6> kDeterminers = {"the",   "a",  "this",
                                                          "every", "no", "that"};
constexpr std::array<std::string_view, 10> kPrepositions = {
    "of", "in", "to", "with", "from", "under", "beyond", "between", "through", "against"};
constexpr std::array<std::string_view, 6> kJunctions = {"and",     "but",   "while",
                                                        "because", "until", "so"};
constexpr std::array<std::string_view, 24> kAdjectives = {
    "old",   "long",  "quiet",  "great", "small", "dark",   "early",  "heavy",
    "plain", "empty", "narrow", "cold",  "green", "honest", "broken", "distant",
    "sharp", "slow",  "bright", "loud",  "tall",  "gentle", "rough",  "curious"};
constexpr std::array<std::string_view, 56> kNouns = {
    "time",    "house",   "river",   "night",   "man",     "woman",   "road",   "word",
    "window",  "hand",    "morning", "machine", "letter",  "garden",  "winter", "page",
    "harbour", "child",   "voice",   "memory",  "engine",  "table",   "market", "mountain",
    "captain", "network", "paper",   "shadow",  "village", "station", "field",  "ship",
    "bridge",  "teacher", "forest",  "key",     "clock",   "message", "island", "doctor",
    "kitchen", "lantern", "wheel",   "valley",  "tower",   "packet",  "rope",   "cellar",
    "orchard", "anchor",  "ladder",  "compass", "chimney", "barrel",  "ferry",  "buffer"};
constexpr std::array<std::string_view, 40> kVerbs = {
    "look",   "turn",    "walk",   "open",   "remember", "follow", "wait",   "answer",
    "carry",  "watch",   "call",   "listen", "climb",    "return", "reach",  "gather",
    "mend",   "paint",   "cross",  "count",  "borrow",   "wander", "repeat", "measure",
    "happen", "collect", "export", "import", "deliver",  "pull",   "push",   "question",
    "shout",  "whisper", "sail",   "plant",  "visit",    "finish", "enter",  "haul"};
constexpr std::array<std::string_view, 32> kSyllables = {
    "al",  "ben", "cor", "da",  "el",   "far", "gor", "hal", "in",  "jo", "kel",
    "lan", "mar", "nor", "ost", "per",  "qui", "ros", "sel", "tam", "ul", "ver",
    "wes", "xan", "yor", "zel", "thor", "bri", "cla", "dun", "gre", "mon"};

class Writer {
 public:
  explicit Writer(std::uint64_t seed) : state_(seed) {}

  void paragraph() {
    for (std::uint64_t left = 3 + below(5); left > 0; --left) sentence();
    text_ += "\n\n";
    column_ = 0;
  }

  const std::string& text() const { return text_; }

 private:
  // splitmix64: small, and the same everywhere.
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return (next() >> 32) * limit >> 32; }

  // Rank k of `count` with a weight of 1 / (k + 1), in parts of 2^20.
  std::size_t zipf(std::size_t count) {
    constexpr std::uint64_t kUnit = 1 << 20;
    std::uint64_t sum = 0;
    for (std::size_t k = 0; k < count; ++k) sum += kUnit / (k + 1);
    std::uint64_t place = below(sum);
    std::size_t k = 0;
    while (place >= kUnit / (k + 1)) place -= kUnit / (++k);
    return k < count ? k : count - 1;
  }

  // Low numbers are far more frequent than high ones, and there is no highest: the tail of rare
  // names.
  std::string name() {
    std::uint64_t number = zipf(48);
    for (std::uint64_t digits = below(3); digits > 0; --digits) number = number * 31 + below(31);
    std::string name;
    do {
      name += kSyllables[number % kSyllables.size()];
      number /= kSyllables.size();
    } while (number > 0);
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    return name;
  }

  void word(std::string_view word) {
    if (column_ + word.size() > 78) {
      text_ += '\n';
      column_ = 0;
    } else if (column_ > 0) {
      text_ += ' ';
      ++column_;
    }
    column_ += word.size();
    const std::size_t at = text_.size();
    text_ += word;
    if (start_of_sentence_ && word[0] >= 'a') text_[at] = static_cast<char>(word[0] - 'a' + 'A');
    start_of_sentence_ = false;
  }
  std::string_view one_of(Words words) { return words[zipf(words.size())]; }
  void pick(Words words) { word(one_of(words)); }

  void noun_phrase() {
    if (below(5) == 0) {
      word(name());
      return;
    }
    const std::string_view determiner = one_of(kDeterminers);
    const std::string_view adjective = below(3) == 0 ? one_of(kAdjectives) : "";
    std::string noun(one_of(kNouns));
    if (below(12) == 0) noun += "-" + std::string(one_of(kNouns));
    const char first = adjective.empty() ? noun[0] : adjective[0];
    const bool vowel = std::string_view("aeio").find(first) != std::string_view::npos;
    word(determiner == "a" && vowel ? "an" : determiner);
    if (!adjective.empty()) word(adjective);
    word(noun);
    if (below(4) == 0) {
      pick(kPrepositions);
      noun_phrase();
    }
  }

  void verb() {
    std::string verb(one_of(kVerbs));
    const bool silent_e = verb.back() == 'e';
    switch (below(4)) {
      case 0:
        word("was");
        if (silent_e) verb.pop_back();
        verb += "ing";
        break;
      case 1:
        word(below(2) == 0 ? "would" : "could");
        break;
      default:
        verb += silent_e ? "d" : "ed";
    }
    word(verb);
  }

  void clause() {
    noun_phrase();
    verb();
    if (below(2) == 0) pick(kPrepositions);
    noun_phrase();
  }

  void sentence() {
    start_of_sentence_ = true;
    clause();
    while (below(3) == 0) {
      text_ += ',';
      pick(kJunctions);
      clause();
    }
    text_ += below(12) == 0 ? '?' : '.';
  }

  std::uint64_t state_;
  std::string text_;
  std::size_t column_ = 0;
  bool start_of_sentence_ = true;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: text_generator BYTES SEED\n");
    return 2;
  }
  const std::size_t bytes = std::strtoull(argv[1], nullptr, 10);
  Writer writer(std::strtoull(argv[2], nullptr, 10));
  while (writer.text().size() < bytes) writer.paragraph();
  const std::string& text = writer.text();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
