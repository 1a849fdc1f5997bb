// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The main function of every doctest program. What a reader needs goes to the console; a JUnit
// report with one entry per test case goes to $XML_OUTPUT_FILE, which Bazel sets.
// doctest's own "junit" reporter would replace the console's and does not know FAIL messages.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string escape_xml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < ' ' && c != '\n' ? '?' : c;
    }
  }
  return escaped;
}

class JunitFile : public doctest::IReporter {
 public:
  explicit JunitFile(const doctest::ContextOptions&) {
    if (const char* path = std::getenv("XML_OUTPUT_FILE")) path_ = path;
  }

  void test_case_start(const doctest::TestCaseData& data) override {
    cases_.push_back({data.m_file.c_str(), data.m_name, 0, false, {}});
  }

  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    cases_.back().seconds = stats.seconds;
    cases_.back().failed = !stats.testCaseSuccess;
  }

  void log_assert(const doctest::AssertData& data) override {
    if (!data.m_failed) return;
    std::string what = doctest::assertString(data.m_at);
    what += std::string("( ") + data.m_expr + " ) is NOT correct: ";
    what += (data.m_threw ? data.m_exception : data.m_decomp).c_str();
    add_failure(data.m_file, data.m_line, what);
  }

  void log_message(const doctest::MessageData& data) override {
    if (data.m_severity == doctest::assertType::is_warn) return;
    add_failure(data.m_file, data.m_line, data.m_string.c_str());
  }

  void test_case_exception(const doctest::TestCaseException& error) override {
    const Case& current = cases_.back();
    add_failure(current.file.c_str(), 0, error.error_string.c_str());
  }

  // Called after a crash as well, in the process that crashes: a forked child must not report.
  void test_run_end(const doctest::TestRunStats&) override {
    if (!path_.empty() && ::getpid() == owner_) write();
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  struct Case {
    std::string file;
    std::string name;
    double seconds;
    bool failed;
    std::string failures;
  };

  void add_failure(const char* file, int line, const std::string& what) {
    const std::lock_guard lock(mutex_);
    cases_.back().failures += std::string(file) + ":" + std::to_string(line) + ": " + what + "\n";
  }

  void write() const {
    std::size_t failed = 0;
    for (const Case& one : cases_) failed += one.failed ? 1 : 0;
    std::ofstream out(path_);
    out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"doctest\""
        << " tests=\"" << cases_.size() << "\" failures=\"" << failed << "\">\n";
    for (const Case& one : cases_) {
      out << "<testcase classname=\"" << escape_xml(one.file) << "\" name=\""
          << escape_xml(one.name) << "\" time=\"" << one.seconds << "\">\n";
      if (one.failed) out << "<failure>" << escape_xml(one.failures) << "</failure>\n";
      out << "</testcase>\n";
    }
    out << "</testsuite>\n</testsuites>\n";
  }

  const pid_t owner_ = ::getpid();
  std::string path_;
  std::vector<Case> cases_;
  std::mutex mutex_;
};

DOCTEST_REGISTER_LISTENER("junit_file", 1, JunitFile);

}  // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  if (const char* filter = std::getenv("TESTBRIDGE_TEST_ONLY")) {
    context.addFilter("test-case", filter);
  }
  return context.run();
}
