// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The generator: from a seed and the state of the model, the next operation of a random run. Most
// are valid; some are refused, and the model knows with which status. It leaves out what
// vmmc/vmmc.h leaves undefined: sources that overlap their own destination, redirections whose
// destinations overlap a buffer or each other, and bindings to a buffer of the same process.
//
// Threads and processes: of the coordinator alone.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <random>
#include <vector>

#include "tests/random_operations/command.h"
#include "tests/random_operations/model.h"

namespace vmmc::testing::random_operations {

class Generator {
 public:
  Generator(const Model& model, std::uint32_t seed) : model_(model), random_(seed) {}

  // One command; or an import that waits and the export that it waits for, to be carried out side
  // by side.
  std::vector<Command> next();

  Command reset_of(std::uint32_t process);

  // 0 .. bound - 1
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t bound) { return below(bound) == 0; }

 private:
  using Made = std::optional<Command>;

  Verb early_verb();
  Made make_somewhere(Verb verb);
  Made make(Verb verb, std::uint32_t process);
  Made make_export(Command c);
  Made make_import(Command c);
  Made make_request_end(Command c);
  Made make_unimport(Command c);
  Made make_transfer(Command c);
  Made shape_transfer(Command c, const Import& import);
  Made make_atomic(Command c);
  Made make_redirect(Command c);
  Made make_end_redirection(Command c);
  Made make_bind(Command c);
  Made make_unbind(Command c);
  Made make_store(Command c);
  Made make_register(Command c);
  Made with_buffer(Command c);

  bool pick_import(Command& c);
  bool place_apart(Command& c, const Export& target);
  bool is_free(std::uint32_t process, std::uint64_t offset, std::uint64_t length) const;
  bool reaches_another_proxy(const Command& c) const;
  void choose_executor(Command& c);
  std::uint64_t some_length(std::uint64_t most);
  std::uint64_t some_place(std::uint64_t length, std::uint64_t alignment);
  std::uint32_t some_access() { return 1 + static_cast<std::uint32_t>(below(3)); }
  std::uint32_t some_id() { return 1 + static_cast<std::uint32_t>(below(4)); }
  const Process& process(const Command& c) const { return model_.process(c.process); }

  const Model& model_;
  std::mt19937_64 random_;
  std::uint32_t last_number_ = 0;
  std::uint32_t begun_ = 0;  // operations that were tried
};

}  // namespace vmmc::testing::random_operations
