#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Compiles every contestant whose library is installed; VMMC's own is built by Bazel.
#
#   build.sh OUT_DIR
#
# One line for each contestant: `built NAME`, `missing NAME: package PACKAGE`, or `failed NAME` after
# the compiler's messages. Ends with 1 if any has failed; a missing library is no failure.
set -u

if [[ $# -ne 1 ]]; then
  echo "build.sh needs one argument: the directory for the programs" >&2
  exit 2
fi
readonly out_dir=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
readonly here root
readonly cxx=${CXX:-g++}
failures=0

# has_header FLAGS HEADER: whether the compiler finds it.
has_header() {
  # shellcheck disable=SC2086  # flags are words
  echo "#include <$2>" | "$cxx" -std=c++20 $1 -E -x c++ - >/dev/null 2>&1
}

# build NAME SOURCE COMPILER FLAGS...
build() {
  local name=$1 source=$2 compiler=$3
  shift 3
  if "$compiler" -std=c++20 -O2 -Wall -Wextra -I "$root" "$here/$source" -o "$out_dir/$name" "$@"; then
    echo "built $name"
  else
    rm -f "$out_dir/$name"
    echo "failed $name"
    failures=$((failures + 1))
  fi
}

# build_with NAME PACKAGE PKG_CONFIG_MODULE
build_with() {
  local name=$1 package=$2 module=$3 flags
  if ! flags=$(pkg-config --cflags --libs "$module" 2>/dev/null); then
    echo "missing $name: package $package"
    return
  fi
  # shellcheck disable=SC2086
  build "$name" "$name.cc" "$cxx" $flags
}

build_iceoryx() {
  local include
  include=$(printf '%s\n' /usr/include/iceoryx/v2* | tail -n 1)
  if ! has_header "-I$include" iceoryx_posh/popo/untyped_publisher.hpp; then
    echo "missing iceoryx: package libiceoryx-posh-dev"
  elif ! has_header "-I$include" iceoryx_hoofs/log/logmanager.hpp; then
    echo "missing iceoryx: package libiceoryx-hoofs-dev"
  elif ! command -v iox-roudi >/dev/null; then
    echo "missing iceoryx: package iceoryx"
  else
    build iceoryx iceoryx.cc "$cxx" -isystem "$include" -liceoryx_posh -liceoryx_hoofs \
      -liceoryx_platform
  fi
}

# build_mpi FLAVOUR DEV_PACKAGE RUN_PACKAGE
build_mpi() {
  local flavour=$1 dev_package=$2 run_package=$3
  if ! command -v "mpicxx.$flavour" >/dev/null; then
    echo "missing $flavour: package $dev_package"
  elif ! command -v "mpirun.$flavour" >/dev/null; then
    echo "missing $flavour: package $run_package"
  else
    build "$flavour" mpi.cc "mpicxx.$flavour" "-DVMMC_COMPARE_MPI=\"$flavour\"" \
      -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX
  fi
}

mkdir -p "$out_dir" || exit 2
for name in floor kernel; do
  build "$name" "$name.cc" "$cxx"
done
if command -v pkg-config >/dev/null; then
  build_with ucx libucx-dev ucx
  build_with libfabric libfabric-dev libfabric
else
  echo "missing ucx: package pkg-config"
  echo "missing libfabric: package pkg-config"
fi
build_iceoryx
if [[ -e $here/mpi.cc ]]; then
  build_mpi openmpi libopenmpi-dev openmpi-bin
  build_mpi mpich libmpich-dev mpich
fi

if ((failures > 0)); then
  echo "$failures contestants failed to compile" >&2
  exit 1
fi
