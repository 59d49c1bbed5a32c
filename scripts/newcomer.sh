#!/usr/bin/env bash
# A newcomer's walk: clone, the README's two commands, settings of one's own, a switch by one line, an offline test.
# Each step must end as the documents say. Arguments go to `make test`; without any, the whole suite runs.
#
#     scripts/newcomer.sh [--no-cov tests/test_door.py]
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# What is found is found in the walk's own folder.
unset FLUXKIT_PROFILE FLUXKIT_OFFLINE FLUXKIT_MAGNIFIC_KEY FLUXKIT_APIMART_KEY
export FLUXKIT_CONFIG=/dev/null XDG_STATE_HOME=$place/state

step() { printf '\n--- %s\n' "$1"; }

# Runs the rest and makes sure that it ends with the exit code $1.
ends_with() {
    local expected=$1 code=0
    shift
    "$@" || code=$?
    ((code == expected)) || { echo "$*: ended with $code, not $expected" >&2; exit 1; }
}

step "Clone"
git clone --quiet "$source" "$place/fluxkit"
cd "$place/fluxkit"

step "The two commands"
make demo ARGS="--output $place/pictures"
[[ $(find "$place/pictures" -type f | wc -l) -eq 4 ]]
make test ARGS="$*"

step "Settings of one's own"
export PATH=$PWD/.venv/bin:$PATH
mkdir "$place/app"
cd "$place/app"
fluxkit init
fluxkit doctor
fluxkit generate "a fox" --aspect 16:9 -o first.jpg
file_of() { python -c 'import sys; from PIL import Image; print(*Image.open(sys.argv[1]).size)' "$1"; }
[[ $(file_of first.jpg) == "1344 768" ]]

step "What a switch would change, and the switch"
ends_with 0 fluxkit diff offline draft "a fox" --aspect 16:9
ends_with 8 fluxkit diff offline draft "a fox" --aspect 16:9 --seed 7
sed -i.before 's/^default = "offline"$/default = "draft"/' fluxkit.toml
[[ $(diff fluxkit.toml.before fluxkit.toml | grep -c '^>') -eq 1 ]]
fluxkit generate "a fox" --aspect 16:9 --offline -o second.png
[[ $(file_of second.png) == "1920 1080" ]]

step "A wish that the other service lacks: refused, and allowed by the line that is printed"
ends_with 2 fluxkit generate "a fox" --seed 7 --offline
line=$(python - <<'PYTHON'
import fluxkit

try:
    fluxkit.Client.from_settings(mock=True).plan("a fox", seed=7)
except fluxkit.Unsupported as error:
    print(error.setting)
PYTHON
)
echo "$line"
sed -i.before "s/^provider = \"apimart:flux-2-flex\"\$/&\n$line/" fluxkit.toml
ends_with 0 fluxkit generate "a fox" --seed 7 --offline -o third.png

step "An offline test of one's own"
cat >test_app.py <<'PYTHON'
import fluxkit
import pytest


@pytest.mark.parametrize("profile", ["offline", "draft"])
def test_a_fox_is_made_once(profile, tmp_path):
    with fluxkit.Client.from_settings(profile, mock=True) as client:
        result = client.generate("a fox", seed=7, to=tmp_path)
    assert 1 == len(result.images) and result.mocked
PYTHON
python -m pytest -q test_app.py

step "Something broken on purpose"
sed -i.before 's/^provider = "magnific:flux-2-klein"$/provider = "magnific:flux-9"/' fluxkit.toml
ends_with 2 fluxkit generate "a fox" --profile offline
ends_with 2 fluxkit doctor --profile offline

step "The walk is done"
