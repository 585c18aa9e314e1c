#!/usr/bin/env bash
# Installs the Autobahn suite, which runs only on Python 2.7, into the directory $1 (about 30 seconds, once).
# Exit 2: there is no Python 2.7; the line that installs it is on stderr.
set -euo pipefail
venv=$1
[ -x "$venv/bin/wstest" ] && exit 0
python=${PY2:-$(ls -d ~/.pyenv/versions/2.7*/bin/python 2>/dev/null | tail -1 || true)}
[ -n "$python" ] || python=$(command -v python2.7 || true)
if ! [ -n "$python" ] || ! "$python" -c 'import sys; assert sys.version_info[:2] == (2, 7)' 2>/dev/null; then
    echo "the Autobahn suite needs Python 2.7: curl -fsSL https://pyenv.run | bash && ~/.pyenv/bin/pyenv install 2.7.18" >&2
    exit 2
fi
rm -rf "$venv" "$venv.tools"
"$python" -m pip install -q --disable-pip-version-check --target "$venv.tools" virtualenv==20.15.1
PYTHONPATH="$venv.tools" "$python" -m virtualenv -q "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check autobahntestsuite==25.10.1
