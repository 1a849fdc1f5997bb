// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/watch.h"

#include <string>
#include <utility>
#include <vector>

#include "tools/vmmcstat/rates.h"
#include "tools/vmmcstat/screen.h"
#include "tools/vmmcstat/views.h"

namespace vmmc::stat {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// In as many lines as it takes: a key that is not to be seen might as well not be there.
std::vector<std::string> key_help(View shown, std::size_t columns) {
  std::vector<std::string> keys;
  for (const ViewName& each : kViews) {
    const std::string key = std::string(1, each.key) + ":" + each.name;
    keys.push_back(each.view == shown ? "[" + key + "]" : " " + key + " ");
  }
  keys.emplace_back(" q:quit");
  std::vector<std::string> lines{""};
  for (const std::string& key : keys) {
    if (!lines.back().empty() && lines.back().size() + key.size() > columns) lines.emplace_back();
    lines.back() += key;
  }
  return lines;
}

// What is shown, and what it was before.
struct Picture {
  std::optional<json::object> before;
  json::object now;
  View view;
};

void show(const Screen& screen, const Picture& picture) {
  const Screen::Size size = screen.size();
  std::vector<std::string> lines = draw_header(picture.now);
  for (auto& line : key_help(picture.view, size.columns)) lines.push_back(std::move(line));
  lines.push_back("");
  std::optional<json::object> rates;
  if (picture.before) rates = rates_of(*picture.before, picture.now);
  for (auto& line : draw(picture.view, picture.now, rates ? &*rates : nullptr)) {
    lines.push_back(std::move(line));
  }
  screen.show(fit(std::move(lines), size.rows, size.columns));
}

// Answers keys until it is time for the next look. False: somebody has had enough.
bool answer_keys(Screen& screen, Picture& picture, Clock::time_point until) {
  for (;;) {
    const auto left = until - Clock::now();
    if (left <= Clock::duration::zero()) return true;
    const int key = screen.wait(left);
    if (key == Screen::kQuit || key == 'q') return false;
    for (const ViewName& each : kViews) {
      if (key == each.key) picture.view = each.view;
    }
    if (key != Screen::kNothing) show(screen, picture);
  }
}

}  // namespace

std::optional<Failure> watch(NicsimConnection& nicsim, const Options& options) {
  auto first = nicsim.snapshot();
  if (auto* failure = std::get_if<Failure>(&first)) return std::move(*failure);
  Picture picture{std::nullopt, std::move(std::get<json::object>(first)), options.view};
  Screen screen;
  for (;;) {
    show(screen, picture);
    const auto until = Clock::now() + options.interval.value_or(kUsualInterval);
    if (!answer_keys(screen, picture, until)) return std::nullopt;
    auto next = nicsim.snapshot();
    if (auto* failure = std::get_if<Failure>(&next)) return std::move(*failure);
    picture.before = std::exchange(picture.now, std::move(std::get<json::object>(next)));
  }
}

}  // namespace vmmc::stat
