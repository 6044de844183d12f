#!/usr/bin/env bash
# Make each target in turn, stop at the first that fails, and say how long each took, then all at the end: tools/parts.sh TARGET...
set -uo pipefail
cd "$(dirname "$0")/.."
lines=()
status=0
for part in "$@"; do
  begun=$(date +%s)
  make "$part" || status=$?
  seconds=$(($(date +%s) - begun))
  lines+=("$(printf '%-14s %6d s  %s' "$part" "$seconds" "$([ "$status" = 0 ] && echo ok || echo "failed ($status)")")")
  printf '\n%s\n\n' "${lines[-1]}"
  [ "$status" = 0 ] || break
done
for part in "${@:${#lines[@]}+1}"; do
  lines+=("$(printf '%-14s %6s    not run' "$part" -)")
done
printf '\n'
printf '%s\n' "${lines[@]}"
exit "$status"
