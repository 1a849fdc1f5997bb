#!/usr/bin/env bash
# The layout (clang-format) and the habits (clang-tidy) of every C and C++ file. Closes with `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.h' '*.hpp' '*.c' '*.cc')
mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep '\.cc$')
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

check() {
  local tool=$1 file=$2 log status=0
  log=$results/$tool.${file//\//_}
  case $tool in
    format) clang-format --dry-run -Werror "$file" >"$log" 2>&1 || status=$? ;;
    tidy) clang-tidy --quiet "$file" -- -std=c++20 -I. -pthread >"$log" 2>/dev/null || status=$? ;;
  esac
  if ((status == 0)); then rm -f "$log"; else printf 'failed: %s %s\n' "$tool" "$file"; fi
}
export -f check
export results

echo "Layout of ${#files[@]} files"
printf '%s\n' "${files[@]}" | xargs -P 2 -I{} bash -c 'check format {}'
echo "Habits of ${#sources[@]} files"
printf '%s\n' "${sources[@]}" | xargs -P 2 -n 1 bash -c 'check tidy "$0"; echo "  $0"' | awk '
  /^failed/ { print; next } { n++; if (n % 20 == 0) printf "  ... %d files\n", n }'
shopt -s nullglob
failures=("$results"/*)
for log in "${failures[@]}"; do head -n 20 "$log"; done
total=$((${#files[@]} + ${#sources[@]}))
echo "$((total - ${#failures[@]})) passed, ${#failures[@]} failed"
((${#failures[@]} == 0))
