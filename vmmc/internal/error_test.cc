// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/error.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <set>
#include <string>
#include <thread>

using namespace vmmc;
using namespace vmmc::internal;

TEST_CASE("every status has a name and a sentence of its own") {
  std::set<std::string> names;
  std::set<std::string> sentences;
  int known = 0;
  for (int status = -100; status <= 2; ++status) {
    const std::string name = status_name(status);
    if (name.rfind("VMMC_", 0) != 0) continue;
    ++known;
    names.insert(name);
    sentences.insert(status_sentence(status));
  }
  CHECK(known == 56);
  CHECK(names.size() == 56);
  CHECK(sentences.size() == 56);
  CHECK(std::string(status_name(VMMC_ERR_TIMEOUT)) == "VMMC_ERR_TIMEOUT");
  CHECK(std::string(status_name(12345)) == "unknown status");
  CHECK(std::string(status_sentence(12345)) == "a number that is no status");
}

TEST_CASE("every status of the wire has a name") {
  for (const wire::Status status : {wire::Status::kOk,
                                    wire::Status::kVersionMismatch,
                                    wire::Status::kUserNotAllowed,
                                    wire::Status::kNoSuchNode,
                                    wire::Status::kProcessIdInUse,
                                    wire::Status::kTooManyProcesses,
                                    wire::Status::kOutOfMemory,
                                    wire::Status::kDuplicateId,
                                    wire::Status::kOverlap,
                                    wire::Status::kMisaligned,
                                    wire::Status::kZeroLength,
                                    wire::Status::kLengthOverflow,
                                    wire::Status::kInvalidRights,
                                    wire::Status::kUnknownExport,
                                    wire::Status::kTooManyExports,
                                    wire::Status::kPermissionDenied,
                                    wire::Status::kTooManyImports,
                                    wire::Status::kDestinationSpaceFull,
                                    wire::Status::kUnknownImport,
                                    wire::Status::kImportCancelled,
                                    wire::Status::kOutsideProxy,
                                    wire::Status::kUnexported,
                                    wire::Status::kPeerDead,
                                    wire::Status::kNotWritable,
                                    wire::Status::kBadSource,
                                    wire::Status::kMalformed}) {
    CHECK(std::string(status_name(static_cast<int>(status))).rfind("VMMC_", 0) == 0);
  }
}

TEST_CASE("the sentence belongs to the thread, and errno is left alone") {
  errno = EAGAIN;
  CHECK(fail(VMMC_ERR_TIMEOUT, "buffer %u", 7u) == VMMC_ERR_TIMEOUT);
  CHECK(errno == EAGAIN);
  std::thread([] { CHECK(std::string(last_error()).empty()); }).join();
  CHECK(std::string(last_error()) == "buffer 7");
  const std::string longest(1000, 'x');
  fail(VMMC_ERR_SYSTEM, "%s", longest.c_str());
  CHECK(std::string(last_error()).size() == 399);
  CHECK(fail_refused(wire::Status::kOverlap, "export of buffer %u", 3u) == VMMC_ERR_OVERLAP);
  CHECK(std::string(last_error()) ==
        "export of buffer 3: the bytes overlap a buffer that the process already exports");
  CHECK(fail_refused(wire::Status::kOverlap, "%s", longest.c_str()) == VMMC_ERR_OVERLAP);
}

TEST_CASE("a constant sentence takes the place of a formatted one, and the other way round") {
  fail(VMMC_ERR_TIMEOUT, "buffer %u", 7u);
  const char* const constant = "no datagram has come";
  errno = EAGAIN;
  CHECK(fail_saying(VMMC_ERR_TIMEOUT, constant) == VMMC_ERR_TIMEOUT);
  CHECK(errno == EAGAIN);
  CHECK(last_error() == constant);
  std::thread([] { CHECK(std::string(last_error()).empty()); }).join();
  fail(VMMC_ERR_TIMEOUT, "buffer %u", 8u);
  CHECK(std::string(last_error()) == "buffer 8");
  CHECK(fail_plainly(VMMC_ERR_OVERLAP) == VMMC_ERR_OVERLAP);
  CHECK(last_error() == status_sentence(VMMC_ERR_OVERLAP));
  fail_refused(wire::Status::kOverlap, "export of buffer %u", 3u);
  CHECK(std::string(last_error()).starts_with("export of buffer 3: "));
}

TEST_CASE("a system call's failure") {
  CHECK(fail_system("mapping the channel", {"mmap", ENOMEM}) == VMMC_ERR_OUT_OF_MEMORY);
  CHECK(std::string(last_error()) == "mapping the channel: mmap: Cannot allocate memory");
  CHECK(fail_system("connecting", {"connect", EACCES}) == VMMC_ERR_SYSTEM);
}
