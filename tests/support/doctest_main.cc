// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  if (const char* filter = std::getenv("TESTBRIDGE_TEST_ONLY")) {
    context.addFilter("test-case", filter);
  }
  return context.run();
}
