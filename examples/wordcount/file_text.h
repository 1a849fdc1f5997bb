// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A file's content, mapped for reading. Every process of the job maps the same file and reads its
// own share.
#pragma once

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace examples::wordcount {

class FileText {
 public:
  // Ends the program with a sentence if the file cannot be read. A file of no bytes counts as one
  // that cannot.
  explicit FileText(const std::string& path) {
    namespace ipc = boost::interprocess;
    try {
      region_ = ipc::mapped_region(ipc::file_mapping(path.c_str(), ipc::read_only), ipc::read_only);
    } catch (const ipc::interprocess_exception& error) {
      std::fprintf(stderr, "wordcount: cannot map %s: %s\n", path.c_str(), error.what());
      std::exit(1);
    }
  }

  std::string_view text() const {
    return {static_cast<const char*>(region_.get_address()), region_.get_size()};
  }

 private:
  boost::interprocess::mapped_region region_;
};

}  // namespace examples::wordcount
