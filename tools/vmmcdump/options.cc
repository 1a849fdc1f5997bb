// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <vector>

#include "nicsim/wire/version.h"
#include "tools/vmmcdump/exit_code.h"

namespace vmmc::dump {
namespace {

constexpr std::uint32_t kLongestSnap = 262'144;
constexpr std::uint32_t kMostBlocks = 4096;
constexpr std::uint32_t kPage = 4096;
constexpr std::uint32_t kMostBlockBytes = 16u << 20;
constexpr std::uint64_t kMostRingBytes = std::uint64_t{1} << 30;
constexpr std::uint32_t kHeaders = 96;  // of a block and of a frame

EarlyExit usage_error(const std::string& what) {
  return {kExitUsage, "vmmcdump: " + what + "\nTry 'vmmcdump --help'.\n"};
}

struct Given {
  Options options;
  std::string interface;
  std::string file;
  std::string join;
  bool backplane = false;
  bool recorded_speed = false;
  bool mirror = false;
  bool by_flow = false;
  bool version = false;
  std::vector<std::string> words;
};

struct CommandLine {
  CLI::App app{"Captures frames, read in place from a receive ring.", "vmmcdump"};
  CLI::Option* interface = nullptr;
  CLI::Option* file = nullptr;
  CLI::Option* join = nullptr;
  CLI::Option* node = nullptr;
  CLI::Option* blocks = nullptr;
  CLI::Option* block_size = nullptr;
  CLI::Option* snap = nullptr;
  CLI::Option* id = nullptr;
  CLI::Option* output = nullptr;
};

void add_sources(CommandLine& line, Given& given) {
  CLI::App& app = line.app;
  line.interface = app.add_option("-i,--interface", given.interface,
                                  "Capture from this interface; any: from all of them")
                       ->option_text("IFACE");
  line.file = app.add_option("-r,--read", given.file,
                             "Replay this pcap or pcapng file; -: standard input, if it is a file")
                  ->option_text("FILE");
  app.add_flag("--recorded-speed", given.recorded_speed,
               "As the file's time stamps say; else as fast as possible");
  app.add_flag("--backplane", given.backplane, "Capture the packets of a VMMC machine");
  line.node = app.add_option("--node", given.options.node, "Only what leaves or reaches this node")
                  ->option_text("N");
  line.join = app.add_option("--join", given.join, "Join the ring that another process has opened")
                  ->option_text("NODE:PROCESS:ID");
  app.add_option("--socket", given.options.socket,
                 "The nicsim to use: a path, or @name; default $VMMC_SOCKET, else the user's own")
      ->option_text("NAME");
}

void add_ring(CommandLine& line, Given& given) {
  CLI::App& app = line.app;
  vmmc_ring_options& ring = given.options.ring_options;
  line.snap = app.add_option("-s,--snap-length", ring.snap_length,
                             "Bytes to keep of a frame; default 65536")
                  ->option_text("BYTES")
                  ->check(CLI::Range(std::uint32_t{1}, kLongestSnap));
  line.blocks = app.add_option("--blocks", ring.blocks, "Blocks of the ring; default 64")
                    ->option_text("N")
                    ->check(CLI::Range(std::uint32_t{2}, kMostBlocks));
  line.block_size = app.add_option("--block-size", ring.block_bytes,
                                   "Bytes of a block, a multiple of 4096; default 262144")
                        ->option_text("BYTES")
                        ->check(CLI::Range(kPage, kMostBlockBytes));
  app.add_flag("--mirror", given.mirror,
               "Who joins the ring gets every frame; else each goes to one");
  app.add_flag("--by-flow", given.by_flow,
               "The frames of a flow go to the same of those who have joined");
  line.id =
      app.add_option("--id", given.options.ring, "The ring's number, for those who join; default 1")
          ->option_text("ID");
}

void add_output(CommandLine& line, Given& given) {
  CLI::App& app = line.app;
  line.output = app.add_option("-w,--write", given.options.output,
                               "Write pcapng to this file; -: standard output")
                    ->option_text("FILE");
  app.add_flag("--overwrite", given.options.overwrite, "Even if FILE exists and is not empty");
  app.add_option("-c,--count", given.options.count, "End after so many frames")
      ->option_text("COUNT")
      ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX - 1));
  app.add_flag("-q,--quiet", given.options.quiet, "No line for each frame, no live figures");
  app.add_flag("-x,--hex", given.options.hex, "The bytes of each frame, too");
  app.add_flag("--version", given.version, "Print the version and exit");
  app.add_option("FILTER", given.words, "A filter expression as of tcpdump; see pcap-filter(7)");
}

bool number_from(std::string_view text, std::uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_join(const std::string& text, Options& options) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  if (second == std::string::npos) return false;
  const std::string_view view = text;
  return number_from(view.substr(0, first), options.opener.node) &&
         number_from(view.substr(first + 1, second - first - 1), options.opener.process) &&
         number_from(view.substr(second + 1), options.ring);
}

// "": all is well.
std::string check_source(const CommandLine& line, Given& given) {
  Options& options = given.options;
  const int sources = static_cast<int>(!line.interface->empty()) + !line.file->empty() +
                      !line.join->empty() + given.backplane;
  if (sources == 0) return "what is to be captured? -i, -r, --backplane or --join";
  if (sources > 1) return "only one of -i, -r, --backplane and --join";
  if (!line.node->empty() && !given.backplane) return "--node goes with --backplane only";
  if (given.recorded_speed && line.file->empty()) return "--recorded-speed goes with -r only";
  if (!line.interface->empty()) {
    if (given.interface.empty()) return "-i: an empty name";
    options.source = Source::kInterface;
    options.name = given.interface == "any" ? "" : given.interface;
  } else if (!line.file->empty()) {
    if (given.file.empty()) return "-r: an empty name";
    options.source = Source::kFile;
    options.name = given.file;
  } else if (given.backplane) {
    options.source = Source::kBackplane;
  } else {
    options.source = Source::kJoin;
    if (!parse_join(given.join, options))
      return "--join: \"" + given.join + "\" is not NODE:PROCESS:ID";
  }
  return {};
}

std::string check_ring(const CommandLine& line, Given& given) {
  vmmc_ring_options& ring = given.options.ring_options;
  const bool given_any = !line.snap->empty() || !line.blocks->empty() ||
                         !line.block_size->empty() || !line.id->empty() || given.mirror ||
                         given.by_flow;
  if (given.options.source == Source::kJoin && given_any) {
    return "the ring that is joined is as its opener made it: leave out its options";
  }
  if (given.mirror && given.by_flow)
    return "--mirror gives every frame to all: leave out --by-flow";
  if (ring.block_bytes % kPage != 0) return "--block-size: not a multiple of 4096";
  if (ring.snap_length + kHeaders > ring.block_bytes) {
    if (!line.block_size->empty())
      return "--block-size: too small for one frame of the snap length";
    ring.block_bytes = (ring.snap_length + kHeaders + kPage - 1) / kPage * kPage;
  }
  if (std::uint64_t{ring.blocks} * ring.block_bytes > kMostRingBytes) {
    return "the ring would have more than 1 GiB";
  }
  ring.sharing = given.mirror ? VMMC_RING_MIRRORED : VMMC_RING_EXCLUSIVE;
  ring.spread = given.by_flow ? VMMC_RING_BY_FLOW : VMMC_RING_BY_BLOCK;
  ring.pace = given.recorded_speed ? VMMC_RING_RECORDED_SPEED : VMMC_RING_FULL_SPEED;
  return {};
}

std::variant<Options, EarlyExit> check(const CommandLine& line, Given given) {
  Options& options = given.options;
  if (const std::string wrong = check_source(line, given); !wrong.empty())
    return usage_error(wrong);
  if (const std::string wrong = check_ring(line, given); !wrong.empty()) return usage_error(wrong);
  if (!line.output->empty() && options.output.empty()) return usage_error("-w: an empty name");
  if (options.overwrite && options.output.empty())
    return usage_error("--overwrite goes with -w only");
  if (options.hex && !options.prints_frames()) return usage_error("-x goes with neither -w nor -q");
  for (const std::string& word : given.words) {
    if (!options.filter.empty()) options.filter += ' ';
    options.filter += word;
  }
  return options;
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
  Given given;
  CommandLine line;
  add_sources(line, given);
  add_ring(line, given);
  add_output(line, given);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, line.app.help()};
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (given.version) return EarlyExit{0, "vmmcdump " VMMC_VERSION_STRING "\n"};
  return check(line, std::move(given));
}

}  // namespace vmmc::dump
