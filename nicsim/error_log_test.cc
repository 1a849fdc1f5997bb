// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/error_log.h"

#include <doctest/doctest.h>

#include "nicsim/wire/control.h"

using namespace vmmc;
using nicsim::ErrorLog;
using wire::Status;

namespace {

ErrorLog::Key import_refused(std::uint32_t process, std::uint32_t buffer) {
  return {Status::kPermissionDenied, "import", 0, process, 1, 2, buffer};
}

}  // namespace

TEST_CASE("the same error is kept once, and counted") {
  ErrorLog log;
  for (int i = 0; i < 1000; ++i) log.add(import_refused(3, 7));
  log.add(import_refused(3, 8));
  log.add(import_refused(4, 7));
  REQUIRE(log.entries().size() == 3);
  const ErrorLog::Entry& often = log.entries().at(import_refused(3, 7));
  CHECK(often.count == 1000);
  CHECK(often.first > 0);
  CHECK(often.last >= often.first);
  const ErrorLog::Entry& once = log.entries().at(import_refused(4, 7));
  CHECK(once.count == 1);
  CHECK(once.first == once.last);
  CHECK(once.first >= often.last);
  CHECK(log.not_kept() == 0);
}

TEST_CASE("a full log counts what it does not keep, and goes on counting what it keeps") {
  ErrorLog log;
  for (std::uint32_t i = 0; i < ErrorLog::kMostErrors + 5; ++i) log.add(import_refused(i, 7));
  log.add(import_refused(0, 7));
  CHECK(log.entries().size() == ErrorLog::kMostErrors);
  CHECK(log.not_kept() == 5);
  CHECK(log.entries().at(import_refused(0, 7)).count == 2);
}

TEST_CASE("each error has a sentence that names who, what and why") {
  CHECK(ErrorLog::sentence(import_refused(3, 7)) ==
        "The import of buffer 7 of process (1, 2) by process (0, 3) was refused: the rights of the "
        "buffer do not admit it.");
  CHECK(ErrorLog::sentence(
            {Status::kOutOfMemory, "export", 1, 4, wire::kAnyNode, wire::kAnyProcess, 9}) ==
        "The export of buffer 9 by process (1, 4) was refused: there was no memory for it.");
  CHECK(ErrorLog::sentence({Status::kMalformed, "deliberate update", 1, 4, wire::kAnyNode,
                            wire::kAnyProcess, ErrorLog::kNoBuffer}) ==
        "The deliberate update by process (1, 4) was refused: it makes no sense.");
  CHECK(ErrorLog::sentence({Status::kUnexported, "packet", 2, wire::kAnyProcess, wire::kAnyNode,
                            wire::kAnyProcess, ErrorLog::kNoBuffer}) ==
        "The packet at node 2 was refused: the exporter has taken the buffer back.");
}
