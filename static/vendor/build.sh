#!/bin/sh
# Build the vendored code editor. For maintainers, with Node and npm; the output is committed, so that installing Chappe needs neither.
set -eu
cd "$(dirname "$0")/codemirror"
npm ci --ignore-scripts --no-audit --no-fund
node node_modules/esbuild/bin/esbuild editor.js --bundle --minify --format=esm --target=es2022 --legal-comments=none \
  --outfile=../codemirror-6.0.2.min.js
rm -rf node_modules
cd .. && python3 manifest.py
