#!/usr/bin/env bash
# The inference routes over the wire: what clients depend on, byte by byte, with Python's own library.
# shellcheck source=tests/server/session.sh
source "$(dirname "$0")/session.sh"
session api
