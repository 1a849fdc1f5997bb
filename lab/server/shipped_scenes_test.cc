// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Every shipped scene can be begun and stepped through, as far as its text says.

#include <doctest/doctest.h>

#include "lab/server/scene_library.h"

namespace vmmc::lab {
namespace {

TEST_CASE("every shipped file is a scene") {
  const SceneLibrary library(shipped_scenes());
  for (const std::string& problem : library.problems()) MESSAGE(problem);
  CHECK(library.problems().empty());
  CHECK(library.all().size() == shipped_scenes().size());
}

}  // namespace
}  // namespace vmmc::lab
