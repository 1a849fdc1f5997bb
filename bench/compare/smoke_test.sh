#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# The comparison with contestants that measure nothing, and VMMC's own contestant for real. Needs neither the peers nor
# Matplotlib, and says nothing about speed. Arguments: NICSIM VMMC COMPARE FAKE PACKAGES.
set -eu
export VMMC_NICSIM="$PWD/$1"
vmmc="$PWD/$2" compare="$PWD/$3" fake="$PWD/$4" packages="$PWD/$5"
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/compare.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/peers/contestants"

# expect TEXT FILE: a line that contains it.
expect() {
  if ! grep -qF -- "$1" "$2"; then
    printf 'expected: %s\ngot:\n' "$1" >&2
    cat "$2" >&2
    exit 1
  fi
}

cp "$fake" "$work/vmmc"
chmod +x "$work/vmmc"
cat > "$work/peers/contestants/build.sh" << END
#!/bin/bash
for name in half drift broken liar careful sleeper; do
  cp "$fake" "\$1/\$name" && chmod +x "\$1/\$name" && echo "built \$name"
done
echo "missing absent: package libabsent-dev"
echo "failed crooked"
END
chmod +x "$work/peers/contestants/build.sh"
run=(python3 "$compare" --contestants "$work/peers/contestants" --packages "$packages" "--cpus=0,0")

"${run[@]}" --quick --rounds 3 --patience 6 --vmmc "$work/vmmc" --seed 7 --out "$work/out" > "$work/log"
table="$work/out/compare.md"
expect 'Missing: absent: not installed: package libabsent-dev' "$work/log"
expect 'seed of the order 7' "$work/log"
expect '| absent | MISSING: not installed: package libabsent-dev' "$table"
expect '| crooked | MISSING: it does not compile' "$table"
expect '| broken-send | failed | failed |' "$table"
expect 'status 1: the wheel came off |' "$table"
expect '| liar-send | failed |' "$table"
expect 'it did not check the payloads |' "$table"
expect '| careful-send | refused |' "$table"
expect 'the peer says no |' "$table"
expect '| careful-send | cannot | rate 8 B | no such measure here |' "$table"
expect '| sleeper-send | timeout | wakeup 8 B | no answer in 6.0 s |' "$table"

# Ratios to the digit: 1500 / 3000, and 1500 through 1000, 2000, 4000 in three rounds.
latency=$(sed -n '/^### Latency by size: vmmc-send/,/^## Bandwidth/p' "$table")
expect '| half-send | ▲ 0.500 (0.500 – 0.500) |' /dev/stdin <<< "$latency"
expect '| drift-send | ≈ 0.750 (0.375 – 1.50) |' /dev/stdin <<< "$latency"
expect '| sleeper-send | ▼ 1.50 (1.50 – 1.50) |' /dev/stdin <<< "$latency"
bandwidth=$(sed -n '/^### Bandwidth by size: vmmc-send/,/^## Message/p' "$table")
expect '| half-send | ▲ 2.00 (2.00 – 2.00) |' /dev/stdin <<< "$bandwidth"
expect '| drift-send | 2.00 µs (1.00 µs – 4.00 µs) |' "$table"

# Everything that was asked for is in the JSON: 7 contestants, 7 cases, 3 rounds.
python3 - "$work/out/compare.json" << 'END'
import collections, json, sys
found = json.load(open(sys.argv[1], encoding="utf-8"))
assert len(found["rounds"]) == 3 and len(found["cases"]) == 7 and len(found["variants"]) == 7, found["cases"]
for held in found["rounds"]:
    keys = collections.Counter((r["contestant"], r["measure"], r["bytes"], r["processes"]) for r in held["results"])
    assert len(keys) == 49 and set(keys.values()) == {1}, len(keys)
    assert all(("answer" in r) == (r["status"] == "ok") and ("reason" in r) == (r["status"] != "ok") for r in held["results"])
    assert 0 <= held["stolen"] <= 1
assert found["options"]["seed"] == 7 and found["machine"]["cpu"] and found["machine"]["kernel"] and found["machine"]["date"]
END

# Without Matplotlib (-S hides Debian's packages) the tables stay; and an old result can be written anew.
python3 -S "$compare" --report "$work/out/compare.json" --packages "$packages" --out "$work/plain" > /dev/null
expect 'Charts need the package python3-matplotlib' "$work/plain/compare.html"
expect '<td>▲ 0.500 (0.500 – 0.500)</td>' "$work/plain/compare.html"
cmp "$table" "$work/plain/compare.md"
if python3 -c 'import matplotlib' 2> /dev/null; then
  [ "$(grep -c '<svg' "$work/out/compare.html")" = 6 ] || { echo "not 6 charts" >&2; exit 1; }
fi
if "${run[@]}" --only nobody --vmmc "$work/vmmc" --out "$work/out" > /dev/null 2> "$work/log"; then exit 1; fi
expect 'no contestant and no measure contains nobody' "$work/log"

# VMMC itself.
"$vmmc" --list > "$work/log"
expect 'vmmc-nic latency,bandwidth,rate,wakeup,alltoall,idle SLEEPS' "$work/log"
measure() { "$vmmc" --variant "$1" --cpus "$2" --milliseconds 100 --measure "${@:3}" > "$work/log"; }
for cpus in 0,0 0,0,0; do
  for size in 8 64 1048576; do measure vmmc-nic $cpus latency --bytes $size; expect '"checked":true,"executor":"nic"' "$work/log"; done
done
for what in 'bandwidth --bytes 4096' 'rate --bytes 8' 'wakeup --bytes 8' 'idle --bytes 8' 'alltoall --bytes 4096 --processes 3'; do
  # shellcheck disable=SC2086
  measure vmmc-nic 0,0 $what
  expect '"checked":true,"executor":"nic"' "$work/log"
done
# The host executor, or the library's own words why not.
for variant in vmmc-host vmmc-host-cxx; do
  status=0
  measure $variant 0,0 latency --bytes 8 2> "$work/refusal" || status=$?
  case $status in
    0) expect '"checked":true,"executor":"host"' "$work/log" ;;
    3) expect 'host executor' "$work/refusal" ;;
    *) echo "$variant ended with $status" >&2; cat "$work/refusal" >&2; exit 1 ;;
  esac
done
status=0
VMMC_NICSIM=/bin/false "$vmmc" --variant vmmc-nic --measure latency --bytes 8 --cpus 0,0 --milliseconds 100 2> "$work/log" || status=$?
[ "$status" = 1 ]
expect 'nicsim did not start' "$work/log"
