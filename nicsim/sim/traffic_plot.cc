// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/traffic_plot.h"

#include <algorithm>
#include <cstdio>

namespace vmmc::nicsim::sim {
namespace {

constexpr double kWidth = 640;
constexpr double kPanelHeight = 220;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kTop = 40;
constexpr double kGap = 50;
constexpr int kTicks = 5;

using Value = double (*)(const TrafficPoint&);

struct Line {
  const char* name;
  const char* colour;
  Value value;
};

std::string format(const char* pattern, auto... values) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

// One above the other.
class Panel {
 public:
  Panel(std::span<const TrafficPoint> points, std::span<const Line> lines, double top)
      : points_(points), lines_(lines), top_(top) {
    for (const TrafficPoint& point : points) {
      most_offered_ = std::max(most_offered_, point.offered);
      for (const Line& line : lines) most_ = std::max(most_, line.value(point));
    }
    if (most_ == 0) most_ = 1;
  }

  std::string draw(const char* unit) const {
    std::string text = axes(unit);
    double name_at = kLeft + 10;
    for (const Line& line : lines_) {
      text += format("<polyline fill='none' stroke='%s' stroke-width='2' points='", line.colour);
      for (const TrafficPoint& point : points_) {
        text += format("%.1f,%.1f ", x(point.offered), y(line.value(point)));
      }
      text += "'/>\n";
      text += format("<text x='%.0f' y='%.0f' fill='%s'>%s</text>\n", name_at, top_ + 14,
                     line.colour, line.name);
      name_at += 150;
    }
    return text;
  }

 private:
  double x(double offered) const {
    return kLeft + offered / most_offered_ * (kWidth - kLeft - kRight);
  }
  double y(double value) const { return top_ + kPanelHeight * (1 - value / most_); }

  std::string axes(const char* unit) const {
    std::string text = format("<text x='10' y='%.0f'>%s</text>\n", top_ - 8, unit);
    for (int i = 0; i <= kTicks; ++i) {
      const double value = most_ * i / kTicks;
      const double offered = most_offered_ * i / kTicks;
      text += format("<line x1='%.0f' x2='%.0f' y1='%.1f' y2='%.1f' stroke='#ddd'/>\n", kLeft,
                     kWidth - kRight, y(value), y(value));
      text += format("<text x='%.0f' y='%.1f' text-anchor='end'>%.4g</text>\n", kLeft - 6,
                     y(value) + 4, value);
      text += format("<text x='%.1f' y='%.0f' text-anchor='middle'>%.3g</text>\n", x(offered),
                     top_ + kPanelHeight + 18, offered);
    }
    return text;
  }

  std::span<const TrafficPoint> points_;
  std::span<const Line> lines_;
  const double top_;
  double most_offered_ = 0;
  double most_ = 0;
};

}  // namespace

std::string plot_traffic(std::span<const TrafficPoint> points, const std::string& title,
                         const std::string& offered) {
  static constexpr Line kLatencies[] = {
      {"median", "#1f77b4", [](const TrafficPoint& r) { return r.latency_p50_ns; }},
      {"99 of 100", "#d62728", [](const TrafficPoint& r) { return r.latency_p99_ns; }}};
  static constexpr Line kThroughputs[] = {
      {"each node, average", "#2ca02c", [](const TrafficPoint& r) { return r.node_mb_per_s; }}};
  const double second = kTop + kPanelHeight + kGap + 20;
  const double height = second + kPanelHeight + kGap;
  std::string text = format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%.0f' "
      "font-family='sans-serif' font-size='12'>\n<rect width='100%%' height='100%%' "
      "fill='white'/>\n",
      kWidth, height);
  text += "<text x='" + std::to_string(static_cast<int>(kLeft)) + "' y='16' font-size='14'>" +
          escaped(title) + "</text>\n";
  text += Panel(points, kLatencies, kTop).draw("latency, ns");
  text += Panel(points, kThroughputs, second).draw("MB/s");
  text += format("<text x='%.0f' y='%.0f' text-anchor='middle'>%s</text>\n", kWidth / 2, height - 8,
                 escaped(offered).c_str());
  return text + "</svg>\n";
}

}  // namespace vmmc::nicsim::sim
