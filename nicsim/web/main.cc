// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/run_nicsim.h"
#include "nicsim/web/web_extension.h"

int main(int argc, char** argv) {
  vmmc::nicsim::web::WebExtension extension;
  return extension.restart_if_wanted(vmmc::nicsim::run_nicsim(argc, argv, &extension));
}
