#!/bin/sh
# docs/decisions/a-small-young-generation.md says why.
exec /usr/lib/pointsman/node --max-semi-space-size=8 /usr/lib/pointsman/pointsman.mjs "$@"
