#!/usr/bin/env bash
# Build sdist and wheel, try the wheel where nothing else is, and tag the commit: tools/release.sh [--dry-run]
# Nothing is pushed or uploaded: that is for a person, after a look at dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
root=$PWD
unset PYTHONPATH # the wheel is to stand alone
version=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' gan_probe/version.py)
tag="v$version"

stop() {
  printf 'no release: %s\n' "$1" >&2
  exit 1
}

# What takes no time goes first.
[ -n "$version" ] || stop "gan_probe/version.py names no VERSION"
[ -z "$(git status --porcelain)" ] || stop "the tree is not clean; commit or remove what git status shows"
! git rev-parse --quiet --verify "refs/tags/$tag" >/dev/null || stop "the tag $tag exists; raise gan_probe/version.py"
heading=$(grep -F -e "## $version" CHANGELOG.md | grep -x -E -e "## ${version//./\\.}( .*)?" || true)
[ -n "$heading" ] || stop "CHANGELOG.md has no section '## $version'"
[[ $heading != *unreleased* ]] || stop "CHANGELOG.md says '$heading'; put the date in place of (unreleased)"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
rm -rf dist
"$python" -m venv "$scratch/builder"
"$scratch/builder/bin/python" -m pip install --quiet --constraint constraints.txt build
"$scratch/builder/bin/python" -m build --outdir dist . # the wheel is built from the sdist, so that is complete

"$python" -m venv "$scratch/bare"
"$scratch/bare/bin/python" -m pip install --quiet --constraint constraints.txt dist/*.whl
mkdir "$scratch/elsewhere"
cd "$scratch/elsewhere" # not in the checkout, whose packages would be imported in place of the wheel's
installed=$("$scratch/bare/bin/python" -c 'import gan_probe; print(gan_probe.__version__)')
[ "$installed" = "$version" ] || stop "the wheel says that it is $installed"
"$scratch/bare/bin/gan-probe" demo --steps 2 --per-class 8
test -s gan-probe-demo/report/report.html || stop "the demo of the wheel wrote no report"
cd "$root"

# The demo takes a while: what is tagged must still be what was built.
[ -z "$(git status --porcelain)" ] || stop "the tree was changed meanwhile"
ls -l dist
if [ "${1:-}" = --dry-run ]; then
  echo "all is well; without --dry-run this would be tagged $tag"
else
  git tag --annotate "$tag" --message "gan-probe $version"
  echo "tagged $tag; to publish: git push origin $tag, and upload dist/"
fi
