// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/rules.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

namespace examples::intrusiondetector {
namespace {

struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The words of a line; "..." is one, with its first quotation mark, so that it is known as text.
class Words {
 public:
  explicit Words(const std::string& line) : rest_(line) {}

  // Empty: there are no more.
  std::string next() {
    const std::size_t start = rest_.find_first_not_of(" \t\r");
    if (start == std::string::npos || rest_[start] == '#') return {};
    rest_.erase(0, start);
    if (rest_[0] == '"') return quoted();
    const std::size_t end = std::min(rest_.find_first_of(" \t\r"), rest_.size());
    std::string word = rest_.substr(0, end);
    rest_.erase(0, end);
    return word;
  }
  std::string need(const char* what) {
    std::string word = next();
    if (word.empty()) throw Wrong(std::string(what) + " is missing");
    return word;
  }

 private:
  std::string quoted() {
    std::string word = "\"";
    for (std::size_t at = 1; at < rest_.size(); ++at) {
      if (rest_[at] == '"') {
        rest_.erase(0, at + 1);
        return word;
      }
      if (rest_[at] == '\\' && at + 1 < rest_.size()) ++at;
      word += rest_[at];
    }
    throw Wrong("a quotation mark has no other one");
  }

  std::string rest_;
};

template <typename T>
T number_of(const std::string& text, T least, T most, const char* what) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(number >= least && number <= most)) {
    throw Wrong("\"" + text + "\" is no " + what);
  }
  return number;
}

std::uint16_t port_of(const std::string& text) {
  return number_of<std::uint16_t>(text, 1, 65535, "port");
}

std::vector<PortRange> ports_of(std::string text) {
  std::vector<PortRange> ports;
  if (text == "any") return ports;
  text += ',';
  for (std::size_t comma = 0; (comma = text.find(',')) != std::string::npos;
       text.erase(0, comma + 1)) {
    const std::string one = text.substr(0, comma);
    const std::size_t dash = one.find('-');
    PortRange range{port_of(one.substr(0, dash)), 0};
    range.last = dash == std::string::npos ? range.first : port_of(one.substr(dash + 1));
    if (range.last < range.first) throw Wrong("\"" + one + "\" ends before it begins");
    ports.push_back(range);
  }
  return ports;
}

char byte_of(const std::string& digits) {
  unsigned value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
    throw Wrong("\"" + digits + "\" is neither text in quotation marks nor two hexadecimal digits");
  }
  return static_cast<char>(value);
}

ContentRule content_rule(Words& words) {
  ContentRule rule;
  rule.name = words.need("the name");
  const std::string protocol = words.need("the protocol");
  if (protocol != "tcp" && protocol != "udp") {
    throw Wrong("\"" + protocol + "\" is neither tcp nor udp");
  }
  rule.protocol = protocol == "tcp" ? Protocol::kTcp : Protocol::kUdp;
  rule.ports = ports_of(words.need("the ports"));
  for (std::string word = words.need("the pattern"); !word.empty(); word = words.next()) {
    if (word[0] == '"') {
      rule.pattern += word.substr(1);
    } else {
      rule.pattern += byte_of(word);
    }
  }
  if (rule.pattern.empty()) throw Wrong("the pattern is empty");
  if (rule.pattern.size() > kLongestPattern) throw Wrong("the pattern has more than 64 bytes");
  return rule;
}

ScanRule scan_rule(Words& words) {
  ScanRule rule;
  rule.name = words.need("the name");
  rule.ports = number_of<std::uint32_t>(words.need("the number of ports"), 2, kMostScanPorts,
                                        "number of ports (2 to 1024)");
  if (words.need("the word ports") != "ports" || words.need("the word in") != "in") {
    throw Wrong("it is not \"N ports in T s\"");
  }
  const auto seconds =
      number_of<double>(words.need("the time"), 0.001, 86400, "time (0.001 to 86400)");
  rule.within = static_cast<std::uint64_t>(std::llround(seconds * 1e9));
  if (words.need("the unit s") != "s") throw Wrong("the time is not in s");
  if (!words.next().empty()) throw Wrong("there is something behind its end");
  return rule;
}

void add_rule(const std::string& line, Rules& rules) {
  Words words(line);
  const std::string kind = words.next();
  if (kind.empty()) return;
  if (kind == "content") {
    if (rules.contents.size() == kMostContentRules)
      throw Wrong("there are more than 64 content rules");
    rules.contents.push_back(content_rule(words));
  } else if (kind == "scan") {
    rules.scans.push_back(scan_rule(words));
  } else {
    throw Wrong("\"" + kind + "\" is neither content nor scan");
  }
}

}  // namespace

bool ContentRule::is_for(const Packet& packet) const {
  if (packet.protocol != protocol) return false;
  return ports.empty() || std::any_of(ports.begin(), ports.end(), [&](const PortRange& range) {
           return packet.to.port >= range.first && packet.to.port <= range.last;
         });
}

std::variant<Rules, std::string> parse_rules(const std::string& text) {
  Rules rules;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    ++number;
    try {
      add_rule(text.substr(at, end - at), rules);
    } catch (const Wrong& wrong) {
      return "line " + std::to_string(number) + ": " + wrong.what();
    }
    at = end + 1;
  }
  if (rules.contents.empty() && rules.scans.empty()) return "there is no rule";
  return rules;
}

}  // namespace examples::intrusiondetector
