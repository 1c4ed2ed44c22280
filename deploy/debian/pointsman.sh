#!/bin/sh
exec /usr/lib/pointsman/node /usr/lib/pointsman/pointsman.mjs "$@"
