// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// make_trace DIRECTORY: writes every sample trace to it, as NAME.vmmctrace, and says the seed of the one that is random.
#include <cstdio>
#include <exception>
#include <random>
#include <string>

#include "tools/vmmctrace/testing/sample_traces.h"

int main(int argc, char** argv) try {
  using namespace vmmc::trace_tool::testing;
  if (argc != 2) return 2;
  const std::string directory = std::string(argv[1]) + '/';
  make_sample(Sample::kSimulated).save(directory + "simulated.vmmctrace");
  make_sample(Sample::kReal).save(directory + "real.vmmctrace");
  make_sample(Sample::kWrapped).save(directory + "wrapped.vmmctrace");
  make_sample(Sample::kTorn).save(directory + "torn.vmmctrace");
  make_datagrams().save(directory + "datagrams.vmmctrace");
  make_sample(Sample::kEmpty).save(directory + "empty.vmmctrace");
  const std::uint32_t seed = std::random_device{}();
  std::printf("random.vmmctrace: seed %u\n", seed);
  make_random(seed).save(directory + "random.vmmctrace");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "make_trace: %s\n", error.what());
  return 1;
}
