#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
# make_screenshots.sh [NAME...]: takes the pictures of docs/lab.md anew (all, or lab-04 and so on) of a real nicsim, into docs/images.
set -euo pipefail
cd "$(dirname "$0")/../.."

bazel build //lab/actor //nicsim/web:nicsim //tools/vmmcstat
bin=$(bazel info bazel-bin)
[ -d lab/browser/node_modules/playwright-core ] || npm ci --prefix lab/browser
taken=$(mktemp -d)
trap 'rm -rf "$taken"' EXIT
LAB_NICSIM=$bin/nicsim/web/nicsim LAB_ACTOR=$bin/lab/actor/actor LAB_VMMCSTAT=$bin/tools/vmmcstat/vmmcstat \
  node lab/browser/screenshots.mjs "$taken" "$@"
python3 lab/browser/palette_png.py "$taken"/*.png
mkdir -p docs/images
mv "$taken"/*.png docs/images/
