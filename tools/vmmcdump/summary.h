// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One line for a frame. A frame is whatever somebody sent: every length in it is checked against what is here, and
// what is not here is never looked at. A line of a frame that ends too early says "cut" at its end.
//
// Threads: any.
#pragma once

#include <string>

#include "tools/vmmcdump/byte_cursor.h"
#include "tools/vmmcdump/frame_bytes.h"

namespace vmmc::dump {

// Appends "12:34:56.000000789 10.0.0.1:4000 > 10.0.0.2:80 TCP [S] seq 1 win 1024 length 0" and an end of line; the
// time is UTC.
void append_summary(std::string& to, const WholeFrame& frame);

// Appends the bytes, 16 in a line, as hexadecimal digits and as letters.
void append_hex(std::string& to, const WholeFrame& frame);

// Parts of append_summary, each for what its cursor stands at. They append no end of line.
void append_ethernet(std::string& to, ByteCursor frame, std::uint32_t length);
void append_ip(std::string& to, ByteCursor packet);         // of either version
void append_backplane(std::string& to, ByteCursor packet);  // docs/format.md has its header

}  // namespace vmmc::dump
