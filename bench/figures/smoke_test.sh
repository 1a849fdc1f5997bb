#!/bin/bash
# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
#
# All figures, within their tolerances: simulated time is the same on every machine. Arguments: FIGURES README.
set -eu
figures=$1
readme=$2
out=$TEST_TMPDIR/results

fail() {
  echo "$*" >&2
  exit 1
}

# Its status is not 0 if a figure that is counted is out of its tolerance.
"$figures" --out "$out" > "$out.first" || { cat "$out.first" >&2; fail "the figures are not as published"; }
grep -q '^20 figures are counted, 20 of them within tolerance; 3 of them are predictions.$' "$out.first" ||
  { cat "$out.first" >&2; fail "the summary has changed"; }
diff <(sed -n '/^```$/,/^```$/{/^```$/d;p}' "$readme") <(sed '/^$/,$d' "$out.first") || fail "the table in README.md is another one"
python3 -c '
import json, sys, xml.dom.minidom
results = json.load(open(sys.argv[1] + "/figures.json"))
assert len(results["figures"]) == 25, len(results["figures"])
assert all(f["within"] for f in results["figures"] if f["counted"])
assert len(results["design_choices"]["changes"]) == 6
names = [c["name"] for c in results["curves"]]
for sweep in "system-call", "interrupt", "combining", "fifo-capacity", "queue-depth":
    assert sweep in names, sweep
    assert all(len(line["points"]) >= 5 for line in results["curves"][names.index(sweep)]["lines"]), sweep
for name in [c["name"] for c in results["curves"]] + ["design-choices"]:
    xml.dom.minidom.parse(sys.argv[1] + "/" + name + ".svg")
' "$out" || fail "figures.json or a plot is not what it should be"

# The same again, to the last digit.
"$figures" --only latency > "$out.second"
grep -F latency "$out.first" | grep -v '^ ' > "$out.expected"
diff "$out.expected" <(grep latency "$out.second") || fail "the second run differs from the first"

# Another machine has other figures, and that is a failure.
status=0
"$figures" --only au-word --param processor.poll_ns=2000 > "$out.third" || status=$?
[ "$status" = 1 ] && grep -q 'OUT OF TOLERANCE' "$out.third" || fail "a wrong figure is not noticed"

# That deliberate update is never faster is a result, too.
"$figures" --only crossover --param processor.store_ns=100 > "$out.none" || fail "a figure that does not exist is an error"
grep -q ' none .*changed .*OUT OF TOLERANCE' "$out.none" || fail "a figure that does not exist is not said to be none"

# A machine that takes no time: what is infinite is not drawn, and is null.
free=
for key in processor.store_ns processor.poll_ns processor.copy_mb_per_s library.send_ns snoop_logic.latency_ns \
  outgoing_page_table.lookup_ns packetizer.latency_ns outgoing_fifo.latency_ns \
  deliberate_update_engine.store_ns deliberate_update_engine.load_ns deliberate_update_engine.start_ns deliberate_update_engine.setup_ns \
  deliberate_update_engine.dma_mb_per_s arbiter.grant_ns format_and_send.latency_ns backplane.link_mb_per_s \
  backplane.hop_ns incoming_dma_engine.latency_ns incoming_dma_engine.setup_ns incoming_dma_engine.dma_mb_per_s \
  incoming_page_table.lookup_ns; do
  free="$free --param $key=0"
done
status=0
# shellcheck disable=SC2086
"$figures" --out "$out.free" $free > "$out.free.table" || status=$?
[ "$status" = 1 ] || fail "a machine that takes no time: status $status"
if grep -Ei 'nan|[^a-z]inf([^a-z]|$)' "$out.free.table" "$out.free"/*.svg; then fail "what has no value is printed or drawn"; fi
python3 -c '
import json, sys
def refuse(what): raise ValueError(what)
results = json.load(open(sys.argv[1] + "/figures.json"), parse_constant=refuse)
assert any(f["simulated"] is None for f in results["figures"])
assert not any(f["counted"] and f["kind"] == "prediction" and f["model"] == "shrimp-2" for f in results["figures"])
' "$out.free" || fail "figures.json of a machine that takes no time is not what it should be"

for wrong in '--param processor.poll_ns=1 processor.store_ns=1' '--only nothing-of-that-name' '--param no.such=1' '--param processor.poll_ns=-1' '--out /dev/null/x --only import --nonsense'; do
  # shellcheck disable=SC2086
  if "$figures" $wrong > /dev/null 2> "$out.error"; then fail "$wrong is accepted"; fi
  [ -s "$out.error" ] || fail "$wrong: no message"
done
