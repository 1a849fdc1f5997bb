# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# Reads histories, sorted by key and then by falling version:
#
#   sort -k1,1n -k2,2nr HISTORY... | awk -v killed=CLIENT -f linearizable.awk
#
# A version is made by one change, seen only after that began, with that change's value; and nothing that
# began when a newer version had been seen or made saw or made an older one. With this the versions of a key are an
# order of all operations on it that agrees with the clock. `killed` is a client whose last changes may be missing, or none;
# a deletion does not say whose it was.

BEGIN { key = "none" }

function fault(what) {
  printf "key %s, version %s: %s\n", key, version, what
  ++faults
}

# All operations of one version have been read.
function close_version() {
  if (NR == 1) return
  if (changes > 1) fault("made by " changes " changes")
  if (changes == 0 && writer != killed && !(writer == "-" && killed != "none")) fault("made by nobody")
  if (changes > 0 && first_end < change_start) fault("seen before it was made")
  if (first_end < newer_end) newer_end = first_end
}

$1 != key || $2 != version {
  close_version()
  if ($1 != key) newer_end = 1e300
  key = $1; version = $2; writer = $4; number = $5
  changes = 0; first_end = 1e300
  ++versions
}

{
  if (NF != 7) fault("no line of a history: " $0)
  if ($4 != writer || $5 != number) fault("has two values: " writer "/" number " and " $4 "/" $5)
  if ($3 != "get") { ++changes; change_start = $6 }
  if ($6 > newer_end) fault("seen or made after a newer one")
  if ($7 < first_end) first_end = $7
}

END {
  ++NR
  close_version()
  if (faults > 0) exit 1
  printf "linearizable: %d operations, %d versions\n", NR - 1, versions
}
