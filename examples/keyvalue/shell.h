// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Commands in lines of text, each answered by one line:
//
//   put KEY VALUE    the value is the rest of the line
//   get KEY
//   del KEY
//
// Threads: one.
#pragma once

#include <iostream>
#include <sstream>
#include <string>

#include "examples/keyvalue/store.h"

namespace examples::keyvalue {

inline std::string answer(const std::string& key, const Reply& reply, const std::string& done) {
  switch (reply.status) {
    case Status::kAbsent:
      return key + ": no such key";
    case Status::kFull:
      return key + ": the table is full: all slots have keys";
    case Status::kTooLong:
      return key + ": key and value are too long for a record";
    case Status::kDone:
      break;
  }
  return key + done + " (version " + std::to_string(reply.version) + ")";
}

// Carries out one command and writes its answer. False, and nothing is written, if it is none.
inline bool obey(const std::string& line, Store& store, std::ostream& output) {
  std::istringstream words(line);
  std::string command, key, value;
  words >> command >> key >> std::ws;
  std::getline(words, value);
  if (key.empty()) return false;
  if (command == "get" && value.empty()) {
    const Reply reply = store.get(key);
    output << answer(key, reply, " = " + std::string(reply.value)) << std::endl;
  } else if (command == "put" && !value.empty()) {
    output << answer(key, store.put(key, value), ": stored") << std::endl;
  } else if (command == "del" && value.empty()) {
    output << answer(key, store.remove(key), ": deleted") << std::endl;
  } else {
    return false;
  }
  return true;
}

// All lines of the input; blank ones are skipped. False if some were no commands.
inline bool obey_all(std::istream& input, Store& store, std::ostream& output,
                     std::ostream& errors) {
  bool good = true;
  std::string line;
  for (unsigned number = 1; std::getline(input, line); ++number) {
    if (line.find_first_not_of(" \t") == std::string::npos || obey(line, store, output)) continue;
    errors << "line " << number << ": \"" << line
           << "\" is none of: get KEY, put KEY VALUE, del KEY" << std::endl;
    good = false;
  }
  return good;
}

}  // namespace examples::keyvalue
