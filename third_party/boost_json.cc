// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The one place that compiles Boost.JSON, so that no library of it has to be installed.
#include <boost/json/src.hpp>
