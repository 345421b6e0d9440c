#!/usr/bin/env bash
# Requests that mean harm (docs/server.md has the list): each is refused with a line that says why, in time and in bounded memory, and
# the server goes on answering.
# shellcheck source=tests/server/session.sh
source "$(dirname "$0")/session.sh"
session attack
