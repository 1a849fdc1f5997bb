// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

namespace vmmc::figures {

namespace {

constexpr std::array kColours = {"#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00",
                                 "#56B4E9", "#000000", "#666666", "#999999", "#F0E442"};
constexpr double kWidth = 960;
constexpr double kLeft = 80;
constexpr double kTop = 50;

const char* colour(std::size_t index) { return kColours[index % kColours.size()]; }

std::string number(double value, const char* format = "%.2f") {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

bool drawable(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

class Canvas {
 public:
  Canvas(double width, double height, const std::string& title) {
    text_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(width, "%.0f") +
            "\" height=\"" + number(height, "%.0f") +
            "\" font-family=\"sans-serif\" font-size=\"14\">\n" + "<title>" + escaped(title) +
            "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    label(width / 2, 26, title, "middle", "font-size=\"18\"");
  }

  void label(double x, double y, const std::string& what, const char* anchor,
             const std::string& more = "") {
    text_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor +
             "\" " + more + ">" + escaped(what) + "</text>\n";
  }
  void line(double x1, double y1, double x2, double y2, const char* stroke) {
    text_ += "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
             "\" y2=\"" + number(y2) + "\" stroke=\"" + stroke + "\"/>\n";
  }
  void rectangle(double x, double y, double width, double height, const char* fill) {
    text_ += "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) +
             "\" height=\"" + number(height) + "\" fill=\"" + fill + "\"/>\n";
  }
  void path(const std::vector<std::pair<double, double>>& points, const char* stroke) {
    text_ += "<polyline fill=\"none\" stroke-width=\"2.5\" stroke=\"" + std::string(stroke) +
             "\" points=\"";
    for (const auto& [x, y] : points) text_ += number(x) + "," + number(y) + " ";
    text_ += "\"/>\n";
    for (const auto& [x, y] : points) {
      text_ += "<circle r=\"3.5\" cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" fill=\"" +
               stroke + "\"/>\n";
    }
  }
  std::string end() { return text_ + "</svg>\n"; }

 private:
  std::string text_;
};

// A step of 1, 2 or 5 times a power of ten, of which about six make `range`.
double round_step(double range) {
  const double power = std::pow(10, std::floor(std::log10(range / 6)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (range / (power * factor) <= 7) return power * factor;
  }
  return power * 10;
}

void legend(Canvas& canvas, double x, double y, std::size_t index, const std::string& name) {
  canvas.rectangle(x, y + 22.0 * static_cast<double>(index) - 10, 14, 10, colour(index));
  canvas.label(x + 20, y + 22.0 * static_cast<double>(index), name, "start");
}

}  // namespace

namespace {

// Where the points of a line plot stand.
class Frame {
 public:
  static constexpr double kHeight = 480;
  static constexpr double kRight = 660;
  static constexpr double kBottom = kHeight - 60;

  explicit Frame(const LinePlot& plot) : logarithmic_(plot.logarithmic_x) {
    for (const Line& line : plot.lines) {
      for (const auto& point : line.points) {
        if (!drawable(point)) continue;
        all_x_.insert(point.first);
        top_ = std::max(top_, point.second);
      }
    }
    if (all_x_.empty()) all_x_.insert(1);  // axes without anything
    first_ = scaled(*all_x_.begin());
    range_ = std::max(scaled(*all_x_.rbegin()) - first_, 1e-9);
    step_ = round_step(std::max(top_, 1e-9));
    top_ = std::max(std::ceil(top_ / step_), 1.0) * step_;
  }

  double x(double value) const {
    return kLeft + (scaled(value) - first_) / range_ * (kRight - kLeft);
  }
  double y(double value) const { return kBottom - value / top_ * (kBottom - kTop); }

  void draw(Canvas& canvas) const {
    for (double value = 0; value <= top_ + step_ / 2; value += step_) {
      canvas.line(kLeft, y(value), kRight, y(value), "#dddddd");
      canvas.label(kLeft - 8, y(value) + 5, number(value, "%g"), "end");
    }
    double last_label = -100;
    for (const double value : all_x_) {
      if (x(value) - last_label < 45) continue;  // they would overlap
      last_label = x(value);
      canvas.label(last_label, kBottom + 20, number(value, "%g"), "middle");
    }
    canvas.line(kLeft, kBottom, kRight, kBottom, "black");
    canvas.line(kLeft, kTop, kLeft, kBottom, "black");
  }

 private:
  double scaled(double value) const { return logarithmic_ ? std::log2(value) : value; }

  bool logarithmic_;
  std::set<double> all_x_;
  double first_;
  double range_;
  double step_;
  double top_ = 0;
};

}  // namespace

std::string svg(const LinePlot& plot) {
  const Frame frame(plot);
  Canvas canvas(kWidth, Frame::kHeight, plot.title);
  frame.draw(canvas);
  canvas.label((kLeft + Frame::kRight) / 2, Frame::kHeight - 14, plot.x_label, "middle");
  const double middle = (kTop + Frame::kBottom) / 2;
  canvas.label(24, middle, plot.y_label, "middle",
               "transform=\"rotate(-90 24 " + number(middle) + ")\"");
  for (std::size_t i = 0; i < plot.lines.size(); ++i) {
    std::vector<std::pair<double, double>> places;
    for (const auto& point : plot.lines[i].points) {
      if (drawable(point)) places.emplace_back(frame.x(point.first), frame.y(point.second));
    }
    canvas.path(places, colour(i));
    legend(canvas, Frame::kRight + 16, kTop + 10, i, plot.lines[i].name);
  }
  return canvas.end();
}

std::string svg(const BarPlot& plot) {
  constexpr double kBar = 12;
  constexpr double kLeast = 180;  // a bar to the left ends here
  constexpr double kZeroAt = 260;
  constexpr double kRight = 600;
  const double group = kBar * static_cast<double>(plot.bars.size()) + 14;
  const double height = kTop + group * static_cast<double>(plot.groups.size()) + 60;
  double greatest = 0;
  for (const auto& [name, values] : plot.bars) {
    for (const double value : values) {
      if (std::isfinite(value)) greatest = std::max(greatest, std::abs(value));
    }
  }
  greatest = std::clamp(greatest, 1e-9, plot.limit);
  const double scale = (kRight - kZeroAt) / greatest;
  Canvas canvas(kWidth, height, plot.title);
  for (std::size_t g = 0; g < plot.groups.size(); ++g) {
    const double top = kTop + group * static_cast<double>(g);
    canvas.label(20, top + group / 2, plot.groups[g], "start");
    for (std::size_t b = 0; b < plot.bars.size(); ++b) {
      const double value = plot.bars[b].second[g];
      const double y = top + kBar * static_cast<double>(b);
      if (!std::isfinite(value)) {
        canvas.label(kZeroAt + 4, y + kBar - 2, "-", "start", "font-size=\"10\"");
        continue;
      }
      const double end = kZeroAt + std::clamp(value, -greatest, greatest) * scale;
      const double from = std::clamp(end, kLeast, kZeroAt);
      canvas.rectangle(from, y, std::max(end, kZeroAt) - from, kBar - 2, colour(b));
      canvas.label(std::max(end, kZeroAt) + 4, y + kBar - 2, number(value, "%+.1f"), "start",
                   "font-size=\"10\"");
    }
  }
  canvas.line(kZeroAt, kTop, kZeroAt, height - 50, "black");
  canvas.label((kZeroAt + kRight) / 2, height - 20, plot.label, "middle");
  for (std::size_t b = 0; b < plot.bars.size(); ++b)
    legend(canvas, kRight + 80, kTop + 10, b, plot.bars[b].first);
  return canvas.end();
}

}  // namespace vmmc::figures
