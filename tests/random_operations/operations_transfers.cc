// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <algorithm>
#include <iterator>

#include "tests/random_operations/operations.h"

namespace vmmc::testing::random_operations {
namespace {

bool one_area(std::uint64_t offset, std::uint64_t length) {
  return offset >= kPrivateBytes ? offset + length <= kArenaBytes
                                 : offset + length <= kPrivateBytes;
}

}  // namespace

// ---- transfers

Generator::Made Generator::make_transfer(Command c) {
  for (int i = 0; i < 4; ++i) {
    if (!pick_import(c)) continue;
    const Made made = shape_transfer(c, process(c).imports.at(c.handle));
    if (made && !reaches_another_proxy(*made)) return made;
  }
  return {};
}

Generator::Made Generator::shape_transfer(Command c, const Import& import) {
  const Export& target = *import.target;
  c.length = some_length(target.length);
  c.remote = below(target.length - c.length + 1);
  c.operand = random_();
  if (one_in(30)) c.remote = target.length - c.length + 1 + below(100);
  if (c.verb == Verb::kGather) {
    c.count = 1 + static_cast<std::uint32_t>(below(5));
    c.local_stride = below(50);
  } else if (c.verb == Verb::kStrided) {
    c.count = 1 + static_cast<std::uint32_t>(below(6));
    c.length = 1 + below(std::max<std::uint64_t>(target.length / c.count / 2, 1));
    c.local_stride = c.length + below(60);
    c.remote_stride = c.length + (one_in(3) ? 0 : below(60));
    c.remote = below(std::max<std::uint64_t>(target.length / 2, 1));
  } else if (one_in(60)) {
    c.length = 0;
  }
  return place_apart(c, target) ? Made{c} : Made{};
}

// The addresses of an import that was given up may be another's by now.
bool Generator::reaches_another_proxy(const Command& c) const {
  const Import& import = process(c).imports.at(c.handle);
  if (import.held) return false;
  const std::uint64_t address = import.proxy + c.remote;
  for (const auto& [handle, other] : process(c).imports) {
    if (!other.held) continue;
    if (overlap(other.proxy / kPage * kPage, other.target->length + 2 * kPage, address, 1)) {
      return true;
    }
  }
  return false;
}

Generator::Made Generator::make_atomic(Command c) {
  if (!pick_import(c)) return {};
  const Export& target = *process(c).imports.at(c.handle).target;
  c.width = one_in(2) ? 4 : 8;
  c.kind = static_cast<std::uint32_t>(below(3));
  c.operand = random_();
  c.remote = below(target.length);
  if (!one_in(10)) {
    c.remote += (c.width - (target.offset + c.remote) % c.width) % c.width;
    if (c.remote + c.width > target.length && !one_in(10)) return {};
  }
  // Half of the comparisons are with the word that is there.
  const Bytes& memory = model_.process(target.owner).memory;
  const std::uint64_t at = target.offset + c.remote;
  if (one_in(2) || at + c.width > kArenaBytes) {
    c.expected = random_();
  } else {
    for (std::uint64_t i = c.width; i-- > 0;) c.expected = c.expected << 8 | memory[at + i];
  }
  return reaches_another_proxy(c) ? Made{} : Made{c};
}

// ---- redirection, registration

Generator::Made Generator::make_redirect(Command c) {
  const Made chosen = with_buffer(c);
  if (!chosen) return {};
  c = *chosen;
  const ExportPointer buffer = model_.find_export(c.process, c.buffer_id);
  if ((buffer == nullptr || !buffer->redirectable) && !one_in(60)) return {};
  const std::uint64_t most = buffer == nullptr ? 100 : buffer->length;
  c.length = one_in(40) ? 0 : some_length(most);
  c.remote = below(most - c.length + (one_in(20) ? 50 : 1));
  for (int i = 0; i < 8; ++i) {
    c.offset = some_place(c.length, 1);
    if (is_free(c.process, c.offset, c.length)) return c;
  }
  return {};
}

Generator::Made Generator::make_end_redirection(Command c) {
  const Made chosen = with_buffer(c);
  if (!chosen) return {};
  c = *chosen;
  const ExportPointer buffer = model_.find_export(c.process, c.buffer_id);
  c.remote = below(50);
  if (buffer != nullptr && !buffer->redirections.empty()) {
    c.remote = buffer->redirections.begin()->first;
  } else if (!one_in(20)) {
    return {};
  }
  return c;
}

Generator::Made Generator::make_register(Command c) {
  const auto& known = process(c).registrations;
  if (known.size() >= 2 && c.verb == Verb::kRegister && !one_in(10)) return {};
  if (c.verb == Verb::kUnregister) {
    if (known.empty() && !one_in(10)) return {};
    c.offset = known.empty() ? 8 : known.begin()->first;  // 8: of none
    return c;
  }
  c.length = one_in(30) ? 0 : 1 + below(100'000);
  c.offset = below(kPrivateBytes - c.length);
  return c;
}

// ---- automatic update

Generator::Made Generator::make_bind(Command c) {
  if (!pick_import(c)) return {};
  const Import& import = process(c).imports.at(c.handle);
  const Export& target = *import.target;
  if (target.owner == c.process || !import.held) return {};
  c.number = ++last_number_;
  c.remote = (kPage - target.offset % kPage) % kPage;
  c.length = kPage * (one_in(40) ? 0 : 1 + below(2));
  if (c.remote + c.length > target.length && !one_in(20)) return {};
  if (one_in(30)) c.remote += 1 + below(8);
  c.offset = some_place(std::max(c.length, kPage), one_in(40) ? 8 : kPage);
  if (!one_area(c.offset, c.length)) return {};
  constexpr std::uint32_t kCaptures[] = {VMMC_CAPTURE_AUTO, VMMC_CAPTURE_TRAP, VMMC_CAPTURE_TYPED};
  c.kind = kCaptures[below(3)];
  c.combining = static_cast<std::uint32_t>(below(4));
  c.flag = one_in(5) ? 1 : 0;
  return c;
}

Generator::Made Generator::make_unbind(Command c) {
  const auto& bindings = process(c).bindings;
  if (bindings.empty()) return {};
  c.number = std::next(bindings.begin(), static_cast<long>(below(bindings.size())))->first;
  return c;
}

Generator::Made Generator::make_store(Command c) {
  const auto& bindings = process(c).bindings;
  if (bindings.empty() && !one_in(10)) return {};
  c.operand = random_();
  constexpr std::uint32_t kWidths[] = {1, 2, 4, 8, 0};
  c.width = kWidths[below(std::size(kWidths))];
  c.length = c.width == 0 ? some_length(kPage) : c.width;
  c.offset = some_place(c.length, 1);
  if (!bindings.empty() && !one_in(10)) {
    const auto& [number, pages] =
        *std::next(bindings.begin(), static_cast<long>(below(bindings.size())));
    c.offset = pages.offset + below(pages.length - c.length + 1);
    if (one_in(2)) {
      c.number = number;
    } else if (one_in(4)) {
      c.offset = pages.offset + below(pages.length);  // may go on behind the bound pages
    }
  }
  const bool notifies = std::any_of(bindings.begin(), bindings.end(), [&](const auto& each) {
    return each.second.notify &&
           overlap(each.second.offset, each.second.length, c.offset, c.length);
  });
  if (notifies) c.width = 4, c.length = 4;
  if (c.width != 0 && (c.number != 0 || notifies)) c.offset -= c.offset % c.width;
  return one_area(c.offset, c.length) ? Made{c} : Made{};
}

}  // namespace vmmc::testing::random_operations
